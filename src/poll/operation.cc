#include "poll/operation.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "poll/sigpipe.h"

namespace weft::poll {
namespace {

std::int64_t outcome(std::int64_t n) noexcept { return n >= 0 ? n : -errno; }

std::int64_t vector_size(const iovec* vectors, std::size_t count) noexcept {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += vectors[i].iov_len;
  return static_cast<std::int64_t>(bytes);
}

// send_vectors: writev(2) that raises no SIGPIPE.
std::int64_t send_vectors(int fd, const operation& op) noexcept {
  msghdr message{};
  message.msg_iov = static_cast<iovec*>(op.data);
  message.msg_iovlen = op.size;
  return outcome(::sendmsg(fd, &message, op.flags | MSG_NOSIGNAL));
}

std::int64_t accept_one(int fd, const operation& op) noexcept {
  auto length = static_cast<socklen_t>(op.size);
  return outcome(::accept4(fd, static_cast<sockaddr*>(op.data),
                           op.data != nullptr ? &length : nullptr,
                           op.flags | SOCK_NONBLOCK | SOCK_CLOEXEC));
}

// connect_step: the first call starts the connection. Called again it says how far it is: EALREADY
// while under way (an event that meant nothing), success or EISCONN when established, else the
// error.
std::int64_t connect_step(int fd, const operation& op) noexcept {
  const auto* address = static_cast<const sockaddr*>(op.data);
  if (::connect(fd, address, static_cast<socklen_t>(op.size)) == 0) return 0;
  switch (errno) {
    case EISCONN: return 0;
    case EINPROGRESS:
    case EALREADY:
    case EINTR: return -EAGAIN;
    case EAGAIN: return -ENOBUFS;
    default: return -errno;
  }
}

// look: level-triggered readiness, now. Errors and hang-ups count as ready: the next call reports
// them.
std::int64_t look(int fd, short events) noexcept {
  pollfd one{fd, events, 0};
  const int n = ::poll(&one, 1, 0);
  if (n < 0) return -errno;
  if (n == 0) return -EAGAIN;
  return (one.revents & POLLNVAL) != 0 ? -EBADF : 0;
}

ssize_t write_plain(int fd, const operation& op) noexcept {
  if (op.code == opcode::write) return ::write(fd, op.data, op.size);
  return ::writev(fd, static_cast<const iovec*>(op.data), static_cast<int>(op.size));
}

std::int64_t attempt_once(int fd, fd_kind kind, const operation& op) noexcept {
  const bool is_socket = kind == fd_kind::socket || kind == fd_kind::tcp;
  switch (op.code) {
    case opcode::read:
      return outcome(is_socket ? ::recv(fd, op.data, op.size, op.flags)
                               : ::read(fd, op.data, op.size));
    case opcode::write:
      if (is_socket) return outcome(::send(fd, op.data, op.size, op.flags | MSG_NOSIGNAL));
      [[fallthrough]];
    case opcode::writev:
      if (is_socket) return send_vectors(fd, op);
      if (kind == fd_kind::pipe)
        return outcome(without_sigpipe([&] { return write_plain(fd, op); }));
      return outcome(write_plain(fd, op));
    case opcode::accept: return accept_one(fd, op);
    case opcode::connect: return connect_step(fd, op);
    case opcode::recvmsg: return outcome(::recvmsg(fd, static_cast<msghdr*>(op.data), op.flags));
    case opcode::sendmsg:
      return outcome(::sendmsg(fd, static_cast<const msghdr*>(op.data), op.flags | MSG_NOSIGNAL));
    case opcode::readable: return look(fd, POLLIN);
    case opcode::writable: return look(fd, POLLOUT);
  }
  std::unreachable();
}

}  // namespace

fd_kind kind_of(int fd) noexcept {
  const auto option = [fd](int name) {
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
  };
  const int type = option(SO_TYPE);
  if (type < 0) {
    struct stat status{};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) ? fd_kind::pipe : fd_kind::other;
  }
  const bool is_tcp = type == SOCK_STREAM && option(SO_PROTOCOL) == IPPROTO_TCP;
  return is_tcp ? fd_kind::tcp : fd_kind::socket;
}

direction direction_of(opcode code) noexcept {
  switch (code) {
    case opcode::read:
    case opcode::accept:
    case opcode::recvmsg:
    case opcode::readable: return direction::read;
    case opcode::write:
    case opcode::writev:
    case opcode::connect:
    case opcode::sendmsg:
    case opcode::writable: return direction::write;
  }
  std::unreachable();
}

std::int64_t attempt(int fd, fd_kind kind, const operation& op) noexcept {
  std::int64_t result;
  do {
    result = attempt_once(fd, kind, op);
  } while (result == -EINTR);  // bounded by the signals that arrive
  return result;
}

std::int64_t size_of(const operation& op) noexcept {
  switch (op.code) {
    case opcode::read:
    case opcode::write: return static_cast<std::int64_t>(op.size);
    case opcode::writev: return vector_size(static_cast<const iovec*>(op.data), op.size);
    case opcode::recvmsg:
    case opcode::sendmsg: {
      const auto* message = static_cast<const msghdr*>(op.data);
      return vector_size(message->msg_iov, message->msg_iovlen);
    }
    default: return 0;
  }
}

int milliseconds(std::int64_t timeout_ns) noexcept {
  constexpr std::int64_t ns_per_ms = 1'000'000;
  if (timeout_ns <= 0) return timeout_ns < 0 ? -1 : 0;
  return static_cast<int>(std::min<std::int64_t>((timeout_ns - 1) / ns_per_ms + 1, INT_MAX));
}

}  // namespace weft::poll
