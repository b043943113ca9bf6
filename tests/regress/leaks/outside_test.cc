// outside_test: the same programs outside of simulations, on real threads and in real time, with
// all verdicts on. A right one must get none. A wrong one that shows its mistake in every schedule
// is run in a process of its own, since what is found may end it.

#include <gtest/gtest.h>
#include <unistd.h>
#include <weft/runtime.h>
#include <weft/test.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "arch/sanitizer.h"
#include "program.h"
#include "sync/channel_core.h"

namespace weft::leaks {
namespace {

constexpr const char* chosen = "WEFT_TEST_PROGRAM";  // in the child's environment
constexpr unsigned hangs_s = 120;                    // nothing was found, and it does not end
// patience: suspicion needs a wait that lasts; on a busy machine that takes its time.
constexpr test::leak_options patient{.patience = std::chrono::seconds(10)};

// endless: their timers and selects go on for ever, which is no wait: for simulations to find.
const std::set<std::string> endless = {"misused_select.leaves_only_the_case",
                                       "misused_select.time_that_begins_anew"};

std::string title(const program& p) { return std::string(p.category) + "." + p.name; }

// outcome_in: of what a child has said.
const char* outcome_in(const std::string& said) {
  static constexpr std::array outcomes = {"a cycle of locks", "all goroutines are asleep",
                                          "waits for ever",   "fatal error: ",
                                          "panic: ",          ": proven",
                                          ": suspect",        ": unknown"};
  for (const char* text : outcomes)
    if (said.contains(text)) return text;
  return "not found";
}

// run_alone: what a wrong program says in a process of its own.
std::string run_alone(const program& p) {
  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = std::string("WEFT_LEAKS=report ") + chosen + "=" + title(p) + " '" +
                              self +
                              "' --gtest_filter=outside.DISABLED_one_program "
                              "--gtest_also_run_disabled_tests 2>&1";
  std::string said;
  const std::unique_ptr<FILE, int (*)(FILE*)> from(::popen(command.c_str(), "r"), ::pclose);
  std::array<char, 4096> some;
  while (const auto n = std::fread(some.data(), 1, some.size(), from.get()))
    said.append(some.data(), n);
  return said;
}

TEST(outside, DISABLED_one_program) {
  const char* name = std::getenv(chosen);
  for (const auto& p : programs()) {
    if (name == nullptr || !p.wrong || title(p) != name) continue;
    ::alarm(hangs_s);
    test::report_leaks([](const auto& left) { std::fputs(test::text_of(left).c_str(), stderr); },
                       patient);
    weft::run(p.run);
    test::report_leaks({});
  }
}

// races: the programs are written for simulations, on one thread: some count with plain integers.
bool races() { return WEFT_TSAN != 0; }

TEST(outside, cycles_of_locks_are_named_and_most_others_found) {
  if (races()) GTEST_SKIP() << "ThreadSanitizer ends programs for their plain counters";
  std::map<std::string, int> counts;
  std::size_t all = 0;
  std::size_t found = 0;
  for (const auto& p : programs()) {
    if (!p.wrong || p.shows != when::always) continue;
    const auto said = endless.contains(title(p)) ? std::string() : run_alone(p);
    const std::string what = outcome_in(said);
    std::printf("  %-50s %s\n", title(p).c_str(), what.c_str());
    ++counts[what];
    ++all;
    if (what != "not found" && what != ": unknown") ++found;
    if (std::string_view(p.category) == "double_lock") {
      EXPECT_EQ(what, "a cycle of locks") << title(p) << ":\n" << said;
    }
  }
  for (const auto& [what, n] : counts) std::printf("%-28s %d\n", what.c_str(), n);
  EXPECT_GE(10 * found, 9 * all);
}

TEST(outside, no_right_program_is_accused) {
  if (races()) GTEST_SKIP() << "ThreadSanitizer ends programs for their plain counters";
  sync::watch_orphans(sync::orphans::fatal);
  std::vector<test::leak> left;
  test::report_leaks([&](const auto& l) { left = l; },
                     {.patience = std::chrono::minutes(2)});  // all of them end
  for (const auto& p : programs()) {
    if (p.wrong) continue;
    left.clear();
    weft::run(p.run);
    EXPECT_EQ(test::text_of(left), "") << title(p);
  }
  test::report_leaks({});
  sync::watch_orphans(sync::orphans::ignored);
}

}  // namespace
}  // namespace weft::leaks
