#include "net/race.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "net/call.h"
#include "net/conn_access.h"
#include "net/socket.h"
#include "poll/sockets.h"
#include "sched/environment.h"

namespace weft::net {
namespace {

using poll::direction;
using sched::wait_reason;

constexpr std::int64_t backlog_pause_min_ns = 1'000'000;
constexpr std::int64_t backlog_pause_max_ns = 50'000'000;

// connected_to_itself: a port of our own range that nobody listens on may be given to us as our own
// end: the two halves of one socket then greet each other. The peer is asked for, since 0.0.0.0 and
// :: are other words for this machine.
bool connected_to_itself(pollable& io) noexcept {
  const auto own = local_address(io);
  if (own.port() != io.peer().port()) return false;
  sockaddr_storage native{};
  socklen_t size = sizeof native;
  if (poll::peer_name(io.fd(), native, size) != 0) return false;
  return address::from_native(reinterpret_cast<const sockaddr*>(&native), size) == own;
}

// attempt: a connect under way. Its members end in reverse: the call, then the connection.
struct attempt {
  attempt(conn c, pollable& of, const address& to, std::int64_t until_ns, const sched::limits& l)
      : made(std::move(c)),
        io(of),
        entered(of, direction::write, verb::connect, wait_reason::io_connect, l),
        deadline_ns(until_ns),
        entrant{&of,
                {poll::opcode::connect, const_cast<sockaddr*>(to.native()), to.native_size(), 0}} {}

  conn made;
  pollable& io;
  call entered;
  std::int64_t deadline_ns;
  std::int64_t pause_ns = backlog_pause_min_ns;
  pollable::entrant entrant;
};

// lane: addresses that are tried one after the other.
class lane {
 public:
  lane(std::vector<address> targets, transport kind, const dial_options& options,
       std::int64_t share_min)
      : targets_(std::move(targets)), kind_(kind), options_(options), share_min_(share_min) {}

  // begin: the next address that an attempt can be made at, unless one is under way.
  void begin(const sched::limits& l) {
    const auto home = home_here();
    while (!now_ && next_ < targets_.size()) {
      const auto until_ns = share_of(l);
      const address& to = targets_[next_++];
      auto fd = open_bound(to, kind_, options_);
      if (!fd) {
        note(fd.error());
        continue;
      }
      const auto opened = pollable::open(fd->take(), kind_, to, home);
      if (!opened) {
        note(error(opened.error().code(), words(verb::connect, kind_), to.to_string()));
        continue;
      }
      now_.emplace(conn_access::adopt(*opened), **opened, to, until_ns, l);
      if (!now_->entered) fail(now_->entered.why());
    }
  }

  // fail: the attempt under way comes to nothing.
  void fail(const error& why) {
    note(why);
    now_.reset();
  }

  [[nodiscard]] attempt* now() noexcept { return now_ ? &*now_ : nullptr; }
  // exhausted: every address has failed.
  [[nodiscard]] bool exhausted() const noexcept { return !now_ && next_ == targets_.size(); }
  [[nodiscard]] const std::optional<error>& first_failure() const noexcept { return failed_; }

 private:
  // share_of: until when the next address may take.
  std::int64_t share_of(const sched::limits& l) const noexcept {
    const auto left = static_cast<std::int64_t>(targets_.size() - next_);
    if (l.deadline_ns == sched::none_due || left < 2) return l.deadline_ns;
    const auto now = sched::now_ns();
    if (l.deadline_ns <= now) return l.deadline_ns;
    const auto share = std::max((l.deadline_ns - now) / left, share_min_);
    return std::min(l.deadline_ns, now + share);
  }
  void note(const error& why) {
    if (!failed_) failed_ = why;
  }

  const std::vector<address> targets_;
  const transport kind_;
  const dial_options& options_;
  const std::int64_t share_min_;
  std::size_t next_ = 0;
  std::optional<attempt> now_;
  std::optional<error> failed_;
};

class race {
 public:
  race(std::span<const address> targets, transport kind, const dial_options& options,
       const sched::limits& l, std::int64_t share_min)
      : limits_(l) {
    const bool alone = options.fallback_delay < options.fallback_delay.zero();
    std::vector<address> first;
    std::vector<address> second;
    for (const auto& a : targets) {
      (alone || a.kind() == targets.front().kind() ? first : second).push_back(a);
    }
    if (!second.empty()) {
      second_from_ns_ = limit(options.fallback_delay).deadline_ns();
    }
    lanes_[0].emplace(std::move(first), kind, options, share_min);
    lanes_[1].emplace(std::move(second), kind, options, share_min);
  }

