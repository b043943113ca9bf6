#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/metrics.h>
#include <weft/runtime.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <thread>

#include "arch/sanitizer.h"
#include "observe/trace_test.h"

namespace {

using namespace std::chrono_literals;
using weft::observe_test::scaled;

// alone: no goroutine lives but the caller.
void alone() {
  while (weft::goroutine_count() != 1) weft::yield();
}

TEST(Metrics, without_a_runtime_all_is_zero) {
  const auto m = weft::read_metrics();
  EXPECT_EQ(m.processors, 0U);
  EXPECT_EQ(m.created, 0U);
  EXPECT_TRUE(m.queued.empty());
}

TEST(Metrics, goroutines_are_counted_when_they_start_and_when_they_end) {
  weft::run(
      [] {
        const auto before = weft::read_metrics();
        EXPECT_EQ(before.goroutines, 1U);
        EXPECT_EQ(before.created, 1U);
        EXPECT_EQ(before.processors, 2U);
        EXPECT_EQ(before.queued.size(), 2U);
        EXPECT_GE(before.machines, 1U);
        const weft::channel<int> end(0);
        weft::wait_group done;
        for (int i = 0; i < 10; ++i) done.go([&] { static_cast<void>(end.recv()); });
        EXPECT_EQ(weft::read_metrics().goroutines, 11U);
        end.close();
        done.wait();
        alone();
        const auto after = weft::read_metrics();
        EXPECT_EQ(after.goroutines, 1U);
        EXPECT_EQ(after.created, 11U);
        EXPECT_GE(after.stacks_in_use, 1U);
      },
      {.max_procs = 2});
}

TEST(Metrics, every_dispatch_ends_in_a_park_or_a_yield_or_the_end) {
  for (const unsigned procs : {1U, 2U, 4U}) {
    weft::run(
        [] {
          const weft::channel<int> items(0);
          weft::wait_group done;
          for (int g = 0; g < 8; ++g) {
            done.go([&items, g] {
              for (int i = 0; i < scaled(500); ++i) {
                if (g % 2 == 0) {
                  items.send(i);
                } else {
                  static_cast<void>(items.recv());
                }
                if (i % 16 == 0) weft::yield();
              }
            });
          }
          done.wait();
          alone();
          const auto m = weft::read_metrics();
          const auto ended = m.created - m.goroutines;
          EXPECT_EQ(m.dispatches, m.parks + m.yields + ended + 1);
          EXPECT_GT(m.parks, 0U);
          EXPECT_GT(m.yields, 0U);
        },
        {.max_procs = procs});
  }
}

// Each steal would cost both a wake-up. Some there may be: of a machine that the kernel put aside.
TEST(Metrics, who_takes_short_turns_on_one_processor_is_left_there) {
  if (weft::arch::sanitizer::present) GTEST_SKIP() << "no turn is short";
  weft::run(
      [] {
        constexpr std::uint64_t turns = 200'000;
        const auto before = weft::read_metrics();
        const weft::channel<int> numbers(0);
        weft::go([numbers] {
          for (std::uint64_t i = 0; i < turns; ++i) numbers.send(1);
          numbers.close();
        });
        for (const int number : numbers) static_cast<void>(number);
        EXPECT_LT(weft::read_metrics().steals - before.steals, turns / 1000);
      },
      {.max_procs = 2});
}

TEST(Metrics, timers_and_looks_at_the_network_are_counted) {
  weft::run([] {
    const auto before = weft::read_metrics();
    weft::sleep_for(1ms);
    const auto after = weft::read_metrics();
    EXPECT_GT(after.timers, before.timers);
  });
}

TEST(Metrics, a_processor_that_is_given_away_is_a_handoff) {
  weft::run(
      [] {
        const auto before = weft::read_metrics();
        std::atomic<bool> ran{false};
        weft::go([&] { ran = true; });
        weft::blocking([&] {
          while (!ran) std::this_thread::yield();
        });
        EXPECT_GT(weft::read_metrics().handoffs, before.handoffs);
      },
      {.max_procs = 1});
}

TEST(Metrics, threads_read_them_while_goroutines_run) {
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::thread reader([&] {
    std::uint64_t last = 0;
    while (!stop) {
      const auto m = weft::read_metrics();
      if (m.processors == 0) {
        last = 0;
      } else {
        EXPECT_GE(m.dispatches, last);
        last = m.dispatches;
        ++reads;
      }
    }
  });
  weft::run([&] {
    while (reads < 20) {
      weft::wait_group done;
      for (int i = 0; i < 10; ++i) done.go([] { weft::yield(); });
      done.wait();
    }
  });
  stop = true;
  reader.join();
}

}  // namespace
