#pragma once

// token_bucket: flood control. A client may send `burst` lines at once and `rate` lines a second
// after that. take() never refuses: it says how long to wait, and the caller waits. Kept as the
// moment at which the bucket will be full again, so that nothing runs while nobody asks.

#include <algorithm>
#include <chrono>

namespace tertulia {

class token_bucket {
 public:
  using clock = std::chrono::steady_clock;

  // Both are 1 or more.
  token_bucket(int burst, int lines_per_s)
      : per_line_(std::chrono::nanoseconds(std::chrono::seconds(1)) / lines_per_s),
        burst_(per_line_ * burst) {}

  // take: one line at `now`; how long to wait before it is handled.
  [[nodiscard]] clock::duration take(clock::time_point now) noexcept {
    full_at_ = std::max(full_at_, now) + per_line_;
    const auto early = full_at_ - now - burst_;
    return std::max(early, clock::duration::zero());
  }

 private:
  clock::duration per_line_;
  clock::duration burst_;
  clock::time_point full_at_{};
};

}  // namespace tertulia
