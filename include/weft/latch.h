#pragma once

// latch: opens once, when it has been counted down to 0. std::latch for goroutines, with limits.
//
//   weft::latch ready(3);
//   ... each of three: ready.count_down();
//   ready.wait(ctx);
//
// Usable from plain threads, and before main. It may be destroyed when all its waits have returned,
// and one of them without an error.

#include <weft/error.h>
#include <weft/limit.h>

#include <cstddef>

namespace weft {

class latch {
 public:
  // latch: opens after `count`; throws misuse_error if that is negative.
  constexpr explicit latch(std::ptrdiff_t count) : count_(count) {
    if (count < 0) throw misuse_error("latch: negative count");
  }
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;
  ~latch() = default;

  // count_down: by `n`; at 0 all who wait go on, and see what was done before. Never waits. Throws
  // misuse_error if `n` is negative or more than is left, and changes nothing then.
  void count_down(std::ptrdiff_t n = 1);

  // try_wait: whether it is open. Never waits.
  [[nodiscard]] bool try_wait() const noexcept;

  // wait: until it is open. An error means that `l` ended the wait before.
  result<void> wait(const limit& l = {}) const noexcept;

  // arrive_and_wait: count_down(n), then wait. The count stays down if `l` ends the wait.
  result<void> arrive_and_wait(std::ptrdiff_t n = 1, const limit& l = {}) {
    count_down(n);
    return wait(l);
  }

 private:
  std::ptrdiff_t count_;  // guarded by the lock in waiters_
  alignas(8) mutable std::byte waiters_[16] = {};
};

}  // namespace weft
