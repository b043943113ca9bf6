#pragma once

// atomic: what stands in the place of src/base/atomic.h when a source is compiled for the checker:
// the same names, each operation of which is a choice (tests/interleave/checker.h).

#include <bit>
#include <cstdint>
#include <type_traits>

#include "checker.h"

namespace weft::base {

using order = std::memory_order;
inline constexpr order relaxed = std::memory_order_relaxed;
inline constexpr order acquire = std::memory_order_acquire;
inline constexpr order release = std::memory_order_release;
inline constexpr order acq_rel = std::memory_order_acq_rel;
inline constexpr order seq_cst = std::memory_order_seq_cst;

// spins_max: one: each further one is the same again.
inline constexpr int spins_max = 1;

template <class T>
class atomic {
 public:
  using site = interleave::site;

  constexpr atomic() noexcept = default;
  constexpr atomic(T value) noexcept : cell_{bits(value), 0, 0} {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  [[nodiscard]] T load(order o, site at = site::current()) const noexcept {
    return value(interleave::load(cell_, o, at));
  }
  void store(T v, order o, site at = site::current()) noexcept {
    interleave::store(cell_, bits(v), o, at);
  }
  T exchange(T v, order o, site at = site::current()) noexcept {
    return value(interleave::exchange(cell_, bits(v), o, at));
  }
  bool compare_exchange_strong(T& expected, T desired, order success, order failure,
                               site at = site::current()) noexcept {
    auto seen = bits(expected);
    const bool done =
        interleave::compare_exchange(cell_, seen, bits(desired), success, failure, at);
    if (!done) expected = value(seen);
    return done;
  }
  bool compare_exchange_weak(T& expected, T desired, order success, order failure,
                             site at = site::current()) noexcept {
    return compare_exchange_strong(expected, desired, success, failure, at);
  }
  T fetch_add(T n, order o, site at = site::current()) noexcept {
    return modify(interleave::modification::add, n, o, at);
  }
  T fetch_sub(T n, order o, site at = site::current()) noexcept {
    return modify(interleave::modification::sub, n, o, at);
  }
  T fetch_and(T n, order o, site at = site::current()) noexcept {
    return modify(interleave::modification::bit_and, n, o, at);
  }
  T fetch_or(T n, order o, site at = site::current()) noexcept {
    return modify(interleave::modification::bit_or, n, o, at);
  }

  // checked_cell: for the stand-ins of what is no atomic operation.
  [[nodiscard]] interleave::cell& checked_cell() noexcept { return cell_; }

 private:
  static constexpr std::uint64_t bits(T v) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return std::bit_cast<std::uintptr_t>(v);
    } else {
      return static_cast<std::uint64_t>(v);
    }
  }
  static constexpr T value(std::uint64_t v) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return std::bit_cast<T>(static_cast<std::uintptr_t>(v));
    } else {
      return static_cast<T>(v);
    }
  }
  T modify(interleave::modification m, T n, order o, site at) noexcept {
    constexpr std::uint64_t mask = UINT64_MAX >> (64 - 8 * sizeof(T));
    return value(interleave::modify(cell_, m, bits(n), mask, o, at));
  }

  interleave::cell cell_;
};

// bump: of a counter, of which nothing is asked here.
inline void bump(atomic<std::uint64_t>& of) noexcept { of.store(of.load(relaxed) + 1, relaxed); }

inline void thread_fence(order o, interleave::site at = interleave::site::current()) noexcept {
  interleave::fence(o, at);
}

inline void compiler_barrier() noexcept {}

inline void cpu_relax(interleave::site at = interleave::site::current()) noexcept {
  interleave::relax(at);
}

}  // namespace weft::base
