#pragma once

// wait_group_core: a count, and a queue for those who wait.
//
//   word = count (63 bits) | waited (1)
//
// I1  waited is set, by a waiter, under the queue's lock while the count is not 0.
// I2  The count becomes 0 while waited is set under the queue's lock only. So who finds it 0 and
//     waited set has to take the lock, and whoever made it 0 is then out of the object, which may
//     be destroyed.
// I3  waited is cleared by a waiter, under the lock, when the queue is empty and the count 0.
//
// Tests: wait_group_test.cc, scope_test.cc.

#include <cstdint>

#include "base/atomic.h"
#include "sync/waiters.h"

namespace weft::sync {

class wait_group_core {
  using word = std::int64_t;

 public:
  // add: false if the count would become negative, or more than fits.
  bool add(word n) noexcept {
    if (n > count_max || n < -count_max) return false;
    word old = word_.load(base::relaxed);
    for (;;) {
      const word next = old + n * one;
      if (next < 0 || next / one > count_max) return false;
      if (next == waited && n != 0) return last(n);
      // acq_rel: release publishes what was done before; acquire makes the last one see the
      // others'.
      if (word_.compare_exchange_weak(old, next, base::acq_rel, base::relaxed)) return true;
    }
  }

  sched::token wait(sched::wait_reason reason, const sched::limits& l) noexcept {
    // acquire: sees what was done before each done(); pairs with the exchange in add().
    if (word_.load(base::acquire) == 0) return sched::token_ready;
    sched::wait w(reason, this);
    waiters_.lock.acquire();
    if (!announce()) {
      waiters_.lock.release();
      return sched::token_ready;
    }
    sched::wait_node n;
    const auto by = waiters_.park(w, n, false, l);
    base::locked hold(waiters_.lock);
    if (waiters_.queue().empty()) {
      word idle = waited;
      // I3. acq_rel: who then finds 0 without the lock sees what the add() before published.
      word_.compare_exchange_strong(idle, 0, base::acq_rel, base::relaxed);
    }
    return by;
  }

 private:
  // announce: with the lock: sets waited; false if there is nothing to wait for.
  bool announce() noexcept {
    word old = word_.load(base::acquire);  // acquire: as in wait()
    for (;;) {
      if (old / one == 0) return false;
      // acquire: as in wait(); needed when it fails.
      if (word_.compare_exchange_weak(old, old | waited, base::acquire, base::acquire)) return true;
    }
  }

  // last: what would make the count 0 while somebody waits; under the lock (I2).
  bool last(word n) noexcept {
    sched::wake_list woken;
    base::locked hold(waiters_.lock);
    // acq_rel: as in add().
    const word next = word_.fetch_add(n * one, base::acq_rel) + n * one;
    if (next == waited) waiters_.claim_all(woken);
    if (next >= 0) return true;
    word_.fetch_sub(n * one, base::relaxed);  // relaxed: undoes what nobody may build on
    return false;
  }

  static constexpr word waited = 1;
  static constexpr word one = 2;
  static constexpr word count_max = (word{1} << 61) - 1;  // the sum of two fits a word

  base::atomic<word> word_{0};
  waiters waiters_;
};

}  // namespace weft::sync
