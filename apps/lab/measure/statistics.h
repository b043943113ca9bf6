#pragma once

// statistics: of samples, as the paper uses them, and what comparing two measurements needs.

#include <cstdint>
#include <span>

namespace lab {

double mean(std::span<const double> values);

// deviation: of the population, as the paper's coefficient of variation has it; 0 for fewer than 2.
double deviation(std::span<const double> values);

// coefficient_of_variation: deviation over mean; 0 if the mean is.
double coefficient_of_variation(std::span<const double> values);

double median(std::span<const double> values);

struct interval {
  double low = 0;
  double high = 0;
};

// ratio_interval: where mean(b) / mean(a) lies with 95% confidence, by resampling both (bootstrap,
// 2,000 times, from a fixed seed, so that the same samples give the same answer). Each must hold a
// value, and mean(a) must not be 0.
interval ratio_interval(std::span<const double> a, std::span<const double> b);

}  // namespace lab
