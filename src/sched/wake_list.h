#pragma once

// wake_list: the waiters that somebody has claimed under a lock and must make runnable after it let
// the lock go ("no ready() under a runtime lock").
//
// I1  Who claims a goroutine of another runtime begins a visit there, still under the lock, which
//     ends when it is queued. For main may be among those who were claimed: it may go on as soon as
//     the lock is free, and run() return.
//
// Tests: stress_test.cc (a_thread_that_wakes_main_and_others_outlives_their_runtime).

#include "sched/waiter.h"

namespace weft::sched {

// ready: makes a waiter that was claimed parked runnable (a goroutine) or wakes it (a thread), and
// ends the visit (I1). Never waits, never switches. Callers hold no runtime lock.
void ready(waiter& w) noexcept;

class wake_list {
 public:
  wake_list() = default;
  wake_list(const wake_list&) = delete;
  wake_list& operator=(const wake_list&) = delete;
  ~wake_list() { fire(); }

  // claim: decides the wait; true if this call did. Keeps the waiter if it must be made runnable.
  bool claim(waiter& w, ticket t, token by) noexcept {
    const auto outcome = w.claim(t, by);
    if (outcome == claim_outcome::won_parked) push(w);
    return outcome != claim_outcome::lost;
  }

  void push(waiter& w) noexcept {
    if (!w.is_thread()) keep_runtime(w);
    w.link = nullptr;
    if (last_ == nullptr) {
      first_ = &w;
    } else {
      last_->link = &w;
    }
    last_ = &w;
  }

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  // take: the first one, for a caller that queues it itself.
  waiter* take() noexcept {
    waiter* w = first_;
    if (w == nullptr) return nullptr;
    first_ = w->link;
    if (first_ == nullptr) last_ = nullptr;
    return w;
  }

  // fire: readies all, in the order they were claimed.
  void fire() noexcept {
    if (first_ != last_) {
      fire_many();
    } else if (waiter* w = take()) {
      ready(*w);
    }
  }

 private:
  void fire_many() noexcept;
  static void keep_runtime(waiter& w) noexcept;

  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

}  // namespace weft::sched
