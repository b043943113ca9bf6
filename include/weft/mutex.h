#pragma once

// mutex: one goroutine or thread at a time.
//
//   weft::mutex m;
//   const std::lock_guard hold(m);                  // Lockable and TimedLockable: std's guards fit
//   if (auto held = m.lock(ctx); !held) return held.error();
//
// Who waits is parked, its thread runs others. Waiters come in the order of their arrival, but one
// that is running may take a free mutex before one that has to be woken; when somebody has waited
// for more than a millisecond the mutex is handed from holder to waiter until nobody has.
//
// Different from Go: a mutex knows its owner, and nobody else may unlock it. For handing a
// permission from one goroutine to another use a channel. And where Go waits for ever, the process
// ends: when the owner locks it again without a limit, or goroutines and threads that hold locks
// wait for each other's in a circle ("fatal error: a cycle of locks - deadlock!", with all of
// them).

#include <weft/error.h>
#include <weft/limit.h>

#include <chrono>
#include <cstddef>

namespace weft {

class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  // ~mutex: nobody has it or waits for it, but goroutines that will be dropped (runtime.h) and wait
  // without a limit.
  ~mutex();

  // lock: waits until the caller owns it; ends the process if that closes a cycle of locks. What
  // the last owner did before it unlocked is visible.
  void lock() noexcept;

  // lock with a limit: an error (errc::timeout, errc::cancelled) means that the caller does not own
  // it.
  result<void> lock(const limit& l) noexcept;

  // try_lock: takes it if it is free. Never waits.
  [[nodiscard]] bool try_lock() noexcept;

  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> d) noexcept {
    return lock(limit(d)).has_value();
  }
  template <class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<limit::clock, Duration> t) noexcept {
    return lock(limit(t)).has_value();
  }

  // unlock: never waits, never switches. Ends the process ("sync: unlock of unlocked mutex") if the
  // caller does not own it.
  void unlock() noexcept;

 private:
  alignas(8) std::byte core_[16] = {};
};

}  // namespace weft
