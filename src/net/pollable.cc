#include "net/pollable.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <utility>

#include "net/unique_fd.h"
#include "poll/operation.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/io.h"

namespace weft::net {
namespace {

// token_look_again: the deadline was moved. token_stranded: the runtime has ended.
constexpr sched::token token_look_again = sched::token_first_case;
constexpr sched::token token_stranded = sched::token_first_case + 1;

bool passed(std::int64_t deadline_ns) noexcept {
  return deadline_ns != sched::none_due && sched::now_ns() >= deadline_ns;
}

}  // namespace

const char* words(verb what, transport kind) noexcept {
  constexpr const char* table[][6] = {
      {"read tcp", "read unix", "read unixpacket", "read udp", "read unixgram", "read"},
      {"write tcp", "write unix", "write unixpacket", "write udp", "write unixgram", "write"},
      {"accept tcp", "accept unix", "accept unixpacket", "accept udp", "accept unixgram", "accept"},
      {"dial tcp", "dial unix", "dial unixpacket", "dial udp", "dial unixgram", "connect"},
      {"listen tcp", "listen unix", "listen unixpacket", "listen udp", "listen unixgram", "listen"},
      {"close tcp", "close unix", "close unixpacket", "close udp", "close unixgram", "close"},
      {"set tcp", "set unix", "set unixpacket", "set udp", "set unixgram", "set"},
  };
  return table[static_cast<std::size_t>(what)][static_cast<std::size_t>(kind)];
}

std::shared_ptr<sched::io_home> home_here() {
  auto home = sched::current_home();
  if (home == nullptr)
    throw misuse_error("net: no runtime is running here (call it inside weft::run)");
  return home;
}

result<pollable*> pollable::open(int fd, transport kind, const address& peer,
                                 const std::shared_ptr<sched::io_home>& home) {
  unique_fd owned(fd);
  int code = 0;
  // A connection's bytes are read here alone: those of a file are also read by who waits with us.
  const auto who = kind == transport::tcp ? poll::access::sole : poll::access::shared;
  poll::descriptor* record = home->poller().open(fd, &code, who);
  if (record == nullptr) return std::unexpected(error::from_errno(code, "open"));
  struct undo {
    poll::poller& poller;
    poll::descriptor* record;
    ~undo() {
      if (record == nullptr) return;
      std::array<poll::completion, 2> none;
      poller.close(*record, none);
      poller.release(*record);
    }
  } rollback{home->poller(), record};
  std::unique_ptr<pollable, void (*)(pollable*)> made(new pollable(fd, kind, peer, home, record),
                                                      [](pollable* p) { delete p; });
  if (!home->enlist(*made)) return std::unexpected(error(errc::wrong_runtime, "open"));
  rollback.record = nullptr;
  static_cast<void>(owned.take());
  return made.release();
}

void pollable::drop() noexcept {
  close();
  lock_.acquire();
  owned_ = false;
  const bool last = freed_;
  lock_.release();
  if (last) delete this;
}

bool pollable::close() noexcept {
  auto* const here = sched::current_machine();
  const auto who = home_->kind_of(here);
  std::uint32_t& calls = calls_of(who);
  {
    const sched::gate inside(here);
    const sched::home_visit visit(*home_, who);
    sched::wake_list woken;
    const base::locked hold(lock_);
    if (closed_) return false;
    closed_ = true;  // I3
    ++calls;
    for (auto& s : sides_) {
      if (visit.over()) break;
      if (s.parked.who != nullptr) {
        woken.claim(*static_cast<sched::waiter*>(s.parked.who), s.parked.ticket,
                    sched::token_closed);
      }
      while (auto* node = s.waiting.pop_front()) {
        woken.claim(*node->who, node->at, sched::token_closed);
      }
    }
  }
  // What the poller gives back are the waits just claimed, ones that are about to find closed_, or
  // those of a runtime that has ended.
  std::array<poll::completion, 2> evicted;
  poller().close(*record_, evicted);
  end_call(calls);
  return true;
}

// runtime_ended: a direction that a goroutine held stays busy: nobody enters any more.
bool pollable::runtime_ended(bool all_in, sched::wake_list& woken) noexcept {
  const base::locked hold(lock_);
  stranded_ = true;  // I5
  std::uint32_t gone = 0;
  const auto take_out = [&](sched::waiter& who, sched::ticket at) {
    if (!who.is_thread()) {
      ++gone;
      return true;
    }
    woken.claim(who, at, token_stranded);
    return false;
  };
  for (auto& s : sides_) {
    if (s.parked.who != nullptr &&
        take_out(*static_cast<sched::waiter*>(s.parked.who), s.parked.ticket)) {
      s.parked = {};
    }
    while (auto* node = s.waiting.pop_front()) take_out(*node->who, node->at);
  }
  own_calls_ = all_in ? 0 : own_calls_ - gone;
  if (!closed_ || freed_ || own_calls_ + calls_of_others_ > 0) return false;
  ++calls_of_others_;  // settle() ends it, and with it frees the descriptor
  return true;
}

bool pollable::hold() noexcept {
  auto* const here = sched::current_machine();
  const sched::gate inside(here);
  const base::locked hold(lock_);
  if (closed_) return false;
  ++calls_of(home_->kind_of(here));
  return true;
}

void pollable::unhold() noexcept { end_call(calls_of(home_->kind_of(sched::current_machine()))); }

void pollable::end_call(std::uint32_t& calls) noexcept {
  lock_.acquire();
  const auto left = end_call_locked(calls);
  lock_.release();
  left.free();
}

// end_call_locked: the last one after a close frees the descriptor, and the object if nobody else
// will. Once the lock is dropped the object may be gone.
pollable::remains pollable::end_call_locked(std::uint32_t& calls) noexcept {
  --calls;
  if (own_calls_ + calls_of_others_ > 0 || !closed_) return {};
  // Only one gets here: after closed_ nobody enters (I3).
  freed_ = true;
  return {home_, record_, fd_, owned_ ? nullptr : this};
}

void pollable::remains::free() const noexcept {
  if (fd < 0) return;
  home->poller().release(*record);
  poll::close_descriptor(fd);
  delete object;
}

// refusal_locked: why nobody enters any more; token_none while one may.
sched::token pollable::refusal_locked() const noexcept {
  if (closed_) return sched::token_closed;
  return stranded_ ? token_stranded : sched::token_none;
}

result<void> pollable::enter(poll::direction dir, verb what, sched::wait_reason reason,
                             const sched::limits& l) noexcept {
  auto* const here = sched::current_machine();
  const auto who = home_->kind_of(here);
  if (who == sched::caller_kind::stranger) return std::unexpected(failure(what, token_stranded, l));
  side& s = side_of(dir);
  std::uint32_t& calls = calls_of(who);
  std::int64_t deadline_ns = sched::none_due;
  sched::token by = sched::token_none;
  {
    const sched::gate inside(here);
    const base::locked hold(lock_);
    by = refusal_locked();
    if (by == sched::token_none) {
      ++calls;
      if (!s.busy) {
        s.busy = true;  // I1
        by = sched::token_ready;
      }
    }
    deadline_ns = s.deadline_ns;
  }
  if (by == sched::token_closed || by == token_stranded)
    return std::unexpected(failure(what, by, l));
  if (by == sched::token_none) {
    by = queue_up(s, reason, l);
    const base::locked hold(lock_);
    deadline_ns = s.deadline_ns;
  }
  if (by == sched::token_ready && !passed(deadline_ns)) return {};
  // The call ends behind its error: the object may go with it.
  if (by != sched::token_ready) {
    const auto why = failure(what, by, l);
    end_call(calls);
    return std::unexpected(why);
  }
  const auto late = failure(what, sched::token_timeout, l);
  leave(dir);
  return std::unexpected(late);
}

sched::token pollable::queue_up(side& s, sched::wait_reason reason,
                                const sched::limits& l) noexcept {
  const sched::gate inside;
  sched::wait w(reason, this);
  sched::wait_node node;
  node.who = &w.who();
  node.at = w.at();
  {
    const base::locked hold(lock_);
    if (const auto by = refusal_locked(); by != sched::token_none) return by;
    if (!s.busy) {
      s.busy = true;
      return sched::token_ready;
    }
    s.waiting.push_back(node);
  }
  const auto by = w.park(l);
  const base::locked hold(lock_);
  if (node.linked()) s.waiting.remove(node);
  return by;
}

result<bool> pollable::try_enter(poll::direction dir, verb what) noexcept {
  auto* const here = sched::current_machine();
  const auto who = home_->kind_of(here);
  auto by = who == sched::caller_kind::stranger ? token_stranded : sched::token_none;
  std::int64_t deadline_ns = sched::none_due;
  if (by == sched::token_none) {
    const sched::gate inside(here);
    const base::locked hold(lock_);
    side& s = side_of(dir);
    by = refusal_locked();
    if (by == sched::token_none && s.busy) return false;
    if (by == sched::token_none) {
      s.busy = true;  // I1
      ++calls_of(who);
      deadline_ns = s.deadline_ns;
    }
  }
  if (by != sched::token_none) return std::unexpected(failure(what, by, {}));
  if (!passed(deadline_ns)) return true;
  const auto late = failure(what, sched::token_timeout, {});
  leave(dir);
  return std::unexpected(late);
}

// leave: the direction is handed over: busy stays. Whoever was decided otherwise meanwhile is
// passed by.
void pollable::leave(poll::direction dir) noexcept {
  auto* const here = sched::current_machine();
  const auto who = home_->kind_of(here);
  remains left;
  {
    const sched::gate inside(here);
    const sched::home_visit visit(*home_, who);
    sched::wake_list woken;
    const base::locked hold(lock_);
    side& s = side_of(dir);
    bool handed = visit.over();
    while (!handed) {
      auto* node = s.waiting.pop_front();
      if (node == nullptr) break;
      handed = woken.claim(*node->who, node->at, sched::token_ready);
    }
    if (!handed) s.busy = false;
    left = end_call_locked(calls_of(who));
  }
  left.free();
}

pollable::outcome pollable::run(const poll::operation& op, sched::wait_reason reason,
                                const sched::limits& l) noexcept {
  {
    const sched::waiting_gate counted(sched::waiting_gate::system_call);
  }
  auto value = attempt(op, poll::trust::rely);
  if (value != -EAGAIN) return {sched::token_ready, value};
  sched::wait w(reason, this);
  auto o = wait_once(w, op, l);
  while (o.by == sched::token_ready && o.value == poll::again) {
    w.again();
    o = wait_once(w, op, l);
  }
  if (o.by != sched::token_timeout && o.by != sched::token_cancelled) return o;
  value = attempt(op, poll::trust::ask);
  return value == -EAGAIN ? o : outcome{sched::token_ready, value};
}

pollable::outcome pollable::await(poll::direction dir, sched::wait_reason reason,
                                  const sched::limits& l) noexcept {
  const bool reads = dir == poll::direction::read;
  const poll::operation op{reads ? poll::opcode::readable : poll::opcode::writable, nullptr, 0, 0};
  sched::wait w(reason, this);
  auto o = wait_once(w, op, l);
  if (o.by == sched::token_ready && o.value == poll::again) o.value = 0;
  return o;
}

// wait_once: starts `op`, and if it stays pending waits for the event; `again` then. A moved
// deadline begins another such wait.
pollable::outcome pollable::wait_once(sched::wait& w, const poll::operation& op,
                                      const sched::limits& l) noexcept {
  const auto dir = poll::direction_of(op.code);
  for (;;) {
    const poll::cookie who{&w.who(), w.at()};
    const auto started = poller().start(*record_, op, who);
    if (!started.pending) {
      w.give_up();
      return {sched::token_ready, started.result};
    }
    const auto by = park(w, side_of(dir), l);
    if (by == sched::token_ready) return {by, poll::again};
    // After a close there is nothing to withdraw. If an event is on its way, its ticket is stale.
    if (by != sched::token_closed) static_cast<void>(poller().cancel(*record_, dir, who));
    if (by != token_look_again) return {by, 0};
    w.again();
  }
}

// enlist: makes the wait known to who closes, moves the deadline, or ends the runtime (I2).
// token_none, and `deadline_ns` is no later than the direction's; else why nobody waits any more.
sched::token pollable::enlist(const sched::wait& w, side& s, std::int64_t& deadline_ns) noexcept {
  const base::locked hold(lock_);
  if (const auto refused = refusal_locked(); refused != sched::token_none) return refused;
  deadline_ns = std::min(deadline_ns, s.deadline_ns);
  s.parked = {&w.who(), w.at()};
  return sched::token_none;
}

// park: waits until the poller, a close or a deadline ends it.
sched::token pollable::park(sched::wait& w, side& s, sched::limits l) noexcept {
  const sched::gate inside;
  if (const auto refused = enlist(w, s, l.deadline_ns); refused != sched::token_none) {
    w.give_up();
    return refused;
  }
  auto by = sched::token_none;
  if (passed(l.deadline_ns)) {
    by = w.give_up();
    if (by == sched::token_none) by = sched::token_timeout;
  } else {
    home_->ensure_watched();
    by = w.park(l);
  }
  const base::locked hold(lock_);
  s.parked = {};
  return by;
}

sched::token pollable::run_any(std::span<entrant> all, sched::wait_reason reason,
                               const sched::limits& l) noexcept {
  {
    const sched::waiting_gate counted(sched::waiting_gate::system_call);
  }
  const auto complete = [](entrant& e, std::int64_t value) {
    e.done = true;
    e.value = value;
  };
  sched::wait w(reason, all.front().io);
  for (;; w.again()) {
    const poll::cookie who{&w.who(), w.at()};
    const auto withdraw = [&who](std::span<entrant> started) {
      for (auto& e : started) {
        static_cast<void>(
            e.io->poller().cancel(*e.io->record_, poll::direction_of(e.op.code), who));
      }
    };
    std::size_t started = 0;
    for (; started < all.size(); ++started) {
      auto& e = all[started];
      const auto s = e.io->poller().start(*e.io->record_, e.op, who);
      if (s.pending) continue;
      complete(e, s.result);
      withdraw(all.first(started));
      w.give_up();
      return sched::token_ready;
    }
    const auto by = park_any(w, all, l);
    withdraw(all);
    if (by == sched::token_ready || by == token_look_again) continue;
    if (by != sched::token_timeout && by != sched::token_cancelled) return by;
    auto last = by;
    for (auto& e : all) {
      const auto value = e.io->attempt(e.op, poll::trust::ask);
      if (value == -EAGAIN) continue;
      complete(e, value);
      last = sched::token_ready;
    }
    return last;
  }
}

// park_any: as park(), known to all of them.
sched::token pollable::park_any(sched::wait& w, std::span<entrant> all, sched::limits l) noexcept {
  const sched::gate inside;
  const auto side_for = [](entrant& e) -> side& {
    return e.io->side_of(poll::direction_of(e.op.code));
  };
  auto by = sched::token_none;
  std::size_t known = 0;
  for (; known < all.size() && by == sched::token_none; ++known) {
    by = all[known].io->enlist(w, side_for(all[known]), l.deadline_ns);
  }
  if (by != sched::token_none || passed(l.deadline_ns)) {
    const auto decided = w.give_up();
    if (by == sched::token_none) {
      by = decided != sched::token_none ? decided : sched::token_timeout;
    }
  } else {
    all.front().io->home_->ensure_watched();
    by = w.park(l);
  }
  for (auto& e : all.first(known)) {
    const base::locked hold(e.io->lock_);
    side_for(e).parked = {};
  }
  return by;
}

sched::token pollable::pause(poll::direction dir, sched::wait_reason reason, const sched::limits& l,
                             std::int64_t delay_ns) noexcept {
  sched::wait w(reason, this);
  auto limited = l;
  limited.deadline_ns = std::min(l.deadline_ns, sched::now_ns() + delay_ns);
  for (;;) {
    const auto by = park(w, side_of(dir), limited);
    if (by == sched::token_timeout) return check(dir, l);
    if (by != token_look_again) return by;
    w.again();
  }
}

sched::token pollable::check(poll::direction dir, const sched::limits& l) noexcept {
  auto deadline_ns = l.deadline_ns;
  {
    const base::locked hold(lock_);
    if (const auto by = refusal_locked(); by != sched::token_none) return by;
    deadline_ns = std::min(deadline_ns, side_of(dir).deadline_ns);
  }
  for (const auto* source : {l.cancel, l.also, l.scope}) {
    if (source != nullptr && source->fired()) return sched::token_cancelled;
  }
  return passed(deadline_ns) ? sched::token_timeout : sched::token_ready;
}

void pollable::set_deadline(poll::direction dir, std::int64_t deadline_ns) noexcept {
  auto* const here = sched::current_machine();
  const sched::gate inside(here);
  const sched::home_visit visit(*home_, home_->kind_of(here));
  sched::wake_list woken;
  const base::locked hold(lock_);
  side& s = side_of(dir);
  s.deadline_ns = deadline_ns;
  if (s.parked.who == nullptr || visit.over()) return;
  woken.claim(*static_cast<sched::waiter*>(s.parked.who), s.parked.ticket, token_look_again);
}

error pollable::failure(verb what, std::error_code code) const noexcept {
  std::array<char, error::address_max> text;
  auto where = peer_.format(text);
  // A Unix socket without a name, as Go has it: an error of a connection names something.
  if (where.empty() && kind_ != transport::file) where = "@";
  return {code, words(what, kind_), where};
}

error pollable::failure(verb what, sched::token by, const sched::limits& l) const noexcept {
  if (by == sched::token_closed) return failure(what, make_error_code(errc::closed));
  if (by == token_stranded) return failure(what, make_error_code(errc::wrong_runtime));
  return failure(what, code_of(by, l));
}

error pollable::failure(verb what, const outcome& o, const sched::limits& l) const noexcept {
  if (o.by != sched::token_ready) return failure(what, o.by, l);
  // The poller refuses what was closed under the call.
  if (o.value == -EBADF) return failure(what, make_error_code(errc::closed));
  return failure(what, std::error_code(static_cast<int>(-o.value), std::system_category()));
}

}  // namespace weft::net
