#include <weft/channel.h>
#include <weft/cond.h>
#include <weft/context.h>
#include <weft/mutex.h>
#include <weft/rwmutex.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

constinit cond of_static_storage;

TEST(cond, wakes_the_one_that_has_waited_longest) {
  in_weft([] {
    mutex m;
    cond c;
    const channel<int> order(5);
    wait_group all;
    for (int i = 0; i < 5; ++i) {
      all.go([&, i] {
        std::unique_lock hold(m);
        c.wait(hold).value();
        order.send(i);
      });
      wait_until_parked(wait_reason::cond_wait, static_cast<std::size_t>(i) + 1);
    }
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(order.size(), 0u) << "one notification wakes one";
      c.notify_one();
      EXPECT_EQ(order.recv().value(), i);
    }
    all.wait().value();
  });
}

TEST(cond, notify_all_wakes_all_who_wait_and_nobody_later) {
  in_weft([] {
    mutex m;
    cond c;
    c.notify_one();
    c.notify_all();
    wait_group all;
    for (int i = 0; i < 5; ++i) {
      all.go([&] {
        const std::lock_guard hold(m);
        c.wait(m).value();
      });
    }
    wait_until_parked(wait_reason::cond_wait, 5);
    c.notify_all();
    all.wait().value();
    std::unique_lock hold(m);
    EXPECT_EQ(c.wait(hold, 1ms).error(), errc::timeout) << "notifications are not kept";
    EXPECT_TRUE(hold.owns_lock());
  });
}

TEST(cond, works_with_every_lock_of_ours) {
  in_both([] {
    mutex m;
    rwmutex rw;
    cond c;
    std::unique_lock unique(m);
    EXPECT_EQ(c.wait(unique, 1ms).error(), errc::timeout);
    EXPECT_EQ(c.wait(m, 1ms).error(), errc::timeout);
    rw.lock();
    EXPECT_EQ(c.wait(rw, 1ms).error(), errc::timeout);
    EXPECT_FALSE(rw.try_lock_shared()) << "it is locked again";
    rw.unlock();
    std::shared_lock shared(rw);
    EXPECT_EQ(c.wait(shared, 1ms).error(), errc::timeout);
    EXPECT_FALSE(rw.try_lock());
    EXPECT_TRUE(rw.try_lock_shared());
    rw.unlock_shared();
  });
}

TEST(cond, is_there_before_any_code_runs) {
  in_both([] {
    mutex m;
    const std::lock_guard hold(m);
    EXPECT_EQ(of_static_storage.wait(m, 1ms).error(), errc::timeout);
  });
}

TEST(cond, a_cancelled_wait_has_the_lock_again) {
  in_weft([] {
    mutex m;
    cond c;
    auto [ctx, cancel] = with_cancel({});
    wait_group all;
    all.go([&, ctx] {
      m.lock();
      EXPECT_EQ(c.wait(m, ctx).error(), errc::cancelled);
      EXPECT_FALSE(m.try_lock());
      m.unlock();
    });
    wait_until_parked(wait_reason::cond_wait, 1);
    m.lock();
    cancel();
    wait_until_parked(wait_reason::mutex_lock, 1);
    m.unlock();
    all.wait().value();
  });
}

TEST(cond, the_condition_decides_whatever_ends_the_wait) {
  in_weft([] {
    mutex m;
    cond c;
    bool ready = false;
    std::unique_lock hold(m);
    EXPECT_EQ(c.wait(hold, [&] { return ready; }, 1ms).error(), errc::timeout);
    EXPECT_TRUE(c.wait(hold, [&] { return true; }, -1ms)) << "it need not wait";
    int asked = 0;
    EXPECT_TRUE(c.wait(hold, [&] { return ++asked == 2; }, 1ms)) << "it holds at the end";
    go([&] {
      const std::lock_guard inside(m);
      ready = true;
      c.notify_one();
    });
    EXPECT_TRUE(c.wait(hold, [&] { return ready; }));
  });
}

