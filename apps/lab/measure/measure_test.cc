#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "measure/histogram.h"
#include "measure/proc_text.h"
#include "measure/statistics.h"
#include "measure/top_rows.h"

namespace {

using lab::histogram;

TEST(lab_statistics, variation_is_the_populations_deviation_over_the_mean) {
  const std::array<double, 8> values = {2, 4, 4, 4, 5, 5, 7, 9};
  EXPECT_DOUBLE_EQ(lab::mean(values), 5);
  EXPECT_DOUBLE_EQ(lab::deviation(values), 2);
  EXPECT_DOUBLE_EQ(lab::coefficient_of_variation(values), 0.4);
  EXPECT_DOUBLE_EQ(lab::median(values), 4.5);
  EXPECT_EQ(lab::coefficient_of_variation({}), 0);
  EXPECT_EQ(lab::deviation(std::array{3.0}), 0);
}

TEST(lab_statistics, the_interval_of_a_ratio_holds_it_and_shrinks_with_the_spread) {
  const std::vector<double> steady = {10, 10.1, 9.9, 10, 10.05, 9.95};
  const std::vector<double> twice = {20, 20.2, 19.8, 20, 20.1, 19.9};
  const std::vector<double> wild = {5, 35, 10, 30, 15, 25};
  const auto narrow = lab::ratio_interval(steady, twice);
  EXPECT_LT(narrow.low, 2);
  EXPECT_GT(narrow.high, 2);
  EXPECT_LT(narrow.high - narrow.low, 0.1);
  const auto broad = lab::ratio_interval(steady, wild);
  EXPECT_LT(broad.low, 2);
  EXPECT_GT(broad.high, 2);
  EXPECT_GT(broad.high - broad.low, 0.5);
}

TEST(lab_top, processes_beyond_the_last_row_are_not_seen) {
  std::vector<lab::process_usage> all(32, {.percent = 0.5, .of_server = true});
  EXPECT_DOUBLE_EQ(lab::visible_percent(all, lab::top_row_limit), 18 * 0.5);
  all.push_back({.percent = 3, .of_server = false});  // takes a row
  EXPECT_DOUBLE_EQ(lab::visible_percent(all, lab::top_row_limit), 17 * 0.5);
  EXPECT_DOUBLE_EQ(lab::visible_percent({{.percent = 2, .of_server = true}}, 18), 2);
  EXPECT_DOUBLE_EQ(lab::visible_percent({}, 18), 0);
}

TEST(lab_histogram, percentiles_are_within_a_sixty_fourth) {
  histogram h;
  for (std::int64_t v = 1; v <= 100'000; ++v) h.record(v);
  EXPECT_EQ(h.count(), 100'000U);
  EXPECT_EQ(h.max(), 100'000);
  EXPECT_EQ(h.percentile(100), 100'000);
  for (const double p : {1.0, 50.0, 99.0, 99.9}) {
    const double exact = p * 1000;
    EXPECT_GE(static_cast<double>(h.percentile(p)), exact);
    EXPECT_LE(static_cast<double>(h.percentile(p)), exact * (1 + 1.0 / 64) + 1);
  }
}

TEST(lab_histogram, small_values_are_exact_and_large_ones_fit) {
  histogram h;
  h.record(0);
  h.record(127);
  EXPECT_EQ(h.percentile(1), 0);
  EXPECT_EQ(h.percentile(100), 127);
  h.record(INT64_MAX);
  h.record(-5);
  EXPECT_EQ(h.max(), INT64_MAX);
  EXPECT_EQ(h.percentile(100), INT64_MAX);
  EXPECT_EQ(h.percentile(50), 0);
}

TEST(lab_histogram, adding_two_is_recording_both) {
  histogram a;
  histogram b;
  histogram both;
  for (std::int64_t v = 0; v < 1000; ++v) {
    (v % 3 == 0 ? a : b).record(v * v);
    both.record(v * v);
  }
  a.add(b);
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.percentile(90), both.percentile(90));
  EXPECT_DOUBLE_EQ(a.mean(), both.mean());
}

TEST(lab_proc, a_process_may_have_parentheses_and_blanks_in_its_name) {
  const auto stat = lab::parse_process_stat(
      "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 30 5 6 20 0 3 0 99 1 2");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->pid, 42);
  EXPECT_EQ(stat->parent, 7);
  EXPECT_EQ(stat->name, "a (b) c");
  EXPECT_EQ(stat->user_ticks, 150U);
  EXPECT_EQ(stat->system_ticks, 30U);
  EXPECT_EQ(stat->reaped_ticks, 11U);
  EXPECT_FALSE(lab::parse_process_stat("42 (cut off) S 7 42"));
  EXPECT_FALSE(lab::parse_process_stat(""));
}

TEST(lab_proc, waiting_for_a_disk_is_not_being_busy) {
  const auto ticks = lab::parse_machine_ticks("cpu  10 1 20 500 30 2 3 4 0 0\ncpu0 1 1 1 1\n");
  ASSERT_TRUE(ticks);
  EXPECT_EQ(ticks->busy, 40U);
  EXPECT_EQ(ticks->all, 570U);
  EXPECT_FALSE(lab::parse_machine_ticks("cpu  1 2 3"));
}

TEST(lab_proc, a_field_is_found_by_its_whole_name_at_the_beginning_of_a_line) {
  constexpr const char* text =
      "Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\nuser_usec 77\n";
  EXPECT_EQ(lab::parse_field(text, "voluntary_ctxt_switches:"), 12U);
  EXPECT_EQ(lab::parse_field(text, "nonvoluntary_ctxt_switches:"), 3U);
  EXPECT_EQ(lab::parse_field(text, "user_usec"), 77U);
  EXPECT_EQ(lab::parse_field(text, "user"), std::nullopt);
  EXPECT_EQ(lab::parse_field(text, "Pss:"), std::nullopt);
}

}  // namespace
