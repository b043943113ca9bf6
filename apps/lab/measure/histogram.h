#pragma once

// histogram: counts of durations in buckets that grow with the value, as HdrHistogram's: values
// below 128 ns exactly, above to within 1/64.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lab {

class histogram {
 public:
  histogram();

  // record: one value in nanoseconds; negative ones count as 0.
  void record(std::int64_t ns) { record(ns, 1); }
  void record(std::int64_t ns, std::uint64_t times);
  void add(const histogram& other);

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::int64_t max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept;

  // percentile: the least value that `percent` of all do not exceed, up to the bucket's width; 0 of
  // none.
  [[nodiscard]] std::int64_t percentile(double percent) const noexcept;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace lab
