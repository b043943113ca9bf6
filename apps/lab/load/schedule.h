#pragma once

// schedule: when each message of a connection is due. It is fixed beforehand and knows nothing of
// the server, so that a server that stalls is charged for every message that was due meanwhile (no
// coordinated omission). Messages that fall into one `combine` leave in one write, when the last of
// them is due.

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace lab {

class schedule {
 public:
  using nanoseconds = std::chrono::nanoseconds;

  // schedule: `per_second` messages over `length`, at least one to a write.
  schedule(double per_second, nanoseconds length, nanoseconds combine)
      : interval_ns_(1e9 / per_second),
        total_(static_cast<std::uint64_t>(static_cast<double>(length.count()) / interval_ns_)),
        batch_(std::max<std::uint64_t>(
            1, static_cast<std::uint64_t>(static_cast<double>(combine.count()) / interval_ns_))) {}

  // total: messages in all. batch: how many leave in one write.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t batch() const noexcept { return batch_; }

  // period: from one write to the next.
  [[nodiscard]] nanoseconds period() const noexcept { return at(static_cast<double>(batch_)); }

  // due: when message `number` (from 0) leaves, after the start.
  [[nodiscard]] nanoseconds due(std::uint64_t number) const noexcept {
    const std::uint64_t last = std::min((number / batch_ + 1) * batch_, total_) - 1;
    return at(static_cast<double>(last));
  }

  // due_by: how many messages should have left `elapsed` after the start: whole batches.
  [[nodiscard]] std::uint64_t due_by(nanoseconds elapsed) const noexcept {
    if (elapsed.count() < 0) return 0;
    auto n = static_cast<std::uint64_t>(static_cast<double>(elapsed.count()) / interval_ns_) + 1;
    if (n >= total_) return total_;
    return n / batch_ * batch_;
  }

 private:
  [[nodiscard]] nanoseconds at(double messages) const noexcept {
    return nanoseconds(static_cast<std::int64_t>(messages * interval_ns_));
  }

  double interval_ns_;
  std::uint64_t total_;
  std::uint64_t batch_;
};

}  // namespace lab
