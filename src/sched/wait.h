#pragma once

// wait: the one way to wait. {reason, object, deadline, cancel} in; the token that decided out.
//
//   gate inside;                                  // enter the runtime (gate.h)
//   wait w(wait_reason::chan_receive, &channel);  // begins: a fresh ticket
//   ... lock the queue; if ready: w.give_up() and go on without waiting;
//       else enqueue {w.who(), w.at()}; unlock ...
//   token by = w.park(limits);                    // until somebody claims the ticket
//   ... lock the queue; take our node out if it is still in; unlock ...
//
// Whoever ends the wait: under its lock, wake_list::claim(who, ticket, token), dequeue the node,
// hand over the value; after the lock is dropped, wake_list::fire(). A wait that is destroyed open
// gives itself up (a queue that was entered must have been left before).

#include <cstdint>

#include "sched/cancel.h"
#include "sched/timer.h"
#include "sched/wait_reason.h"
#include "sched/waiter.h"
#include "sched/wake_list.h"

namespace weft::sched {

// limits: how long a wait may last. `deadline_ns` is on the runtime's monotonic clock.
struct limits {
  std::int64_t deadline_ns = none_due;
  cancel_source* cancel = nullptr;  // a loan
  cancel_source* also = nullptr;    // a loan; a second one, which may be without a first
  cancel_source* scope = nullptr;   // a loan: of the scope that an input or output is made in
};

// endless: whether nobody but the one who is waited for can end the wait.
[[nodiscard]] inline bool endless(const limits& l) noexcept {
  return l.deadline_ns == none_due && l.cancel == nullptr && l.also == nullptr &&
         l.scope == nullptr;
}

class wait {
 public:
  wait(wait_reason reason, const void* object) noexcept;
  ~wait();
  wait(const wait&) = delete;
  wait& operator=(const wait&) = delete;

  [[nodiscard]] waiter& who() const noexcept { return who_; }
  [[nodiscard]] ticket at() const noexcept { return ticket_; }

  // again: begins another wait with the same reason, after the last one was decided or given up.
  void again() noexcept;

  // park: waits until somebody claims the ticket, the deadline passes (token_timeout) or a source
  // fires (token_cancelled). Must be called inside the gate, with no runtime lock held. May return
  // on another thread.
  token park(const limits& l = {}) noexcept;

  // give_up: ends the wait without parking. token_none if nobody had decided it, else the token.
  token give_up() noexcept;

 private:
  token park_bare() noexcept;
  token park_thread(std::int64_t deadline_ns) noexcept;

  waiter& who_;
  ticket ticket_ = 0;
  bool open_ = true;
};

// wait_node: what a queue of waiters keeps of one wait. It lives in the waiter's frame and is
// touched only under the queue's lock.
struct wait_node : base::list_node {
  waiter* who = nullptr;
  ticket at = 0;
  token by = token_ready;
};

// wait_queue: waiters in the order they came.
using wait_queue = base::list<wait_node>;

// code_of: the error for a wait that ended without being ready: errc::timeout, or what the
// cancelled context says.
[[nodiscard]] std::error_code code_of(token by, const limits& l) noexcept;

}  // namespace weft::sched
