#pragma once

// rwmutex: any number of readers, or one writer.
//
//   weft::rwmutex m;
//   { const std::shared_lock read(m); look_up(name); }
//   { const std::unique_lock write(m); insert(name); }
//   if (auto held = m.lock_shared(ctx); !held) return held.error();
//
// It is a SharedLockable and a SharedTimedLockable, so std's guards fit. A writer that waits stops
// new readers; all readers that queued during a write are let in before the next writer, so neither
// starves the other. Among writers the rules are those of mutex.h.
//
// After a thousand reads without a write, readers leave the lock alone and note themselves
// elsewhere, so that reads on several processors do not slow each other down; the next writer then
// has to look there, which costs it about a microsecond.
//
// As in Go a goroutine that reads must not lock for reading again: a writer may have queued in
// between. Neither can a read lock be turned into the write lock. Different from Go: the write lock
// knows its owner, and nobody else may unlock it; and a cycle of waits for what somebody has locked
// for writing ends the process when it closes (mutex.h). A read lock may be given back by another.
//
// Usable from plain threads, and before main. It may be destroyed when the last one has unlocked
// it.

#include <weft/error.h>
#include <weft/limit.h>

#include <chrono>
#include <cstddef>

namespace weft {

class rwmutex {
 public:
  constexpr rwmutex() noexcept = default;
  rwmutex(const rwmutex&) = delete;
  rwmutex& operator=(const rwmutex&) = delete;
  // ~rwmutex: nobody has it or waits for it, but goroutines that will be dropped (runtime.h) and
  // wait without a limit.
  ~rwmutex();

  // lock: waits until the caller alone has it. What was done before the unlocks before is visible.
  void lock() noexcept;

  // lock with a limit: an error (errc::timeout, errc::cancelled) means that the caller does not own
  // it, and that those who waited behind it no longer do.
  result<void> lock(const limit& l) noexcept;

  // try_lock: takes it if nobody has it. Never waits.
  [[nodiscard]] bool try_lock() noexcept;

  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> d) noexcept {
    return lock(limit(d)).has_value();
  }
  template <class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<limit::clock, Duration> t) noexcept {
    return lock(limit(t)).has_value();
  }

  // unlock: never waits, never switches. Ends the process ("sync: Unlock of unlocked RWMutex") if
  // the caller does not own it.
  void unlock() noexcept;

  // lock_shared: waits until no writer has it or waits for it. What the last writer did is visible.
  void lock_shared() noexcept;

  // lock_shared with a limit: an error means that the caller does not share it.
  result<void> lock_shared(const limit& l) noexcept;

  // try_lock_shared: shares it if no writer has it or waits for it. Never waits.
  [[nodiscard]] bool try_lock_shared() noexcept;

  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(std::chrono::duration<Rep, Period> d) noexcept {
    return lock_shared(limit(d)).has_value();
  }
  template <class Duration>
  [[nodiscard]] bool try_lock_shared_until(
      std::chrono::time_point<limit::clock, Duration> t) noexcept {
    return lock_shared(limit(t)).has_value();
  }

  // unlock_shared: never waits, never switches. Ends the process ("sync: RUnlock of unlocked
  // RWMutex") if nobody shares it.
  void unlock_shared() noexcept;

 private:
  alignas(8) std::byte core_[32] = {};
};

}  // namespace weft
