#pragma once

// ring: the last happenings that one thread has noted. The writer never waits and never looks at
// readers; a reader copies while the writer goes on, and drops what was overwritten meanwhile.
//
// A happening is an entry of two words; some say more in the entries behind it:
//   first   time << 8 | event            second   id << 20 | runtime << 12 | detail
// Behind `spawned`:
//   first   file's address << 8 | site   second   function's address << 16 | line
//   first   bytes of the name << 8 | name         second   more of them     (two of these, at most)
//
// head_ counts entries since ever; entry i lies in slot i mod capacity.
//
// I1  One thread writes at a time. It stores an entry's words, and then a head_ beyond it.
// I2  Entry i is whole in its slot while head_ > i and no entry beyond i + capacity - batch_max has
//     been begun: a reader that has copied it, and reads head_ <= i + capacity - batch_max
//     afterwards, has copied entry i. The words are stored with release and loaded with acquire:
//     who sees a word of a later entry sees the head_ that was stored before it was begun.
// I3  Between two recordings, and two machines, entries are told apart by where each began
//     (recorder.cc), not by clearing.
//
// Rejected. A lock, or a flag that says "being read": a hot path would pay. A sequence in each
// entry: half again the memory, where one check at the end does. Memory per goroutine: a million of
// them.
//
// Tests: recorder_test.cc.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/atomic.h"

namespace weft::sched::trace {

// entry kinds of the ring's own, beside sched's events.
inline constexpr std::uint8_t kind_site = 64;
inline constexpr std::uint8_t kind_name = 65;

struct entry {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

struct ring {
  static constexpr std::uint64_t capacity = 1 << 16;
  static constexpr std::uint64_t batch_max = 8;  // entries between two stores of head_

  // make: null when memory is refused. Pages that were never written cost nothing.
  [[nodiscard]] static ring* make() noexcept {
    void* memory = std::calloc(capacity, sizeof(slot));
    if (memory == nullptr) return nullptr;
    return new ring(static_cast<slot*>(memory));
  }
  // nowhere: of machines that get none; nobody writes it.
  [[nodiscard]] static ring& nowhere() noexcept {
    static ring none(nullptr);
    return none;
  }
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  ~ring() { std::free(slots_); }

  // put: writer only; visible when published.
  void put(std::uint64_t first, std::uint64_t second) noexcept {
    slot& at = slots_[next_++ % capacity];
    // release: I2; pairs with the loads in copy().
    at.first.store(first, base::release);
    at.second.store(second, base::release);
  }
  void publish() noexcept {
    // release: I1; pairs with the loads in copy().
    head_.store(next_, base::release);
  }

  // head: how many entries have been written since ever.
  [[nodiscard]] std::uint64_t head() const noexcept { return head_.load(base::acquire); }

  // copy: the entries from number `from` on that are still there, oldest first; any thread. Returns
  // the number of the first.
  std::uint64_t copy(std::uint64_t from, std::vector<entry>& to) const {
    const auto end = head();
    const auto begin = std::max(from, end > capacity ? end - capacity : 0);
    to.clear();
    to.reserve(end - begin);
    for (auto i = begin; i < end; ++i) {
      const slot& at = slots_[i % capacity];
      to.push_back({at.first.load(base::acquire), at.second.load(base::acquire)});
    }
    const auto now = head() + batch_max;
    const auto whole = now > capacity ? std::max(begin, now - capacity) : begin;
    to.erase(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(std::min(whole, end) - begin));
    return whole;
  }

  // count: the happenings from entry number `from` on that are still there; writer only.
  [[nodiscard]] std::uint64_t count(std::uint64_t from) const noexcept {
    std::uint64_t found = 0;
    for (auto i = std::max(from, next_ > capacity ? next_ - capacity : 0); i < next_; ++i) {
      // relaxed: what the writer itself has written, or who had the ring before it.
      const auto kind = static_cast<std::uint8_t>(slots_[i % capacity].first.load(base::relaxed));
      found += kind < kind_site ? 1 : 0;
    }
    return found;
  }

  // Writer only.
  std::uint64_t last_time = 0;

  // Guarded by the recorder's lock.
  std::uint64_t begins = 0;   // the first entry of this recording and this machine
  std::uint32_t runtime = 0;  // serial of the machine's runtime; 0: of threads that are no machines
  std::uint32_t machine = 0;  // its index
  bool taken = false;         // by a machine that exists
  // given_back: the how manieth it was that a machine gave back; 0: no machine had it yet.
  std::uint64_t given_back = 0;

 private:
  struct slot {
    base::atomic<std::uint64_t> first;
    base::atomic<std::uint64_t> second;
  };

  explicit ring(slot* memory) noexcept : slots_(memory) {}

  slot* const slots_;
  std::uint64_t next_ = 0;  // writer only
  base::atomic<std::uint64_t> head_{0};
};

}  // namespace weft::sched::trace
