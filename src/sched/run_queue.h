#pragma once

// run queues of a processor. The order of the local queue decides more than any instruction: what a
// goroutine spawns or wakes runs newest-first (few stacks alive, warm caches), what comes from
// outside runs first in, first out.
//
//   young  a bounded deque (Chase and Lev, SPAA 2005): the owner pushes and pops at the bottom
//          (newest), thieves and the owner in a fair mood take at the top (oldest).
//   roots  a bounded ring: the owner pushes at the tail, everybody takes at the head. First in,
//          first out.
//
// I1  Only the thread that owns the processor pushes, and only it takes from the bottom of young.
// I2  An item is taken once: top and head move by compare-exchange only; the owner takes the last
//     item of young by compare-exchange too.
// I3  bottom - top and tail - head are within [0, capacity]; a slot is rewritten only after its
//     index has been taken.
//
// The bottom of young is written with seq_cst, as Le and others (PPoPP 2013) show it must be
// ordered with the read of top; we use a seq_cst store (an exchange on x86) where they use a fence,
// because ThreadSanitizer does not know fences. The same barrier orders the push with the
// scheduler's look at the idle processors (see "no lost wake-up" in scheduler.cc).
//
// Rejected: a lock per queue (two exchanges an item where this has one); Go's ring with runnext
// only (skynet with a million leaves takes five times as long in first-in-first-out order, and
// `young` gives runnext for nothing: it is the newest).
//
// Tests: run_queue_test.cc (owner against thieves, each item once), tests/model/run_queue.pml;
// tests/interleave/run_queue_test.cc runs this file in all interleavings, with weak orders.

#include <array>
#include <cstdint>

#include "base/assert.h"
#include "base/atomic.h"

namespace weft::sched {

struct goroutine;

inline constexpr std::uint32_t run_queue_capacity = 256;

// Capacity: a power of two, as the indexes wrap. Fewer than run_queue_capacity only where all
// interleavings are tried.
template <std::uint32_t Capacity>
class basic_young_queue {
  static_assert(Capacity != 0 && (Capacity & (Capacity - 1)) == 0);

 public:
  // try_push: owner only; false when full.
  [[nodiscard]] bool try_push(goroutine* g) noexcept {
    const auto b = bottom_.load(base::relaxed);  // relaxed: only the owner writes it (I1)
    // acquire: a slot freed by a thief is read by it before we overwrite it (I3).
    const auto t = top_.load(base::acquire);
    if (b - t >= Capacity) return false;
    slots_[b % Capacity].store(g, base::relaxed);  // published by the next line
    // seq_cst: publishes the slot and the goroutine to take_oldest(), and comes before our caller's
    // look at idle processors.
    bottom_.store(b + 1, base::seq_cst);
    return true;
  }

  // pop_newest: owner only; null when empty.
  [[nodiscard]] goroutine* pop_newest() noexcept {
    const auto b = bottom_.load(base::relaxed) - 1;
    // relaxed: only a hint that spares the barrier when the queue is empty: top only grows.
    if (static_cast<std::int32_t>(b - top_.load(base::relaxed)) < 0) return nullptr;
    // seq_cst store, then seq_cst load: a thief either sees the shorter queue or we see its
    // advanced top.
    bottom_.store(b, base::seq_cst);
    auto t = top_.load(base::seq_cst);
    const auto size = static_cast<std::int32_t>(b - t);
    if (size < 0) {
      bottom_.store(b + 1,
                    base::relaxed);  // relaxed: back to what it was; nothing new is published
      return nullptr;
    }
    goroutine* g = slots_[b % Capacity].load(base::relaxed);
    if (size > 0) return g;
    // seq_cst: the last item: we and the thieves compete for it by the same exchange (I2).
    const bool ours = top_.compare_exchange_strong(t, t + 1, base::seq_cst, base::relaxed);
    bottom_.store(b + 1, base::relaxed);  // relaxed: the queue is empty, nothing is published
    return ours ? g : nullptr;
  }

  // peek: owner only: what pop_newest() would return after `n` others; null if there are no more.
  [[nodiscard]] goroutine* peek(std::uint32_t n) const noexcept {
    // relaxed: a hint; thieves may take it meanwhile.
    const auto b = bottom_.load(base::relaxed);
    if (static_cast<std::int32_t>(b - n - top_.load(base::relaxed)) <= 0) return nullptr;
    return slots_[(b - 1 - n) % Capacity].load(base::relaxed);
  }

