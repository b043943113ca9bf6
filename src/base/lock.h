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
//
// Tests: lock_test.cc, tests/interleave/lock_test.cc (all interleavings, down to the futex).

#include <cstdint>

#include "base/atomic.h"

namespace weft::base {

// rank: the order in which locks nest, outermost first.
enum class rank : std::uint8_t {
  scope,
  context,
  channel,
  lock_waits,  // of who waits for which lock
  sync,        // mutex, wait_group, once: their wait queues
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

// plain_lock: what locks of all ranks share. Memory of zeros is a free one.
class plain_lock {
 public:
  constexpr plain_lock() noexcept = default;
  plain_lock(const plain_lock&) = delete;
  plain_lock& operator=(const plain_lock&) = delete;

 protected:
  [[nodiscard]] bool take() noexcept {
    std::uint32_t free = 0;
    // acquire: sees all that the last holder wrote; pairs with the exchange in let_go().
    return word_.compare_exchange_strong(free, 1, base::acquire, relaxed);
  }
  void take_slow() noexcept;
  void let_go() noexcept {
    // release: publishes the critical section; pairs with the acquiring compare-exchange.
    if (word_.exchange(0, base::release) == 2) wake_one();
  }
  [[nodiscard]] bool is_free() const noexcept {
    // acquire: what the last holder did in there is over; pairs with the exchange in let_go().
    return word_.load(base::acquire) == 0;
  }
#if defined(WEFT_CHECK_RANKS)
  static void note_acquired(rank r) noexcept;
  static void note_released(rank r) noexcept;
#else
  static void note_acquired(rank) noexcept {}
  static void note_released(rank) noexcept {}
#endif

 private:
  void wake_one() noexcept;

  atomic<std::uint32_t> word_{0};
};

template <rank R>
class lock : public plain_lock {
 public:
  void acquire() noexcept {
    if (!take()) take_slow();
    note_acquired(R);
  }

  [[nodiscard]] bool try_acquire() noexcept {
    if (!take()) return false;
    note_acquired(R);
    return true;
  }

  void release() noexcept {
    note_released(R);
    let_go();
  }

  // pass: returns when whoever holds it now has let it go. For who was woken from inside a critical
  // section, and may destroy the object when it returns.
  void pass() noexcept {
    if (is_free()) return;
    acquire();
    release();
  }
};

// locked: holds a lock for a block.
template <rank R>
class [[nodiscard]] locked {
 public:
  explicit locked(lock<R>& l) noexcept : lock_(l) { lock_.acquire(); }
  ~locked() { lock_.release(); }
  locked(const locked&) = delete;
  locked& operator=(const locked&) = delete;

 private:
  lock<R>& lock_;
};

}  // namespace weft::base
