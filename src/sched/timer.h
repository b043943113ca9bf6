#pragma once

// timers: a 4-ary heap a processor, under a lock of its own, so that any thread may arm and stop,
// and any machine may run what is due.
//
// A timer is one of two kinds. A wait timer lives in the frame of a waiting goroutine: when due, it
// claims the wait under the heap's lock, and the frame takes it out under the same lock before it
// ends. A callback timer lives in an object that its owner keeps alive: `fire` runs without any
// lock, on a machine inside the runtime, or on the monitor, where there is no current machine; it
// must not wait, and may claim and wake.
//
// I1  index_ is the timer's place in home_'s heap, or none; both change under home_->lock_ only.
// I2  stop() returning true means: it was pending, and will not fire.
// I3  earliest_ is the heap's first deadline, or none_due; it is stored with seq_cst after every
//     change of it, before the one who arms looks whether a sleeper must be woken (the sleeper
//     stores its wake-up time, then reads earliest_).
//
// Tests: timer_test.cc, tests/model/timer.pml (fails without stop_timer(), if it takes another lock
// than home_'s, or if the claim is made outside of it), tests/model/sleep.pml (I3).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/atomic.h"
#include "base/lock.h"
#include "sched/waiter.h"

namespace weft::sched {

inline constexpr std::int64_t none_due = INT64_MAX;

class timer_heap;
class wake_list;

class timer {
 public:
  // A callback timer. `fire` gets the timer.
  explicit timer(void (*fire)(timer&) noexcept) noexcept : fire_(fire) {}
  // A wait timer: when due, decides `t` of `who` with token_timeout.
  timer(waiter& who, ticket t) noexcept : who_(&who), ticket_(t) {}
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

 private:
  friend class timer_heap;
  friend bool stop_timer(timer&) noexcept;
  static constexpr std::uint32_t not_in_heap = UINT32_MAX;

  // Constant while pending.
  waiter* who_ = nullptr;
  ticket ticket_ = 0;
  void (*fire_)(timer&) noexcept = nullptr;
  // Guarded by home_'s lock.
  std::int64_t when_ns_ = 0;
  std::uint32_t index_ = not_in_heap;
  // home_: the heap it was last armed in; changes only when the owner arms it again.
  base::atomic<timer_heap*> home_{nullptr};
};

class timer_heap {
 public:
  timer_heap() { entries_.reserve(64); }

  // arm: adds `t`, due at `when_ns`. True if it is the new earliest (then a sleeper may have to be
  // woken).
  [[nodiscard]] bool arm(timer& t, std::int64_t when_ns);

  // run_due: runs what is due at `now_ns`; claimed waiters go to `woken`, callbacks run here.
  // Returns how many were due.
  std::size_t run_due(std::int64_t now_ns, wake_list& woken) noexcept;

  [[nodiscard]] std::int64_t earliest() const noexcept {
    // seq_cst: I3.
    return earliest_.load(base::seq_cst);
  }

 private:
  friend bool stop_timer(timer&) noexcept;
  struct entry {
    std::int64_t when_ns;
    timer* item;
  };
  void make_room();
  void place(std::size_t i, entry e) noexcept;
  void sift_up(std::size_t i, entry e) noexcept;
  void sift_down(std::size_t i, entry e) noexcept;
  void remove_at(std::size_t i) noexcept;
  void publish_earliest() noexcept;

  base::lock<base::rank::timers> lock_;
  std::vector<entry> entries_;  // guarded by lock_
  base::atomic<std::int64_t> earliest_{none_due};
};

// stop_timer: true if `t` was pending and will not fire. False: it has fired, is firing, or was
// never armed.
bool stop_timer(timer& t) noexcept;

}  // namespace weft::sched
