#include "base/assert.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

namespace {

using testing::ExitedWithCode;
using weft::base::fatal;
using weft::base::set_crash_hook;
using weft::base::write_stderr;

// die_beside: another thread dies; returns when it sleeps.
void die_beside() noexcept {
  std::atomic<pid_t> other{0};
  std::thread second([&] {
    other = ::gettid();
    fatal("second");
  });
  while (other == 0) std::this_thread::yield();
  const auto file = "/proc/self/task/" + std::to_string(other) + "/stat";
  for (std::string text; text.find(") S ") == std::string::npos; std::this_thread::yield()) {
    std::ifstream stat(file);
    std::getline(stat, text);
  }
  second.detach();
}

TEST(fatal_death, who_dies_second_does_not_cut_off_the_first) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        set_crash_hook([]() noexcept {
          write_stderr("begins\n");
          die_beside();
          write_stderr("ends\n");
        });
        fatal("first");
      },
      ExitedWithCode(2), "fatal error: first\nbegins\nends\n$");
}

TEST(fatal_death, who_dies_of_his_own_report_waits_for_nobody) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        set_crash_hook([]() noexcept { fatal("again"); });
        fatal("first");
      },
      ExitedWithCode(2), "fatal error: first\nfatal error: again\n$");
}

TEST(fatal_death, a_report_that_is_stuck_does_not_keep_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        set_crash_hook([]() noexcept {
          die_beside();
          for (;;) ::pause();
        });
        fatal("first");
      },
      ExitedWithCode(2), "fatal error: first\nfatal error: second\n$");
}

}  // namespace
