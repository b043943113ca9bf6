#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace weft::net {
namespace {

constexpr int keepalive_idle_s = 15;
constexpr int keepalive_interval_s = 15;
constexpr int keepalive_count = 9;

struct option {
  int level;
  int name;
  int value;
};

constexpr option tcp_options[] = {
    {IPPROTO_TCP, TCP_NODELAY, 1},
    {SOL_SOCKET, SO_KEEPALIVE, 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s},
    {IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s},
    {IPPROTO_TCP, TCP_KEEPCNT, keepalive_count},
};

}  // namespace

stream_kind kind_of(const address& a) noexcept {
  return a.kind() == address::family::unix_path ? stream_kind::unix_socket : stream_kind::tcp;
}

result<unique_fd> open_socket(const address& a) noexcept {
  const auto fail = [] { return std::unexpected(error::from_errno(errno, "socket")); };
  unique_fd fd(::socket(a.native()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail();
  if (kind_of(a) != stream_kind::tcp) return fd;
  for (const auto& o : tcp_options) {
    if (::setsockopt(fd.get(), o.level, o.name, &o.value, sizeof o.value) != 0) return fail();
  }
  return fd;
}

}  // namespace weft::net
