#include "measure/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace lab {

double mean(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double middle = mean(values);
  double squares = 0;
  for (const double v : values) squares += (v - middle) * (v - middle);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

double coefficient_of_variation(std::span<const double> values) {
  const double middle = mean(values);
  return middle == 0 ? 0 : deviation(values) / middle;
}

double median(std::span<const double> values) {
  if (values.empty()) return 0;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

interval ratio_interval(std::span<const double> a, std::span<const double> b) {
  constexpr std::size_t rounds = 2000;
  std::mt19937_64 random(1);
  const auto resampled_mean = [&random](std::span<const double> from) {
    std::uniform_int_distribution<std::size_t> pick(0, from.size() - 1);
    double sum = 0;
    for (std::size_t i = 0; i < from.size(); ++i) sum += from[pick(random)];
    return sum / static_cast<double>(from.size());
  };
  std::vector<double> ratios;
  ratios.reserve(rounds);
  for (std::size_t i = 0; i < rounds; ++i) {
    const double below = resampled_mean(a);
    const double above = resampled_mean(b);
    if (below > 0) ratios.push_back(above / below);
  }
  if (ratios.empty()) return {};
  std::sort(ratios.begin(), ratios.end());
  const auto at = [&](double q) {
    return ratios[static_cast<std::size_t>(q * static_cast<double>(ratios.size() - 1))];
  };
  return {at(0.025), at(0.975)};
}

}  // namespace lab
