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
    const auto until = sched::now_ns() + pause_ns;
    const auto by = io.pause(poll::direction::write, sched::wait_reason::io_connect, l, pause_ns);
    if (by != sched::token_timeout || until > l.deadline_ns) return {by, 0};
  }
}

result<conn> dial_one(const address& to, const sched::limits& l) {
  auto fd = open_socket(to);
  if (!fd) return std::unexpected(fd.error());
  const auto opened = pollable::open(fd->take(), kind_of(to), to);
  if (!opened) return std::unexpected(opened.error());
  pollable& io = **opened;
  conn made = conn_access::adopt(&io);
  const call c(io, poll::direction::write, sched::wait_reason::io_connect, l);
  auto o = connect(io, to, l);
  // A port of our own range that nobody listens on may be given to us as our own end: the two
  // halves of one socket then greet each other. Nobody answered.
  if (o.by == sched::token_ready && o.value == 0 && kind_of(to) == stream_kind::tcp &&
      local_address(io) == to) {
    o.value = -ECONNREFUSED;
  }
  if (o.by != sched::token_ready || o.value < 0) {
    return std::unexpected(io.failure(verb::connect, o, l));
  }
  return made;
}

}  // namespace

result<conn> dial(std::string_view network, std::string_view address, const limit& l) {
  const auto limits = l.raw();
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
