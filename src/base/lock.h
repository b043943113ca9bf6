#pragma once

// lock: the runtime's own mutual exclusion. It spins briefly and then sleeps on a futex; what it
// protects is short: no system call, no malloc, no user code and no wake-up of a waiter happens
// under one.
//
// States of word_: 0 free, 1 held, 2 held and somebody sleeps.
// I1  only the holder leaves 1 or 2 for 0.
// I2  a sleeper has set 2 before it sleeps, and the futex refuses to sleep on any other value: no
//     unlock is missed.
//
// Ranks: a thread takes locks only in rising rank (two of rank `channel` only in rising number of
// the channel, which select sorts by). Debug and sanitizer builds assert it. Rejected: a ticket
// lock (a descheduled holder stalls the whole line, and a virtual machine deschedules often);
// std::mutex (no rank, 40 bytes, and hooks of libraries).

#include <cstdint>

#include "base/atomic.h"

namespace weft::base {

// rank: the order in which locks nest, outermost first.
enum class rank : std::int8_t {
  scope = -3,
  context,
  channel,
  sync = 0,    // mutex, wait_group, once: their wait queues, which begin as memory of zeros
  cancel,      // a cancel source's list of waiters
  descriptor,  // the poller's record of a descriptor
  poller,
  timers,
  machine,
  scheduler,  // global run queue, idle lists
  stacks,
  slabs,
  leaf,
};

class lock {
 public:
  explicit constexpr lock(rank r) noexcept : rank_(r) {}
  lock(const lock&) = delete;
  lock& operator=(const lock&) = delete;

  void acquire() noexcept {
    std::uint32_t free = 0;
    // acquire: sees all that the last holder wrote; pairs with the exchange in release().
    if (!word_.compare_exchange_strong(free, 1, base::acquire, relaxed)) acquire_slow();
    note_acquired();
  }

  [[nodiscard]] bool try_acquire() noexcept {
    std::uint32_t free = 0;
    // acquire: as in acquire().
    if (!word_.compare_exchange_strong(free, 1, base::acquire, relaxed)) return false;
    note_acquired();
    return true;
  }

  // pass: returns when whoever holds it now has let it go. For who was woken from inside a critical
  // section, and may destroy the object when it returns.
  void pass() noexcept {
    // acquire: what the holder did in there is over; pairs with the exchange in release().
    if (word_.load(base::acquire) == 0) return;
    acquire();
    release();
  }

  void release() noexcept {
    note_released();
    // release: publishes the critical section; pairs with the acquiring compare-exchange.
    if (word_.exchange(0, base::release) == 2) wake_one();
  }

 private:
  void acquire_slow() noexcept;
  void wake_one() noexcept;
#if defined(WEFT_CHECK_RANKS)
  void note_acquired() noexcept;
  void note_released() noexcept;
#else
  void note_acquired() noexcept {}
  void note_released() noexcept {}
#endif

  atomic<std::uint32_t> word_{0};
  [[maybe_unused]] const rank rank_;  // read where ranks are checked
};

// locked: holds a lock for a block.
class [[nodiscard]] locked {
 public:
  explicit locked(lock& l) noexcept : lock_(l) { lock_.acquire(); }
  ~locked() { lock_.release(); }
  locked(const locked&) = delete;
  locked& operator=(const locked&) = delete;

 private:
  lock& lock_;
};

}  // namespace weft::base
