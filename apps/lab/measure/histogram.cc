#include "measure/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace lab {

namespace {

// A value with its highest bit at `shift + 6` falls into one of 64 buckets of width 2^shift.
constexpr unsigned sub_bits = 6;
constexpr std::size_t sub_count = std::size_t{1} << sub_bits;
constexpr std::size_t bucket_count = (63 - sub_bits) * sub_count + sub_count;

std::size_t bucket_of(std::uint64_t value) {
  if (value < 2 * sub_count) return value;
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - sub_bits;
  return shift * sub_count + (value >> shift);
}

// highest_in: the largest value of a bucket.
std::int64_t highest_in(std::size_t bucket) {
  if (bucket < 2 * sub_count) return static_cast<std::int64_t>(bucket);
  const std::size_t shift = bucket / sub_count - 1;
  const std::uint64_t low = (sub_count + bucket % sub_count) << shift;
  return static_cast<std::int64_t>(low + (std::uint64_t{1} << shift) - 1);
}

}  // namespace

histogram::histogram() : buckets_(bucket_count) {}

void histogram::record(std::int64_t ns, std::uint64_t times) {
  const std::int64_t value = std::max<std::int64_t>(ns, 0);
  buckets_[bucket_of(static_cast<std::uint64_t>(value))] += times;
  count_ += times;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value) * static_cast<double>(times);
}

void histogram::add(const histogram& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double histogram::mean() const noexcept {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

std::int64_t histogram::percentile(double percent) const noexcept {
  const auto wanted = std::max(1.0, std::ceil(percent / 100 * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size() && count_ != 0; ++i) {
    seen += buckets_[i];
    if (static_cast<double>(seen) >= wanted) return std::min(highest_in(i), max_);
  }
  return max_;
}

}  // namespace lab
