#pragma once

// barrier: where a number of goroutines or threads wait for each other, again and again.
// std::barrier, for goroutines and with limits.
//
//   weft::barrier step(4, [&]() noexcept { swap(old, next); });
//   ... each of four: for (...) { compute(part); step.arrive_and_wait(); }
//
// A phase ends when all who are expected have arrived: the last one calls the completion function,
// then all who wait go on, and see what was done before any of the arrivals. An arrival counts even
// if the limit ends the wait that follows it; who wants no more of it calls arrive_and_drop().
//
// Usable from plain threads. It may be destroyed when all its waits have returned.

#include <weft/error.h>
#include <weft/limit.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

// barrier_core: a barrier whose completion function is called by who made the phase complete.
class barrier_core {
 public:
  explicit barrier_core(std::ptrdiff_t expected);
  barrier_core(const barrier_core&) = delete;
  barrier_core& operator=(const barrier_core&) = delete;

  struct arrival {
    std::uint64_t phase;
    bool last;
  };
  // arrive: who is last owes an open(), after which the next phase has begun.
  [[nodiscard]] arrival arrive(std::ptrdiff_t n, bool drop);
  void open() noexcept;
  result<void> wait(std::uint64_t phase, const limit& l) noexcept;

 private:
  // Guarded by the lock in waiters_.
  std::ptrdiff_t expected_;
  std::ptrdiff_t missing_;
  std::uint64_t phase_ = 0;
  alignas(8) std::byte waiters_[16] = {};
};

struct no_completion {
  void operator()() noexcept {}
};

}  // namespace detail

template <class Completion = detail::no_completion>
class barrier {
 public:
  static_assert(std::is_nothrow_invocable_v<Completion&>,
                "the completion function of a barrier is noexcept: nobody could be told");

  // arrival_token: which phase an arrival belongs to.
  class [[nodiscard]] arrival_token {
    friend barrier;
    explicit arrival_token(std::uint64_t phase) noexcept : phase_(phase) {}
    std::uint64_t phase_;
  };

  // barrier: of `expected` participants; throws misuse_error if that is negative.
  explicit barrier(std::ptrdiff_t expected, Completion f = Completion())
      : core_(expected), completion_(std::move(f)) {}

  // arrive: without waiting. Throws misuse_error unless 0 < n <= those that are missing, and
  // changes nothing then.
  arrival_token arrive(std::ptrdiff_t n = 1) { return arrive(n, false); }

  // wait: until the phase of the arrival has ended. An error means that `l` ended the wait before.
  result<void> wait(const arrival_token& at, const limit& l = {}) noexcept {
    return core_.wait(at.phase_, l);
  }

  result<void> arrive_and_wait(const limit& l = {}) { return wait(arrive(), l); }

  // arrive_and_drop: arrives, and is not expected in later phases.
  void arrive_and_drop() { static_cast<void>(arrive(1, true)); }

 private:
  arrival_token arrive(std::ptrdiff_t n, bool drop) {
    const auto a = core_.arrive(n, drop);
    if (a.last) {
      std::invoke(completion_);
      core_.open();
    }
    return arrival_token(a.phase);
  }

  detail::barrier_core core_;
  [[no_unique_address]] Completion completion_;
};

}  // namespace weft
