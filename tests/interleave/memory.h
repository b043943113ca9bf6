#pragma once

// memory: the machine with views that stands for C++20's memory model (checker.h).
//
// M1  The stores of a location have numbers, in the order in which they were executed, which is its
//     modification order. A read-modify-write reads the last one.
// M2  view.seen[l] is the oldest store of l that its owner may still read: coherence and
//     happens-before never let it fall.
// M3  view.clock[t] is how much of thread t's doings its owner is ordered behind.
// M4  A store carries the view that who acquires it gets: the storer's own if it releases, else
//     that of its last releasing fence; a read-modify-write adds what the store it read carried.
// M5  A seq_cst load reads no store older than one that a seq_cst operation of the same location
//     has read or written before: the order of execution is the order S.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "checker.h"

namespace interleave {

inline constexpr std::uint32_t threads_max = 5;
inline constexpr std::uint32_t locations_max = 43;

struct view {
  std::array<std::uint16_t, locations_max> seen{};
  std::array<std::uint16_t, threads_max> clock{};

  void join(const view& other) noexcept {
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (other.seen[i] > seen[i]) seen[i] = other.seen[i];
    }
    for (std::size_t i = 0; i < clock.size(); ++i) {
      if (other.clock[i] > clock[i]) clock[i] = other.clock[i];
    }
  }
};

constexpr bool acquires(order o) noexcept {
  return o == std::memory_order_acquire || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}
constexpr bool releases(order o) noexcept {
  return o == std::memory_order_release || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}
constexpr bool is_seq_cst(order o) noexcept { return o == std::memory_order_seq_cst; }

class memory {
 public:
  void reset(rules r) noexcept;

  // add_location: with its first value, which everybody has seen.
  [[nodiscard]] std::uint32_t add_location(std::uint64_t initial);
  // add_thread: begins with all that `parent` has seen.
  void add_thread(std::uint32_t t, std::uint32_t parent) noexcept;
  // join: `t` has seen all that `ended` did.
  void join(std::uint32_t t, std::uint32_t ended) noexcept;
  // see_all: no store stays unseen for ever.
  void see_all(std::uint32_t t) noexcept;

  // oldest, newest: which stores a load by `t` may return.
  [[nodiscard]] std::uint32_t oldest(std::uint32_t t, std::uint32_t l, order o) noexcept;
  [[nodiscard]] std::uint32_t newest(std::uint32_t l) const noexcept {
    return static_cast<std::uint32_t>(stores_[l].size()) - 1;
  }
  [[nodiscard]] std::uint64_t value(std::uint32_t l, std::uint32_t number) const noexcept {
    return stores_[l][number].value;
  }

  std::uint64_t read(std::uint32_t t, std::uint32_t l, std::uint32_t number, order o) noexcept;
  void write(std::uint32_t t, std::uint32_t l, std::uint64_t value, order o);
  // replace: a read-modify-write of the newest store.
  std::uint64_t replace(std::uint32_t t, std::uint32_t l, std::uint64_t value, order o);
  void fence(std::uint32_t t, order o) noexcept;

  // of: what `t` has seen. clock: its own.
  [[nodiscard]] const view& of(std::uint32_t t) const noexcept { return threads_[t].now; }
  [[nodiscard]] std::uint16_t clock(std::uint32_t t) const noexcept {
    return threads_[t].now.clock[t];
  }

 private:
  struct message {
    std::uint64_t value;
    view carried;
  };
  struct thread {
    view now;
    view acquired;  // by loads that do not acquire: what an acquiring fence would add
    view fenced;    // at the last releasing fence
  };
  void append(std::uint32_t t, std::uint32_t l, message m, order o);

  rules rules_ = rules::standard;
  std::uint32_t locations_ = 0;
  std::array<std::vector<message>, locations_max> stores_;
  std::array<std::uint16_t, locations_max> seq_cst_seen_{};  // M5
  std::array<thread, threads_max> threads_{};
  view fences_;  // what seq_cst fences have seen; under `hardware`, releases too
};

}  // namespace interleave
