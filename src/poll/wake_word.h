#pragma once

// wake_word: decides whether a wake-up of the thread that waits in the poller costs a system call.
//
// Purpose. wake() may come at any time, from any thread or signal handler, in any number. It must
// make the waiting call, or the next one, return; and when nobody sleeps, or somebody has already
// interrupted the sleeper, it should cost no system call.
//
// States (two bits): idle, sleeping, asked, woken = sleeping | asked.
//   ask():   idle -> asked           nobody sleeps: the next sleep() is refused; no system call
//            sleeping -> woken       the caller, and it alone, interrupts the sleeper
//            asked, woken            stays: somebody did it already
//   rouse(): sleeping -> woken       as ask(), but in every other state it does nothing: for who
//                                    changed what the sleeper waits for
//   sleep(): idle -> sleeping        may sleep
//            asked -> idle           must not sleep
//   awake(): sleeping, woken -> idle
//
// I1  Only the one thread that waits sets and clears `sleeping`.
// I2  ask() is a read-modify-write also where it changes nothing. So it either comes before sleep()
//     or awake() in the word's order, and then what its caller wrote before is visible after it; or
//     it comes behind, and then it finds idle and the next sleep() is refused. With a plain load a
//     store buffer could hide a request from a sleeper who has just looked.
// I3  rouse() may look only, because its caller and the sleeper meet in a lock: the sleeper reads
//     what it waits for under the lock after sleep(), the caller changes it under the lock before
//     rouse().
//
// Rejected: a flag that ask() sets and the reader of the interrupt clears: each wake-up without a
// sleeper then costs a write, and a poll that does not wait can take the sleeper's interrupt away.
// Tests: the wake tests in poller_test.cc, with threads; tests/interleave/wake_word_test.cc, in all
// interleavings.

#include <cstdint>

#include "base/assert.h"
#include "base/atomic.h"

namespace weft::poll {

class wake_word {
 public:
  // ask: true when the caller must now interrupt the sleeper.
  [[nodiscard]] bool ask() noexcept {
    // acq_rel: publishes what the caller queued to the sleep() or awake() behind it (I2).
    return word_.fetch_or(asked, base::acq_rel) == sleeping;
  }

  // rouse: true when the caller must now interrupt the sleeper.
  [[nodiscard]] bool rouse() noexcept {
    std::uint32_t seen = sleeping;
    // relaxed: the lock of I3 orders it.
    return word_.compare_exchange_strong(seen, woken, base::relaxed, base::relaxed);
  }

  // sleep: whether the caller may wait; if so awake() follows.
  [[nodiscard]] bool sleep() noexcept {
    std::uint32_t seen = idle;
    // acq_rel: ordered with every ask() (I2). acquire on failure: sees what the asker queued.
    if (word_.compare_exchange_strong(seen, sleeping, base::acq_rel, base::acquire)) return true;
    WEFT_ASSERT(seen == asked, "I1: two threads wait in one poller");
    // acq_rel: as above; an ask() between the two is answered by not sleeping as well.
    word_.exchange(idle, base::acq_rel);
    return false;
  }

  // awake: ends what sleep() began.
  void awake() noexcept {
    // acq_rel: sees what every ask() up to here had queued (I2).
    const auto seen = word_.exchange(idle, base::acq_rel);
    WEFT_ASSERT((seen & sleeping) != 0, "I1: a thread woke that did not sleep");
  }

  // occupied: whether somebody sleeps, or is about to. Exact for who changed under the lock of I3
  // what the sleeper looks at.
  [[nodiscard]] bool occupied() const noexcept {
    // relaxed: the lock of I3 orders it.
    return (word_.load(base::relaxed) & sleeping) != 0;
  }

  // interrupted: whether a sleeper has yet to notice its interrupt.
  [[nodiscard]] bool interrupted() const noexcept {
    // acquire: pairs with ask(); a poll that took the interrupt looks here whether to pass it on.
    return word_.load(base::acquire) == woken;
  }

 private:
  static constexpr std::uint32_t idle = 0;
  static constexpr std::uint32_t sleeping = 1;
  static constexpr std::uint32_t asked = 2;
  static constexpr std::uint32_t woken = sleeping | asked;

  base::atomic<std::uint32_t> word_{idle};
};

}  // namespace weft::poll
