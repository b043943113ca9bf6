#include "sched/waiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "arch/sanitizer.h"

namespace weft::sched {
namespace {

// subject: a waiter that runs.
struct subject : waiter {
  subject() noexcept : waiter(false, take_numbers(1)) {
    to_runnable();
    to_running();
  }
};

TEST(waiter, a_claim_before_the_park_leaves_the_waiter_running) {
  subject w;
  const ticket t = w.arm();
  EXPECT_FALSE(w.decided());
  EXPECT_EQ(w.claim(t, token_ready), claim_outcome::won_running);
  EXPECT_TRUE(w.decided());
  EXPECT_FALSE(w.try_park());
  EXPECT_EQ(w.resume(), token_ready);
}

TEST(waiter, a_claim_after_the_park_owes_a_ready) {
  subject w;
  const ticket t = w.arm();
  EXPECT_TRUE(w.try_park());
  EXPECT_EQ(w.claim(t, token_timeout), claim_outcome::won_parked);
  EXPECT_EQ(w.claim(t, token_ready), claim_outcome::lost);
  EXPECT_EQ(w.resume(), token_timeout);
}

TEST(waiter, an_old_ticket_loses_whatever_the_waiter_does) {
  subject w;
  const ticket old = w.arm();
  EXPECT_TRUE(w.disarm());
  EXPECT_EQ(w.claim(old, token_ready), claim_outcome::lost);
  const ticket t = w.arm();
  EXPECT_NE(t, old);
  EXPECT_EQ(w.claim(old, token_ready), claim_outcome::lost);
  EXPECT_TRUE(w.try_park());
  EXPECT_EQ(w.claim(old, token_ready), claim_outcome::lost);
  EXPECT_EQ(w.claim(t, token_ready), claim_outcome::won_parked);
  EXPECT_EQ(w.resume(), token_ready);
}

TEST(waiter, a_wait_that_was_decided_cannot_be_given_up) {
  subject w;
  const ticket t = w.arm();
  EXPECT_EQ(w.claim(t, token_cancelled), claim_outcome::won_running);
  EXPECT_FALSE(w.disarm());
  EXPECT_EQ(w.resume(), token_cancelled);
}

TEST(waiter, the_token_of_any_case_arrives) {
  subject w;
  for (const int by : {0x4, 0x703, 0x804, 0xf03}) {
    const ticket t = w.arm();
    EXPECT_EQ(w.claim(t, static_cast<token>(by)), claim_outcome::won_running);
    EXPECT_EQ(w.resume(), by);
  }
}

TEST(waiter, only_a_parked_one_is_held_and_its_waker_waits) {
  subject w;
  EXPECT_FALSE(w.try_hold());
  const ticket t = w.arm();
  EXPECT_FALSE(w.try_hold());
  EXPECT_TRUE(w.try_park());
  ASSERT_TRUE(w.try_hold());
  EXPECT_FALSE(w.try_hold());
  std::atomic<bool> asked{false};
  std::atomic<bool> claimed{false};
  std::thread waker([&] {
    asked.store(true);
    EXPECT_EQ(w.claim(t, token_ready), claim_outcome::won_parked);
    claimed.store(true);
  });
  while (!asked.load()) std::this_thread::yield();
  for (int i = 0; i < 100; ++i) std::this_thread::yield();
  EXPECT_FALSE(claimed.load());
  w.drop_hold();
  waker.join();
  EXPECT_EQ(w.resume(), token_ready);
}

TEST(waiter, of_claims_that_race_with_each_other_and_the_park_one_wins) {
  const int n = arch::sanitizer::present ? 500 : 5'000;
  subject w;
  std::atomic<ticket> open{0};
  std::atomic<int> won{0};
  std::atomic<int> readied{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> claimers;
  for (int i = 0; i < 3; ++i) {
    claimers.emplace_back([&] {
      while (!over.load()) {
        const auto outcome = w.claim(open.load(), token_ready);
        if (outcome == claim_outcome::lost) {
          std::this_thread::yield();
          continue;
        }
        won.fetch_add(1);
        if (outcome == claim_outcome::won_parked) readied.fetch_add(1);
      }
    });
  }
  for (int i = 1; i <= n; ++i) {
    open.store(w.arm());
    if (w.try_park()) {
      while (readied.load() == 0) std::this_thread::yield();
      readied.fetch_sub(1);
    }
    ASSERT_EQ(w.resume(), token_ready);
  }
  over.store(true);
  for (auto& t : claimers) t.join();
  EXPECT_EQ(won.load(), n);
  EXPECT_EQ(readied.load(), 0);
}

}  // namespace
}  // namespace weft::sched