  result<conn> run() {
    for (;;) {  // each round ends an attempt, starts the second lane, or pauses before a full one
      begin();
      std::array<pollable::entrant, 2> entrants;
      std::array<lane*, 2> owners{};
      std::size_t n = 0;
      auto part = limits_;
      if (!second_started_) part.deadline_ns = std::min(part.deadline_ns, second_from_ns_);
      for (auto& each : lanes_) {
        if (each->now() == nullptr) continue;
        owners[n] = &*each;
        entrants[n++] = each->now()->entrant;
        part.deadline_ns = std::min(part.deadline_ns, each->now()->deadline_ns);
      }
      if (n == 0) return std::unexpected(first_failure());
      const auto racing = std::span(entrants).first(n);
      const auto by = pollable::run_any(racing, wait_reason::io_connect, part);
      if (by == sched::token_ready) {
        for (std::size_t i = 0; i < n; ++i) {
          if (!entrants[i].done) continue;
          if (auto made = finish(*owners[i], entrants[i].value)) return std::move(*made);
        }
      } else if (by == sched::token_timeout && sched::now_ns() < limits_.deadline_ns) {
        drop_late(part);
      } else {
        return std::unexpected(owners[0]->now()->io.failure(verb::connect, by, limits_));
      }
    }
  }

 private:
  void begin() {
    lanes_[0]->begin(limits_);
    if (!second_started_ && (lanes_[0]->exhausted() || sched::now_ns() >= second_from_ns_)) {
      second_started_ = true;
    }
    if (second_started_) lanes_[1]->begin(limits_);
  }

  // finish: what became of an attempt that is done; nothing if the race goes on.
  std::optional<result<conn>> finish(lane& of, std::int64_t value) {
    attempt& a = *of.now();
    // A Unix socket whose backlog is full announces no room: we ask again. It is alone in its race.
    if (value == -ENOBUFS && a.io.peer().kind() == address::family::unix_path) {
      const auto by = a.io.pause(direction::write, wait_reason::io_connect, limits_, a.pause_ns);
      a.pause_ns = std::min(2 * a.pause_ns, backlog_pause_max_ns);
      if (by == sched::token_ready) return std::nullopt;
      return std::unexpected(a.io.failure(verb::connect, by, limits_));
    }
    if (value == 0 && connected_to_itself(a.io)) value = -ECONNREFUSED;  // nobody answered
    if (value == 0) return std::move(a.made);
    of.fail(a.io.failure(verb::connect, {sched::token_ready, value}, limits_));
    return std::nullopt;
  }

  // drop_late: ends the attempts whose share of the time is over.
  void drop_late(const sched::limits& part) {
    const auto now = sched::now_ns();
    for (auto& each : lanes_) {
      const auto* a = each->now();
      if (a == nullptr || now < a->deadline_ns) continue;
      each->fail(a->io.failure(verb::connect, sched::token_timeout, part));
    }
  }

  [[nodiscard]] error first_failure() const {
    const auto& of_first = lanes_[0]->first_failure();
    return of_first ? *of_first : *lanes_[1]->first_failure();
  }

  const sched::limits limits_;
  std::array<std::optional<lane>, 2> lanes_;
  std::int64_t second_from_ns_ = sched::none_due;
  bool second_started_ = false;
};

}  // namespace

result<unique_fd> open_bound(const address& to, transport kind, const dial_options& options) {
  const auto fail = [&](const std::error_code& code) {
    return std::unexpected(error(code, words(verb::connect, kind), to.to_string()));
  };
  auto fd = open_socket(to, kind);
  if (!fd) return fail(fd.error().code());
  if (kind == transport::tcp && !set_tcp_options(fd->get(), options.nodelay, options.keepalive)) {
    return fail(last_error());
  }
  if (options.control) {
    if (const auto done = options.control(fd->get()); !done) return fail(done.error().code());
  }
  const auto& local = options.local;
  if (local.kind() != address::family::none &&
      poll::bind_socket(fd->get(), local.native(), static_cast<socklen_t>(local.native_size())) !=
          0) {
    return fail(last_error());
  }
  return fd;
}

std::vector<address> with_family_of(const address& local, std::vector<address> targets) {
  if (local.kind() != address::family::none) {
    std::erase_if(targets, [&](const address& a) { return a.kind() != local.kind(); });
  }
  return targets;
}

result<conn> connect_first(std::span<const address> targets, transport kind,
                           const dial_options& options, const sched::limits& l,
                           std::int64_t share_min) {
  return race(targets, kind, options, l, share_min).run();
}

}  // namespace weft::net
