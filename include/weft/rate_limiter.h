#pragma once

// rate_limiter: a bucket of tokens that fills at a steady rate.
//
//   weft::rate_limiter calls(10, 5);                    // 10 a second, 5 at once
//   if (!calls.allow()) return too_many;                // drop
//   if (auto turn = calls.wait(1, ctx); !turn) return turn.error();   // or slow down
//
// It begins full. All of it is safe from any thread at once; those who wait are let go in the order
// in which they came.

#include <weft/error.h>
#include <weft/limit.h>
#include <weft/mutex.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace weft {

class rate_limiter {
 public:
  // unlimited: a rate at which everything is allowed, whatever the burst.
  static constexpr double unlimited = std::numeric_limits<double>::infinity();

  // reservation: tokens that were taken ahead of time. A value; refers to its limiter.
  class reservation {
   public:
    // ok: whether they were taken: no burst is large enough for more tokens than fit the bucket.
    [[nodiscard]] bool ok() const noexcept { return ok_; }
    // delay: how long from now on the holder must wait before it acts. 0 if it may at once.
    [[nodiscard]] std::chrono::nanoseconds delay() const noexcept;
    // at: when it may act.
    [[nodiscard]] limit::clock::time_point at() const noexcept {
      return limit::clock::time_point(std::chrono::nanoseconds(at_ns_));
    }
    // cancel: the holder will not act: gives back what others have not come to count on. Does
    // nothing when its time has come.
    void cancel() noexcept;

   private:
    friend rate_limiter;
    rate_limiter* of_ = nullptr;
    bool ok_ = false;
    double tokens_ = 0;
    double per_second_ = 0;
    std::int64_t at_ns_ = 0;
  };

  // rate_limiter: `per_second` tokens a second (0: no more than are there), at most `burst` in the
  // bucket. Throws misuse_error if either is negative.
  rate_limiter(double per_second, std::ptrdiff_t burst);
  rate_limiter(const rate_limiter&) = delete;
  rate_limiter& operator=(const rate_limiter&) = delete;
  ~rate_limiter() = default;

  // allow: takes `n` tokens if they are there now. Does not wait.
  [[nodiscard]] bool allow(std::ptrdiff_t n = 1);

  // reserve: takes `n` tokens, those that will come included. Does not wait.
  [[nodiscard]] reservation reserve(std::ptrdiff_t n = 1);

  // wait: until there are `n`, and takes them. An error means that it took none: errc::timeout at
  // once if the deadline is too early for them, errc::cancelled, or std::errc::invalid_argument if
  // n is larger than the burst.
  result<void> wait(std::ptrdiff_t n, const limit& l = {});
  result<void> wait(const limit& l = {}) { return wait(1, l); }

  // set_rate, set_burst: from now on. What was reserved keeps its time.
  void set_rate(double per_second);
  void set_burst(std::ptrdiff_t burst);

  // tokens: how many are there; negative if more are reserved. A snapshot.
  [[nodiscard]] double tokens() noexcept;

 private:
  static void check(std::ptrdiff_t n);
  // fill: with the lock: up to `now_ns`.
  void fill(std::int64_t now_ns) noexcept;
  reservation take(std::ptrdiff_t n, std::int64_t now_ns, std::int64_t latest_ns) noexcept;
  void give_back(const reservation& r) noexcept;

  mutex lock_;
  // Guarded by lock_.
  double per_second_;
  std::ptrdiff_t burst_;
  double tokens_;
  std::int64_t filled_ns_ = 0;
  std::int64_t last_ns_ = 0;  // the latest time anybody was told to act
};

}  // namespace weft
