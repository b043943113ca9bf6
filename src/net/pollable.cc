#include "net/pollable.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "net/unique_fd.h"
#include "poll/operation.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/io.h"

namespace weft::net {
namespace {

// token_look_again: the deadline was moved.
constexpr sched::token token_look_again = sched::token_first_case;

bool passed(std::int64_t deadline_ns) noexcept {
  return deadline_ns != sched::none_due && sched::now_ns() >= deadline_ns;
}

const char* words(verb what, stream_kind kind) noexcept {
  constexpr const char* table[][3] = {
      {"read tcp", "read unix", "read"},       {"write tcp", "write unix", "write"},
      {"accept tcp", "accept unix", "accept"}, {"dial tcp", "dial unix", "connect"},
      {"close tcp", "close unix", "close"},    {"set tcp", "set unix", "set"},
  };
  return table[static_cast<std::size_t>(what)][static_cast<std::size_t>(kind)];
}

}  // namespace

result<pollable*> pollable::open(int fd, stream_kind kind, const address& peer) {
  unique_fd owned(fd);
  auto poller = sched::current_poller();
  if (poller == nullptr)
    throw misuse_error("net: no runtime is running here (call it inside weft::run)");
  int code = 0;
  poll::descriptor* record = poller->open(fd, &code);
  if (record == nullptr) return std::unexpected(error::from_errno(code, "open"));
  struct undo {
    poll::poller* poller;
    poll::descriptor* record;
    ~undo() {
      if (record == nullptr) return;
      std::array<poll::completion, 2> none;
      poller->close(*record, none);
      poller->release(*record);
    }
  } rollback{poller.get(), record};
  auto* made = new pollable(fd, kind, peer, std::move(poller), record);
  rollback.record = nullptr;
  static_cast<void>(owned.take());
  return made;
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
  sched::wake_list woken;
  {
    const base::locked hold(lock_);
    if (closed_) return false;
    closed_ = true;  // I3
    ++calls_;
    for (auto& s : sides_) {
      if (s.parked.who != nullptr) {
        woken.claim(*static_cast<sched::waiter*>(s.parked.who), s.parked.ticket,
                    sched::token_closed);
      }
      while (auto* node = s.waiting.pop_front()) {
        woken.claim(*node->who, node->at, sched::token_closed);
      }
    }
  }
  if (!woken.empty()) {
    const sched::gate inside;
    woken.fire();
  }
  // What the poller gives back are the waits just claimed, or ones that are about to find closed_.
  std::array<poll::completion, 2> evicted;
  poller_->close(*record_, evicted);
  unhold();
  return true;
}

bool pollable::hold() noexcept {
  const base::locked hold(lock_);
  if (closed_) return false;
  ++calls_;
  return true;
}

void pollable::unhold() noexcept {
  lock_.acquire();
  finish_call(lock_);
}

// finish_call: a call ends; the last one after a close frees the descriptor, and the object if
// nobody else will. Releases the lock; the object may be gone afterwards.
void pollable::finish_call(base::lock& held) noexcept {
  --calls_;
  if (calls_ > 0 || !closed_) {
    held.release();
    return;
  }
  // Only one gets here: after closed_ nobody enters (I3).
  const auto poller = poller_;
  auto* const record = record_;
  const int fd = fd_;
  freed_ = true;
  const bool last = !owned_;
  held.release();
  if (last) delete this;
  poller->release(*record);
  ::close(fd);
}

sched::token pollable::enter(poll::direction dir, sched::wait_reason reason,
                             const sched::limits& l) noexcept {
  side& s = side_of(dir);
  std::int64_t deadline_ns = sched::none_due;
  sched::token by = sched::token_none;
  {
    const base::locked hold(lock_);
    if (closed_) return sched::token_closed;
    ++calls_;
    if (!s.busy) {
      s.busy = true;  // I1
      by = sched::token_ready;
    }
    deadline_ns = s.deadline_ns;
  }
  if (by == sched::token_none) {
    by = queue_up(s, reason, l);
    if (by != sched::token_ready) {
      unhold();
      return by;
    }
    const base::locked hold(lock_);
    deadline_ns = s.deadline_ns;
  }
  if (passed(deadline_ns)) {
    leave(dir);
    return sched::token_timeout;
  }
  return sched::token_ready;
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
    if (closed_) return sched::token_closed;
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

sched::token pollable::try_enter(poll::direction dir) noexcept {
  std::int64_t deadline_ns = sched::none_due;
  {
    const base::locked hold(lock_);
    side& s = side_of(dir);
    if (closed_) return sched::token_closed;
    if (s.busy) return sched::token_none;
    s.busy = true;
    ++calls_;
    deadline_ns = s.deadline_ns;
  }
  if (!passed(deadline_ns)) return sched::token_ready;
  leave(dir);
  return sched::token_timeout;
}

void pollable::leave(poll::direction dir) noexcept {
  side& s = side_of(dir);
  lock_.acquire();
  if (s.waiting.empty()) [[likely]] {
    s.busy = false;
    finish_call(lock_);
    return;
  }
  // Handed over: busy stays. Whoever was decided otherwise meanwhile is passed by.
  sched::wake_list woken;
  bool handed = false;
  while (!handed) {
    auto* node = s.waiting.pop_front();
    if (node == nullptr) break;
    handed = woken.claim(*node->who, node->at, sched::token_ready);
  }
  if (!handed) s.busy = false;
  finish_call(lock_);
  if (woken.empty()) return;
  const sched::gate inside;
  woken.fire();
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
  if (o.by != sched::token_timeout) return o;
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
    const auto started = poller_->start(*record_, op, who);
    if (!started.pending) {
      w.give_up();
      return {sched::token_ready, started.result};
    }
    const auto by = park(w, side_of(dir), l);
    if (by == sched::token_ready) return {by, poll::again};
    // After a close there is nothing to withdraw. If an event is on its way, its ticket is a stale
    // one.
    if (by != sched::token_closed) static_cast<void>(poller_->cancel(*record_, dir, who));
    if (by != token_look_again) return {by, 0};
    w.again();
  }
}

// park: waits until the poller, a close or a deadline ends it.
sched::token pollable::park(sched::wait& w, side& s, sched::limits l) noexcept {
  const sched::gate inside;
  {
    const base::locked hold(lock_);
    if (closed_) {
      w.give_up();
      return sched::token_closed;
    }
    l.deadline_ns = std::min(l.deadline_ns, s.deadline_ns);
    s.parked = {&w.who(), w.at()};  // I2
  }
  auto by = sched::token_none;
  if (passed(l.deadline_ns)) {
    by = w.give_up();
    if (by == sched::token_none) by = sched::token_timeout;
  } else {
    sched::ensure_watched();
    by = w.park(l);
  }
  const base::locked hold(lock_);
  s.parked = {};
  return by;
}

sched::token pollable::pause(poll::direction dir, sched::wait_reason reason, const sched::limits& l,
                             std::int64_t delay_ns) noexcept {
  const auto until = sched::now_ns() + delay_ns;
  sched::wait w(reason, this);
  auto limited = l;
  limited.deadline_ns = std::min(l.deadline_ns, until);
  for (;;) {
    const auto by = park(w, side_of(dir), limited);
    if (by != token_look_again) return by;
    w.again();
  }
}

void pollable::set_deadline(poll::direction dir, std::int64_t deadline_ns) noexcept {
  sched::wake_list woken;
  {
    const base::locked hold(lock_);
    side& s = side_of(dir);
    s.deadline_ns = deadline_ns;
    if (s.parked.who == nullptr) return;
    woken.claim(*static_cast<sched::waiter*>(s.parked.who), s.parked.ticket, token_look_again);
  }
  if (woken.empty()) return;
  const sched::gate inside;
  woken.fire();
}

error pollable::failure(verb what, std::error_code code) const noexcept {
  std::array<char, error::address_max> text;
  auto where = peer_.format(text);
  // A Unix socket without a name, as Go has it: an error of a connection names something.
  if (where.empty() && kind_ == stream_kind::unix_socket) where = "@";
  return {code, words(what, kind_), where};
}

error pollable::failure(verb what, sched::token by, const sched::limits& l) const noexcept {
  if (by == sched::token_closed) return failure(what, make_error_code(errc::closed));
  return failure(what, code_of(by, l));
}

error pollable::failure(verb what, const outcome& o, const sched::limits& l) const noexcept {
  if (o.by != sched::token_ready) return failure(what, o.by, l);
  // The poller refuses what was closed under the call.
  if (o.value == -EBADF) return failure(what, make_error_code(errc::closed));
  return failure(what, std::error_code(static_cast<int>(-o.value), std::system_category()));
}

}  // namespace weft::net
