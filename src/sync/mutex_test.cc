#include <weft/channel.h>
#include <weft/context.h>
#include <weft/mutex.h>
#include <weft/wait_group.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

static_assert(sizeof(mutex) == 16);

TEST(mutex, lets_one_in_at_a_time) {
  in_weft([] {
    mutex m;
    long count = 0;
    wait_group all;
    const int each = scaled(20'000);
    for (int i = 0; i < 8; ++i) {
      all.go([&] {
        for (int n = 0; n < each; ++n) {
          const std::lock_guard hold(m);
          ++count;
          if (n % 64 == 0) weft::yield();
        }
      });
    }
    all.wait().value();
    EXPECT_EQ(count, 8L * each);
  });
}

TEST(mutex, lets_one_in_at_a_time_among_threads_and_goroutines) {
  in_weft([] {
    mutex m;
    long count = 0;
    const int each = scaled(20'000);
    const auto work = [&] {
      for (int n = 0; n < each; ++n) {
        const std::lock_guard hold(m);
        ++count;
      }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back(work);
    wait_group all;
    for (int i = 0; i < 4; ++i) all.go(work);
    all.wait().value();
    for (auto& t : threads) join_from_goroutine(t);
    EXPECT_EQ(count, 6L * each);
  });
}

TEST(mutex, try_lock_takes_it_only_if_it_is_free) {
  in_both([] {
    mutex m;
    EXPECT_TRUE(m.try_lock());
    EXPECT_FALSE(m.try_lock());
    std::thread([&] { EXPECT_FALSE(m.try_lock()); }).join();
    m.unlock();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
}

TEST(mutex, a_limit_ends_the_wait) {
  in_weft([] {
    mutex m;
    m.lock();
    wait_group all;
    all.go([&] { EXPECT_EQ(m.lock(1ms).error(), errc::timeout); });
    all.go([&] { EXPECT_FALSE(m.try_lock_for(1ms)); });
    all.go([&] { EXPECT_FALSE(m.try_lock_until(limit::clock::now())); });
    auto [ctx, cancel] = with_cancel({});
    all.go([&, ctx] { EXPECT_EQ(m.lock(ctx).error(), errc::cancelled); });
    std::thread thread([&] { EXPECT_FALSE(m.try_lock_for(1ms)); });
    join_from_goroutine(thread);
    cancel();
    all.wait().value();
    m.unlock();
    EXPECT_TRUE(m.lock(1ms));
    m.unlock();
    EXPECT_TRUE(m.try_lock_for(-1ms));
    m.unlock();
  });
}

TEST(mutex, waiters_are_let_in_in_their_order_when_they_starve) {
  in_weft([] {
    mutex m;
    m.lock();
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) {
      go([&, i] {
        const std::lock_guard hold(m);
        order.push_back(i);
      });
      wait_until_parked(wait_reason::mutex_lock, static_cast<std::size_t>(i) + 1);
    }
    m.unlock();
    wait_until([] { return goroutine_count() == 1; });
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  });
}

TEST(mutex, who_keeps_taking_it_cannot_starve_the_others) {
  in_weft([] {
    mutex m;
    std::atomic<bool> let_in{false};
    m.lock();
    go([&] {
      const std::lock_guard hold(m);
      let_in = true;
    });
    wait_until_parked(wait_reason::mutex_lock, 1);
    m.unlock();
    while (!let_in) {
      const std::lock_guard hold(m);
      weft::yield();
    }
    wait_until([] { return goroutine_count() == 1; });  // it may still stand in its unlock
  });
}

TEST(mutex, may_be_destroyed_when_the_last_one_has_unlocked_it) {
  in_weft([] {
    for (int i = 0; i < scaled(3000); ++i) {
      auto m = std::make_unique<mutex>();
      m->lock();
      wait_group all;
      all.go([&] { const std::lock_guard hold(*m); });
      m->unlock();
      all.wait().value();
      m.reset();
    }
  });
}

TEST(mutex, may_be_destroyed_by_one_that_had_given_up) { last_destroys<mutex>(); }

TEST(mutex, limits_that_race_with_unlocks_lose_no_wakeup) {
  in_weft([] {
    mutex m;
    long count = 0;
    std::atomic<long> locked{0};
    wait_group all;
    const int each = scaled(3000);
    for (int i = 0; i < 8; ++i) {
      all.go([&, i] {
        for (int n = 0; n < each; ++n) {
          if (i % 2 == 0) {
            m.lock();
          } else if (!m.lock(std::chrono::microseconds(n % 30))) {
            continue;
          }
          ++count;
          if (n % 8 == 0) weft::yield();
          ++locked;
          m.unlock();
        }
      });
    }
    all.wait().value();
    EXPECT_EQ(count, locked);
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
}

// If the kernel puts it aside there, it may be out when run() returns (sched/lifecycle.cc); then it
// gets as far as the next time.
TEST(mutex, who_takes_it_again_and_again_stops_when_main_returns) {
  static mutex m;
  static std::atomic<long> taken{0};
  weft::run([] {
    go([] {
      for (;;) {
        const std::scoped_lock hold(m);
        ++taken;
        const auto then = limit::clock::now();
        while (limit::clock::now() - then < 50us) {
        }
      }
    });
    wait_until([] { return taken > 0; });
  });
  const long then = taken;
  std::this_thread::sleep_for(50ms);
  EXPECT_LE(taken - then, 1);
}

using mutex_death = ::testing::Test;

TEST(mutex_death, unlocking_what_is_not_locked_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                mutex m;
                m.unlock();
              }),
              ::testing::ExitedWithCode(2), "fatal error: sync: unlock of unlocked mutex");
}

TEST(mutex_death, unlocking_what_another_owns_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                mutex m;
                m.lock();
                go([&] { m.unlock(); });
                weft::channel<int>(0).recv().value();
              }),
              ::testing::ExitedWithCode(2), "fatal error: sync: unlock of unlocked mutex");
  EXPECT_EXIT(
      {
        mutex m;
        m.lock();
        std::thread([&] { m.unlock(); }).join();
      },
      ::testing::ExitedWithCode(2), "fatal error: sync: unlock of unlocked mutex");
}

}  // namespace
}  // namespace weft
