#include "sched/environment.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "sched/scheduler.h"

namespace weft::sched {
namespace {

// groups: a made-up mount of control groups and a made-up /proc/self/cgroup.
class groups : public testing::Test {
 protected:
  groups()
      : root_(std::filesystem::path(testing::TempDir()) /
              ("weft-groups-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(root_);
  }
  ~groups() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  unsigned quota(const std::string& membership) {
    write("membership", membership);
    return quota_cpus(root_.c_str(), (root_ / "membership").c_str());
  }

 private:
  std::filesystem::path root_;
};

TEST_F(groups, without_a_quota_there_is_none) {
  EXPECT_EQ(quota("0::/\n"), 0U);
  write("a/cpu.max", "max 100000\n");
  EXPECT_EQ(quota("0::/a\n"), 0U);
}

TEST_F(groups, a_quota_is_rounded_up) {
  write("a/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota("0::/a\n"), 2U);
  write("b/cpu.max", "20000 100000\n");
  EXPECT_EQ(quota("0::/b\n"), 1U);
}

TEST_F(groups, the_least_quota_above_counts) {
  write("a/cpu.max", "200000 100000\n");
  write("a/b/cpu.max", "800000 100000\n");
  write("a/b/c/cpu.max", "max 100000\n");
  EXPECT_EQ(quota("0::/a/b/c\n"), 2U);
}

TEST_F(groups, in_a_container_the_mount_itself_counts) {
  write("cpu.max", "100000 100000\n");
  EXPECT_EQ(quota("0::/outside/of/what/is/mounted\n"), 1U);
}

TEST_F(groups, version_1_is_understood) {
  write("cpu/a/cpu.cfs_quota_us", "300000\n");
  write("cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota("5:memory:/a\n4:cpu,cpuacct:/a\n"), 3U);
  write("cpu/b/cpu.cfs_quota_us", "-1\n");
  write("cpu/b/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota("4:cpuacct,cpu:/b\n"), 0U);
}

TEST_F(groups, nonsense_is_no_quota) {
  write("a/cpu.max", "lots\n");
  EXPECT_EQ(quota("0::/a\n:::\n\nno colons\n"), 0U);
  EXPECT_EQ(quota_cpus("/nonexistent", "/nonexistent/cgroup"), 0U);
}

TEST(environment, affinity_limits_the_processors) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &before)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cpus(), 1U);
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(environment, the_variable_wins_over_what_the_machine_has) {
  const char* before = std::getenv("WEFT_MAXPROCS");
  const std::string kept = before != nullptr ? before : "";
  ::setenv("WEFT_MAXPROCS", "7", 1);
  EXPECT_EQ(choose_max_procs(0), 7U);
  EXPECT_EQ(choose_max_procs(3), 3U);
  ::unsetenv("WEFT_MAXPROCS");
  EXPECT_EQ(choose_max_procs(0), usable_cpus());
  if (before != nullptr) ::setenv("WEFT_MAXPROCS", kept.c_str(), 1);
}

TEST(environment_death, a_senseless_variable_says_what_it_wants) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("WEFT_MAXPROCS", "many", 1);
        static_cast<void>(choose_max_procs(0));
      },
      testing::ExitedWithCode(2), "WEFT_MAXPROCS: want a number from 1 to 1024");
}

}  // namespace
}  // namespace weft::sched
