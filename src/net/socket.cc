#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "poll/sockets.h"

namespace weft::net {
namespace {

int whole_seconds(std::chrono::seconds s) noexcept {
  return static_cast<int>(std::clamp<std::chrono::seconds::rep>(s.count(), 1, INT_MAX));
}

}  // namespace

std::error_code last_error() noexcept { return {errno, std::system_category()}; }

int socket_type(transport kind) noexcept {
  switch (kind) {
    case transport::udp:
    case transport::unix_datagram: return SOCK_DGRAM;
    case transport::unix_packet: return SOCK_SEQPACKET;
    default: return SOCK_STREAM;
  }
}

bool set_option(int fd, int level, int name, int value) noexcept {
  return poll::set_socket_option(fd, level, name, value) == 0;
}

result<unique_fd> open_socket(const address& a, transport kind) noexcept {
  const int type = socket_type(kind) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  unique_fd fd(poll::open_socket(a.native()->sa_family, type));
  if (!fd || (kind == transport::udp && !set_option(fd.get(), SOL_SOCKET, SO_BROADCAST, 1))) {
    return std::unexpected(error(last_error(), "socket"));
  }
  return fd;
}

bool set_tcp_options(int fd, bool nodelay, const keepalive_options& keepalive) noexcept {
  if (!set_option(fd, IPPROTO_TCP, TCP_NODELAY, nodelay ? 1 : 0)) return false;
  if (!set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive.on ? 1 : 0)) return false;
  return !keepalive.on ||
         (set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(keepalive.idle)) &&
          set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(keepalive.interval)) &&
          set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive.count));
}

address bound_address(int fd, const address& asked) noexcept {
  sockaddr_storage native{};
  socklen_t size = sizeof native;
  if (poll::socket_name(fd, native, size) != 0) return asked;
  return address::from_native(reinterpret_cast<const sockaddr*>(&native), size);
}

}  // namespace weft::net
