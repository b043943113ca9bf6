#include "poll/sockets.h"

#include <unistd.h>

#include <cerrno>

namespace weft::poll {
namespace {

thread_local simulated_sockets* here [[gnu::tls_model("initial-exec")]] = nullptr;

// in_errno: what a system call would have returned.
int in_errno(int value) noexcept {
  if (value >= 0) return value;
  errno = -value;
  return -1;
}

// simulated: `call` of the simulation that `fd` belongs to, if we are still in it.
template <class F>
int simulated(F&& call) noexcept {
  return in_errno(here != nullptr ? call(*here) : -EBADF);
}

}  // namespace

void simulate_sockets(simulated_sockets* of) noexcept { here = of; }

simulated_sockets* sockets_here() noexcept { return here; }

int open_socket(int family, int type) noexcept {
  if (here != nullptr && family != AF_UNIX) return in_errno(here->socket(family, type));
  return ::socket(family, type, 0);
}

int set_socket_option(int fd, int level, int name, int value) noexcept {
  if (is_simulated(fd))
    return simulated([&](auto& s) { return s.set_option(fd, level, name, value); });
  return ::setsockopt(fd, level, name, &value, sizeof value);
}

int bind_socket(int fd, const sockaddr* to, socklen_t size) noexcept {
  if (is_simulated(fd)) return simulated([&](auto& s) { return s.bind(fd, to, size); });
  return ::bind(fd, to, size);
}

int listen_socket(int fd, int backlog) noexcept {
  if (is_simulated(fd)) return simulated([&](auto& s) { return s.listen(fd, backlog); });
  return ::listen(fd, backlog);
}

int connect_socket(int fd, const sockaddr* to, socklen_t size) noexcept {
  if (is_simulated(fd)) return simulated([&](auto& s) { return s.connect(fd, to, size); });
  return ::connect(fd, to, size);
}

int socket_name(int fd, sockaddr_storage& out, socklen_t& size) noexcept {
  if (is_simulated(fd)) return simulated([&](auto& s) { return s.name(fd, false, out, size); });
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&out), &size);
}

int peer_name(int fd, sockaddr_storage& out, socklen_t& size) noexcept {
  if (is_simulated(fd)) return simulated([&](auto& s) { return s.name(fd, true, out, size); });
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&out), &size);
}

int shut_socket(int fd, int how) noexcept {
  if (is_simulated(fd)) return simulated([&](auto& s) { return s.shutdown(fd, how); });
  return ::shutdown(fd, how);
}

void close_descriptor(int fd) noexcept {
  if (!is_simulated(fd)) {
    ::close(fd);
  } else if (here != nullptr) {
    here->close(fd);
  }
}

}  // namespace weft::poll
