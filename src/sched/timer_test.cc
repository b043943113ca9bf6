#include "sched/timer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "arch/sanitizer.h"
#include "sched/wake_list.h"

namespace weft::sched {
namespace {

struct subject : waiter {
  subject() noexcept : waiter(false, take_numbers(1)) {
    to_runnable();
    to_running();
  }
};

// ringing: a callback timer that counts.
struct ringing : timer {
  ringing() noexcept
      : timer([](timer& t) noexcept { static_cast<ringing&>(t).rang.fetch_add(1); }) {}
  std::atomic<int> rang{0};
};

// run: what is due at `now`; the waiters here are claimed before they park, so that nobody is
// woken.
std::size_t run(timer_heap& heap, std::int64_t now) {
  wake_list woken;
  const auto n = heap.run_due(now, woken);
  EXPECT_TRUE(woken.empty());
  return n;
}

TEST(timer, fires_when_it_is_due_and_not_before) {
  timer_heap heap;
  ringing t;
  EXPECT_TRUE(heap.arm(t, 100));
  EXPECT_EQ(heap.earliest(), 100);
  EXPECT_EQ(run(heap, 99), 0U);
  EXPECT_EQ(run(heap, 100), 1U);
  EXPECT_EQ(t.rang.load(), 1);
  EXPECT_EQ(heap.earliest(), none_due);
  EXPECT_EQ(run(heap, 1000), 0U);
}

TEST(timer, a_wait_that_is_due_is_decided_with_timeout) {
  timer_heap heap;
  subject w;
  timer t(w, w.arm());
  EXPECT_TRUE(heap.arm(t, 5));
  EXPECT_EQ(run(heap, 5), 1U);
  EXPECT_EQ(w.resume(), token_timeout);
}

TEST(timer, stopped_in_time_does_not_fire) {
  timer_heap heap;
  ringing t;
  EXPECT_FALSE(stop_timer(t)) << "never armed";
  EXPECT_TRUE(heap.arm(t, 5));
  EXPECT_TRUE(stop_timer(t));
  EXPECT_FALSE(stop_timer(t));
  EXPECT_EQ(heap.earliest(), none_due);
  EXPECT_EQ(run(heap, 10), 0U);
  EXPECT_TRUE(heap.arm(t, 7)) << "armed again";
  EXPECT_EQ(run(heap, 10), 1U);
  EXPECT_FALSE(stop_timer(t)) << "has fired";
  EXPECT_EQ(t.rang.load(), 1);
}

TEST(timer, only_a_new_earliest_asks_for_a_wake_up) {
  timer_heap heap;
  ringing a;
  ringing b;
  ringing c;
  EXPECT_TRUE(heap.arm(a, 50));
  EXPECT_FALSE(heap.arm(b, 60));
  EXPECT_TRUE(heap.arm(c, 40));
  EXPECT_TRUE(stop_timer(c));
  EXPECT_EQ(heap.earliest(), 50);
  EXPECT_EQ(run(heap, 60), 2U);
}

TEST(timer, many_are_due_in_any_order_of_arming_and_stopping) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    timer_heap heap;
    std::vector<std::unique_ptr<ringing>> all;
    std::vector<std::int64_t> when;
    std::vector<bool> stopped;
    for (int i = 0; i < 500; ++i) {  // more than one batch, and than the heap has room for at first
      all.push_back(std::make_unique<ringing>());
      when.push_back(static_cast<std::int64_t>(random() % 100));
      stopped.push_back(false);
      static_cast<void>(heap.arm(*all.back(), when.back()));
      const auto other = random() % all.size();
      if (random() % 3 == 0 && !stopped[other]) stopped[other] = stop_timer(*all[other]);
    }
    for (std::int64_t now = -1; now < 100; ++now) {
      run(heap, now);
      std::int64_t next = none_due;
      for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ(all[i]->rang.load(), !stopped[i] && when[i] <= now ? 1 : 0);
        if (!stopped[i] && when[i] > now) next = std::min(next, when[i]);
      }
      ASSERT_EQ(heap.earliest(), next);
    }
  }
}

// Threads arm and stop while another runs what is due: what stop_timer() promised holds.
TEST(timer, armed_and_stopped_by_threads_fires_exactly_when_it_was_not_stopped) {
  const int n = arch::sanitizer::present ? 1'000 : 20'000;
  timer_heap heap;
  std::atomic<bool> over{false};
  std::thread runner([&] {
    while (!over.load()) run(heap, 10);
  });
  std::vector<std::thread> owners;
  for (int i = 0; i < 2; ++i) {
    owners.emplace_back([&] {
      ringing t;
      int expected = 0;
      for (int k = 0; k < n; ++k) {
        static_cast<void>(heap.arm(t, k % 3 == 0 ? 20 : 10));
        if (!stop_timer(t)) {
          ++expected;
          while (t.rang.load() != expected) std::this_thread::yield();  // it is firing
        }
        ASSERT_EQ(t.rang.load(), expected);
      }
    });
  }
  for (auto& t : owners) t.join();
  over.store(true);
  runner.join();
  EXPECT_EQ(heap.earliest(), none_due);
}

}  // namespace
}  // namespace weft::sched
