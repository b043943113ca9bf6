#include <sys/socket.h>
#include <weft/net/dial.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/call.h"
#include "net/conn_access.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "sched/environment.h"

namespace weft::net {
namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

// share_min_ns: an address gets at least this much of the time, so that many of them do not starve
// each.
constexpr std::int64_t share_min_ns = 2'000 * ns_per_ms;

constexpr std::int64_t backlog_pause_min_ns = 1 * ns_per_ms;
constexpr std::int64_t backlog_pause_max_ns = 50 * ns_per_ms;

// share_of: the part of the time that the next of `left` addresses may take.
sched::limits share_of(const sched::limits& l, std::size_t left) noexcept {
  if (l.deadline_ns == sched::none_due || left < 2) return l;
  const auto now = sched::now_ns();
  if (l.deadline_ns <= now) return l;
  const auto share =
      std::max((l.deadline_ns - now) / static_cast<std::int64_t>(left), share_min_ns);
  auto part = l;
  part.deadline_ns = std::min(l.deadline_ns, now + share);
  return part;
}

// connect: to its end. A Unix socket whose backlog is full announces no room: then we ask again.
pollable::outcome connect(pollable& io, const address& to, const sched::limits& l) noexcept {
  const poll::operation op{poll::opcode::connect, const_cast<sockaddr*>(to.native()),
                           to.native_size(), 0};
  for (auto pause_ns = backlog_pause_min_ns;;
       pause_ns = std::min(2 * pause_ns, backlog_pause_max_ns)) {
    const auto o = io.run(op, sched::wait_reason::io_connect, l);
    const bool full = o.by == sched::token_ready && o.value == -ENOBUFS;
    if (!full || to.kind() != address::family::unix_path) return o;
    const auto by = io.pause(poll::direction::write, sched::wait_reason::io_connect, l, pause_ns);
    if (by != sched::token_ready) return {by, 0};
  }
}

// connected_to_itself: a port of our own range that nobody listens on may be given to us as our own
// end: the two halves of one socket then greet each other. The peer is asked for, since 0.0.0.0 and
// :: are other words for this machine.
bool connected_to_itself(const pollable& io, const address& own) noexcept {
  if (own.port() != io.peer().port()) return false;
  sockaddr_storage native{};
  socklen_t size = sizeof native;
  if (::getpeername(io.fd(), reinterpret_cast<sockaddr*>(&native), &size) != 0) return false;
  return address::from_native(reinterpret_cast<const sockaddr*>(&native), size) == own;
}

result<conn> dial_one(const address& to, const sched::limits& l) {
  auto home = home_here();
  const auto fail = [&](const std::error_code& code) {
    const char* op = kind_of(to) == stream_kind::tcp ? "dial tcp" : "dial unix";
    return std::unexpected(error(code, op, to.to_string()));
  };
  auto fd = open_socket(to);
  if (!fd) return fail(fd.error().code());
  const auto opened = pollable::open(fd->take(), kind_of(to), to, home);
  if (!opened) return fail(opened.error().code());
  pollable& io = **opened;
  conn made = conn_access::adopt(&io);
  const call c(io, poll::direction::write, verb::connect, sched::wait_reason::io_connect, l);
  if (!c) return std::unexpected(c.why());
  auto o = connect(io, to, l);
  if (o.by == sched::token_ready && o.value == 0 && kind_of(to) == stream_kind::tcp &&
      connected_to_itself(io, local_address(io))) {
    o.value = -ECONNREFUSED;  // nobody answered
  }
  if (o.by != sched::token_ready || o.value < 0) {
    return std::unexpected(io.failure(verb::connect, o, l));
  }
  return made;
}

}  // namespace

result<conn> dial(std::string_view network, std::string_view address, const limit& l) {
  const auto limits = l.raw_io();
  const auto net = parse_network(network);
  if (!net) return std::unexpected(net.error());
  const auto targets = resolve(*net, address, purpose::dial, limits);
  if (!targets) return std::unexpected(targets.error());
  for (std::size_t i = 0;; ++i) {
    const auto left = targets->size() - i;
    auto made = dial_one((*targets)[i], share_of(limits, left));
    if (made || left == 1 || made.error().cancelled()) return made;
    if (sched::now_ns() >= limits.deadline_ns) return made;
  }
}

}  // namespace weft::net