TEST(cond, a_notification_between_the_unlock_and_the_wait_is_not_missed) {
  // notifying_lock: notifies in the middle of a wait.
  struct notifying_lock {
    cond& c;
    void lock() const noexcept {}
    void unlock() const noexcept { c.notify_one(); }
  };
  in_both([] {
    cond c;
    notifying_lock l{c};
    EXPECT_TRUE(c.wait(l));
  });
}

TEST(cond, an_unlock_that_throws_leaves_the_queue_and_passes_its_notification_on) {
  struct refusing_lock {
    cond& c;
    bool notify;
    void lock() const noexcept {}
    void unlock() const {
      if (notify) c.notify_one();
      throw std::runtime_error("not mine");
    }
  };
  in_weft([] {
    cond c;
    refusing_lock quiet{c, false};
    EXPECT_THROW(static_cast<void>(c.wait(quiet)), std::runtime_error);
    mutex m;
    // The one that refuses is first in the queue; the other gets what it was given.
    struct entering_lock {
      cond& c;
      mutex& m;
      wait_group& other;
      void lock() const noexcept {}
      void unlock() const {
        other.go([this] {
          const std::lock_guard hold(m);
          c.wait(m).value();
        });
        wait_until_parked(wait_reason::cond_wait, 1);
        c.notify_one();
        throw std::runtime_error("not mine");
      }
    };
    wait_group other;
    entering_lock entering{c, m, other};
    EXPECT_THROW(static_cast<void>(c.wait(entering)), std::runtime_error);
    other.wait().value();
  });
}

TEST(cond, limits_that_race_with_notifications_lose_none) {
  in_weft([] {
    mutex m;
    cond c;
    std::deque<int> queue;
    const int each = scaled(4000);
    constexpr int producers = 3;
    long got = 0;
    wait_group all;
    std::atomic<int> left{producers * each};
    for (int i = 0; i < 6; ++i) {
      all.go([&, i] {
        for (int n = 0; left > 0; ++n) {
          auto [ctx, cancel] = with_cancel({});
          const bool cancelled = (n + i) % 3 == 0;
          if (cancelled) go([cancel] { cancel(); });
          std::unique_lock hold(m);
          const auto there = [&] { return !queue.empty() || left == 0; };
          const auto woken = cancelled ? c.wait(hold, there, ctx)
                             : (n + i) % 3 == 1
                                 ? c.wait(hold, there, std::chrono::microseconds(n % 30))
                                 : c.wait(hold, there);
          if (!woken || queue.empty()) continue;
          queue.pop_front();
          ++got;
          if (--left == 0) c.notify_all();
        }
      });
    }
    const auto produce = [&] {
      for (int n = 0; n < each; ++n) {
        {
          const std::lock_guard hold(m);
          queue.push_back(n);
        }
        c.notify_one();
        if (n % 16 == 0) weft::yield();
      }
    };
    for (int i = 1; i < producers; ++i) all.go(produce);
    std::thread thread(produce);
    all.wait().value();
    join_from_goroutine(thread);
    EXPECT_EQ(got, producers * each);
  });
}

TEST(cond, stds_condition_variable_works_with_our_mutexes_on_threads) {
  mutex m;
  rwmutex rw;
  std::condition_variable_any c;
  int turn = 0;
  constexpr int rounds = 200;
  const auto player = [&](int me) {
    for (int i = 0; i < rounds; ++i) {
      std::unique_lock hold(m);
      c.wait(hold, [&] { return turn % 2 == me; });
      ++turn;
      c.notify_all();
    }
  };
  std::thread a(player, 0);
  std::thread b(player, 1);
  a.join();
  b.join();
  EXPECT_EQ(turn, 2 * rounds);
  std::shared_lock shared(rw);
  EXPECT_EQ(c.wait_for(shared, 1ms), std::cv_status::timeout);
}

}  // namespace
}  // namespace weft