  // take_oldest: anybody; null when empty or when another one was quicker (*contended then).
  [[nodiscard]] goroutine* take_oldest(bool* contended = nullptr) noexcept {
    // seq_cst, in this order: pairs with pop_newest().
    auto t = top_.load(base::seq_cst);
    const auto b = bottom_.load(base::seq_cst);
    if (static_cast<std::int32_t>(b - t) <= 0) return nullptr;
    goroutine* g = slots_[t % Capacity].load(base::relaxed);
    // seq_cst: takes the item if nobody did since (I2); also keeps the slot's read before the
    // owner's reuse of it (I3).
    if (top_.compare_exchange_strong(t, t + 1, base::seq_cst, base::relaxed)) return g;
    if (contended != nullptr) *contended = true;
    return nullptr;
  }

  [[nodiscard]] std::uint32_t size() const noexcept {
    // seq_cst: a machine that is about to sleep looks here after it said so (see scheduler.cc).
    const auto t = top_.load(base::seq_cst);
    const auto b = bottom_.load(base::seq_cst);
    const auto n = static_cast<std::int32_t>(b - t);
    return n > 0 ? static_cast<std::uint32_t>(n) : 0;
  }

 private:
  alignas(64) base::atomic<std::uint32_t> top_{0};
  alignas(64) base::atomic<std::uint32_t> bottom_{0};
  std::array<base::atomic<goroutine*>, Capacity> slots_{};
};

template <std::uint32_t Capacity>
class basic_root_queue {
  static_assert(Capacity != 0 && (Capacity & (Capacity - 1)) == 0);

 public:
  // try_push: owner only; false when full.
  [[nodiscard]] bool try_push(goroutine* g) noexcept {
    const auto t = tail_.load(base::relaxed);  // relaxed: only the owner writes it (I1)
    // acquire: as in young_queue::try_push.
    const auto h = head_.load(base::acquire);
    if (t - h >= Capacity) return false;
    slots_[t % Capacity].store(g, base::relaxed);  // published by the next line
    // seq_cst: publishes to take(), and comes before our caller's look at idle processors.
    tail_.store(t + 1, base::seq_cst);
    return true;
  }

  // take: anybody; null when empty or (for thieves, *contended) when another one was quicker. The
  // owner tries until it knows.
  [[nodiscard]] goroutine* take(bool* contended = nullptr) noexcept {
    // acquire: a slot is read after the index that owns it.
    auto h = head_.load(base::acquire);
    for (;;) {
      // acquire: sees the slot and the goroutine; pairs with the store in try_push().
      const auto t = tail_.load(base::acquire);
      if (static_cast<std::int32_t>(t - h) <= 0) return nullptr;
      goroutine* g = slots_[h % Capacity].load(base::relaxed);
      // acq_rel: takes the item once (I2); our read of the slot ends before its reuse (I3).
      if (head_.compare_exchange_strong(h, h + 1, base::acq_rel, base::acquire)) return g;
      if (contended != nullptr) {
        *contended = true;
        return nullptr;
      }
    }
  }

  // peek: owner only: what take() would return after `n` others; null if there are no more.
  [[nodiscard]] goroutine* peek(std::uint32_t n) const noexcept {
    // relaxed: a hint; thieves may take it meanwhile.
    const auto h = head_.load(base::relaxed);
    if (static_cast<std::int32_t>(tail_.load(base::relaxed) - h - n) <= 0) return nullptr;
    return slots_[(h + n) % Capacity].load(base::relaxed);
  }

  [[nodiscard]] std::uint32_t size() const noexcept {
    // seq_cst: as in young_queue::size().
    const auto h = head_.load(base::seq_cst);
    const auto t = tail_.load(base::seq_cst);
    const auto n = static_cast<std::int32_t>(t - h);
    return n > 0 ? static_cast<std::uint32_t>(n) : 0;
  }

 private:
  alignas(64) base::atomic<std::uint32_t> head_{0};
  alignas(64) base::atomic<std::uint32_t> tail_{0};
  std::array<base::atomic<goroutine*>, Capacity> slots_{};
};

using young_queue = basic_young_queue<run_queue_capacity>;
using root_queue = basic_root_queue<run_queue_capacity>;

}  // namespace weft::sched
