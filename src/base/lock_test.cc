#include "base/lock.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/futex.h"

namespace {

using weft::base::lock;
using weft::base::locked;
using weft::base::rank;

TEST(lock, excludes_threads_and_publishes_what_was_written) {
  constexpr int thread_count = 4;
  constexpr int rounds = 20'000;
  lock<rank::leaf> guard;
  long counter = 0;  // guarded by `guard`
  std::vector<std::thread> threads;
  for (int t = 0; t < thread_count; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) {
        const locked hold(guard);
        ++counter;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(counter, static_cast<long>(thread_count) * rounds);
}

TEST(lock, sleepers_are_woken_one_after_the_other) {
  // The holder leaves only when every other thread is about to take the lock, so that they go
  // through the sleeping path; a missed wake-up would hang the test.
  constexpr std::uint32_t thread_count = 8;
  lock<rank::leaf> guard;
  weft::base::atomic<std::uint32_t> arrived{0};
  int entered = 0;  // guarded by `guard`
  std::vector<std::thread> threads;
  guard.acquire();
  for (std::uint32_t t = 0; t < thread_count; ++t) {
    threads.emplace_back([&] {
      // relaxed: a count; the lock publishes everything else.
      arrived.fetch_add(1, weft::base::relaxed);
      const locked hold(guard);
      ++entered;
    });
  }
  // relaxed: as above.
  while (arrived.load(weft::base::relaxed) != thread_count) std::this_thread::yield();
  EXPECT_EQ(entered, 0);
  guard.release();
  for (auto& t : threads) t.join();
  EXPECT_EQ(entered, static_cast<int>(thread_count));
}

TEST(lock, try_acquire_fails_while_held_and_never_waits) {
  lock<rank::leaf> guard;
  ASSERT_TRUE(guard.try_acquire());
  bool second = true;
  std::thread([&] { second = guard.try_acquire(); }).join();
  EXPECT_FALSE(second);
  guard.release();
  ASSERT_TRUE(guard.try_acquire());
  guard.release();
}

TEST(lock, ranks_that_rise_are_allowed_and_released_in_any_order) {
  lock<rank::channel> outer;
  lock<rank::channel> peer;
  lock<rank::leaf> inner;
  outer.acquire();
  peer.acquire();
  inner.acquire();
  outer.release();
  inner.release();
  peer.release();
  outer.acquire();
  outer.release();
}

#if defined(WEFT_CHECK_RANKS)
TEST(lock_death_test, falling_rank_asserts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  lock<rank::scope> outer;
  lock<rank::leaf> inner;
  lock<rank::leaf> twin;
  inner.acquire();
  EXPECT_DEATH(outer.acquire(), "out of rank");
  EXPECT_DEATH(twin.acquire(), "out of rank");
  inner.release();
}

TEST(lock_death_test, releasing_what_one_does_not_hold_asserts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  lock<rank::leaf> guard;
  EXPECT_DEATH(guard.release(), "does not hold");
}
#endif

TEST(futex, wait_refuses_another_value_and_honours_its_timeout) {
  weft::base::atomic<std::uint32_t> word{1};
  weft::base::futex_wait(word, 0);           // returns at once: the word is not 0
  weft::base::futex_wait(word, 1, 100'000);  // returns after the timeout: nobody wakes it
  SUCCEED();
}

}  // namespace
