// leaks_test: explore() against small programs with known mistakes, and against their twins.
//
// At least nine of ten wrong ones must be found, and of those whose mistake shows in some schedules
// only; no right one may be. A program's own claim, that every schedule shows it or only some, is
// tested as well.

#include <gtest/gtest.h>
#include <weft/test.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "arch/sanitizer.h"
#include "program.h"

namespace weft::leaks {

std::vector<program>& programs() {
  static std::vector<program> all;
  return all;
}

namespace {

// A sanitizer makes a schedule ten times as long.
constexpr bool quick = !arch::sanitizer::present;
constexpr std::size_t schedules_max = 10'000, schedules_right = quick ? 200 : 20, steps_max = 2000;
constexpr std::size_t categories = 12, wrong_min = 60, category_min = 5;

// not_found: those that are known not to be, and why.
const std::map<std::string, std::string> not_found = {};

std::string title(const program& p) { return std::string(p.category) + "." + p.name; }

const char* words_of(test::verdict v) {
  switch (v) {
    case test::verdict::passed: return "not found";
    case test::verdict::failed: return "failed";
    case test::verdict::deadlocked: return "deadlock";
    case test::verdict::leaked: return "leak";
    case test::verdict::endless: return "no end";
  }
  return "";
}

// enough: whether nine of ten were.
bool enough(std::size_t found, std::size_t of) { return 10 * found >= 9 * of; }

TEST(leaks, every_category_has_its_programs_and_each_its_twin) {
  std::map<std::string, std::set<std::string>> wrong, right;
  std::size_t all = 0;
  for (const auto& p : programs()) {
    EXPECT_TRUE((p.wrong ? wrong : right)[p.category].insert(p.name).second) << title(p);
    all += p.wrong ? 1 : 0;
  }
  EXPECT_EQ(wrong, right);
  EXPECT_EQ(wrong.size(), categories);
  EXPECT_GE(all, wrong_min);
  for (const auto& [category, names] : wrong) EXPECT_GE(names.size(), category_min) << category;
}

TEST(leaks, nine_of_ten_wrong_programs_are_found) {
  struct row {
    std::size_t all = 0;
    std::vector<std::size_t> schedules;  // of those that were found
  };
  std::map<std::string_view, row> table;
  row all, scheduled;
  for (const auto& p : programs()) {
    if (!p.wrong) continue;
    const auto o = test::explore(p.run, {.schedules = schedules_max, .steps_max = steps_max});
    const auto count = [&](row& in) {
      ++in.all;
      if (!o.ok()) in.schedules.push_back(o.schedules);
    };
    count(table[p.category]);
    count(all);
    if (p.shows == when::sometimes) count(scheduled);
    const auto again = test::simulate(p.run, {.schedule = o.schedule, .steps_max = steps_max});
    EXPECT_EQ(o.trace_hash, again.trace_hash) << title(p);
    EXPECT_NE(o.ok(), !not_found.contains(title(p))) << title(p);
    std::printf("  %-50s %6zu  %s\n", title(p).c_str(), o.schedules, words_of(o.what));
  }
  const auto print = [](std::string_view name, row r) {
    std::sort(r.schedules.begin(), r.schedules.end());
    std::printf("%-24.*s %2zu of %2zu  after %zu schedules (median), %zu at most\n",
                static_cast<int>(name.size()), name.data(), r.schedules.size(), r.all,
                r.schedules.empty() ? 0 : r.schedules[r.schedules.size() / 2],
                r.schedules.empty() ? 0 : r.schedules.back());
  };
  for (const auto& [category, r] : table) print(category, r);
  print("all", all);
  print("some schedules only", scheduled);
  EXPECT_TRUE(enough(all.schedules.size(), all.all));
  EXPECT_TRUE(enough(scheduled.schedules.size(), scheduled.all));
}

TEST(leaks, no_right_program_is) {
  for (const auto& p : programs()) {
    if (p.wrong) continue;
    const auto o = test::explore(p.run, {.schedules = schedules_right, .steps_max = steps_max});
    EXPECT_TRUE(o.ok()) << title(p) << ": " << o.text();
  }
}

TEST(leaks, programs_show_their_mistakes_as_often_as_they_say) {
  for (const auto& p : programs()) {
    if (!p.wrong) continue;
    bool passed = test::simulate(p.run, {.schedule = "exact:", .steps_max = steps_max}).ok();
    for (int seed = 1; seed <= 50 && !passed; ++seed) {
      passed = test::simulate(
                   p.run, {.schedule = "random:" + std::to_string(seed), .steps_max = steps_max})
                   .ok();
    }
    EXPECT_EQ(passed, p.shows == when::sometimes) << title(p);
  }
}

}  // namespace
}  // namespace weft::leaks
