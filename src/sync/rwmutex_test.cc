#include "sync/rwmutex.h"

#include <weft/context.h>
#include <weft/mutex.h>
#include <weft/rwmutex.h>
#include <weft/semaphore.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

static_assert(sizeof(rwmutex) <= 48);
constinit rwmutex of_static_storage;

// make_biased: reads it until its readers are visible.
void make_biased(rwmutex& m) {
  while (!sync::readers_are_visible(m)) {
    m.lock_shared();
    m.unlock_shared();
  }
}

// queue_writer, queue_reader: start one that notes `name` while it holds the lock; return when it
// waits.
void queue_writer(rwmutex& m, std::string& order, char name) {
  const std::size_t before = parked(wait_reason::rwmutex_lock);
  go([&m, &order, name] {
    const std::unique_lock hold(m);
    order += name;
  });
  wait_until_parked(wait_reason::rwmutex_lock, before + 1);
}
void queue_reader(rwmutex& m, std::string& order, mutex& order_lock, char name) {
  const std::size_t before = parked(wait_reason::rwmutex_rlock);
  go([&m, &order, &order_lock, name] {
    const std::shared_lock hold(m);
    const std::lock_guard noting(order_lock);
    order += name;
  });
  wait_until_parked(wait_reason::rwmutex_rlock, before + 1);
}

TEST(rwmutex, lets_in_readers_together_or_one_writer) {
  in_weft([] {
    rwmutex m;
    long written = 0;
    std::atomic<int> readers{0};
    std::atomic<int> writers{0};
    const int each = scaled(50) * 100;
    const auto work = [&](int i) {
      for (int n = 0; n < each; ++n) {
        if ((n + i) % 100 == 0) {
          const std::unique_lock hold(m);
          EXPECT_EQ(++writers, 1);
          EXPECT_EQ(readers, 0);
          ++written;
          if (n % 16 == 0) weft::yield();
          --writers;
        } else {
          const std::shared_lock hold(m);
          ++readers;
          EXPECT_EQ(writers, 0);
          if (n % 32 == 0) weft::yield();
          --readers;
        }
      }
    };
    wait_group all;
    for (int i = 0; i < 6; ++i) all.go([&, i] { work(i); });
    std::vector<std::thread> threads;
    for (int i = 6; i < 8; ++i) threads.emplace_back([&, i] { work(i); });
    all.wait().value();
    for (auto& t : threads) join_from_goroutine(t);
    EXPECT_EQ(written, 8L * each / 100);
  });
}

TEST(rwmutex, readers_become_visible_after_many_reads_and_a_writer_finds_them) {
  in_both([] {
    rwmutex m;
    EXPECT_FALSE(sync::readers_are_visible(m));
    make_biased(m);
    m.lock_shared();
    EXPECT_TRUE(sync::readers_are_visible(m));
    EXPECT_FALSE(m.try_lock()) << "a visible reader has it";
    EXPECT_FALSE(sync::readers_are_visible(m));
    EXPECT_EQ(m.lock(1ms).error(), errc::timeout) << "it is counted now";
    m.unlock_shared();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
    make_biased(m);
    m.lock();
    EXPECT_FALSE(m.try_lock_shared());
    m.unlock();
    EXPECT_FALSE(sync::readers_are_visible(m));
  });
}

TEST(rwmutex, a_read_lock_may_be_given_back_by_another) {
  in_weft([] {
    rwmutex m;
    for (const bool visible : {false, true}) {
      if (visible) make_biased(m);
      EXPECT_EQ(sync::readers_are_visible(m), visible);
      for (int i = 0; i < 3; ++i) m.lock_shared();
      wait_group others;
      for (int i = 0; i < 3; ++i) others.go([&] { m.unlock_shared(); });
      others.wait().value();
      EXPECT_TRUE(m.try_lock());
      m.unlock();
    }
  });
}

TEST(rwmutex, a_waiting_writer_stops_new_readers) {
  in_weft([] {
    for (const bool visible : {false, true}) {
      rwmutex m;
      if (visible) make_biased(m);
      std::string order;
      mutex order_lock;
      m.lock_shared();
      queue_writer(m, order, 'w');
      EXPECT_FALSE(m.try_lock_shared());
      queue_reader(m, order, order_lock, 'r');
      m.unlock_shared();
      wait_until([] { return goroutine_count() == 1; });
      EXPECT_EQ(order, "wr");
    }
  });
}

TEST(rwmutex, readers_that_queued_during_a_write_come_before_the_next_writer) {
  in_weft([] {
    rwmutex m;
    std::string order;
    mutex order_lock;
    m.lock();
    queue_writer(m, order, 'w');
    for (int i = 0; i < 3; ++i) queue_reader(m, order, order_lock, 'r');
    queue_writer(m, order, 'w');
    queue_reader(m, order, order_lock, 'r');
    m.unlock();
    wait_until([] { return goroutine_count() == 1; });
    EXPECT_EQ(order, "rrrrww");
  });
}

TEST(rwmutex, readers_and_writers_that_never_pause_cannot_starve_each_other) {
  in_weft([] {
    rwmutex m;
    std::atomic<int> reads{0};
    std::atomic<int> writes{0};
    std::atomic<bool> stop{false};
    wait_group all;
    for (int i = 0; i < 3; ++i) {
      all.go([&] {
        while (!stop) {
          const std::shared_lock hold(m);
          weft::yield();
          ++reads;
        }
      });
      all.go([&] {
        while (!stop) {
          const std::unique_lock hold(m);
          weft::yield();
          ++writes;
        }
      });
    }
    wait_until([&] { return reads > 100 && writes > 100; });
    stop = true;
    all.wait().value();
  });
}

TEST(rwmutex, a_writer_that_gives_up_lets_those_behind_it_in) {
  in_weft([] {
    rwmutex m;
    m.lock_shared();
    auto [ctx, cancel] = with_cancel({});
    wait_group writer;
    writer.go([&, ctx] { EXPECT_EQ(m.lock(ctx).error(), errc::cancelled); });
    wait_until_parked(wait_reason::rwmutex_lock, 1);
    std::atomic<int> in{0};
    wait_group readers;
    for (int i = 0; i < 3; ++i) {
      readers.go([&] {
        const std::shared_lock hold(m);
        ++in;
        wait_until([&] { return in == 3; });
      });
    }
    wait_until_parked(wait_reason::rwmutex_rlock, 3);
    cancel();
    readers.wait().value();
    writer.wait().value();
    EXPECT_TRUE(m.try_lock_shared());
    m.unlock_shared();
    m.unlock_shared();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
}

TEST(rwmutex, limits_end_the_waits) {
  in_weft([] {
    rwmutex m;
    m.lock();
    wait_group all;
    auto [ctx, cancel] = with_cancel({});
    all.go([&] { EXPECT_EQ(m.lock(1ms).error(), errc::timeout); });
    all.go([&] { EXPECT_EQ(m.lock_shared(1ms).error(), errc::timeout); });
    all.go([&] { EXPECT_FALSE(m.try_lock_for(1ms)); });
    all.go([&] { EXPECT_FALSE(m.try_lock_shared_for(1ms)); });
    all.go([&] { EXPECT_FALSE(m.try_lock_until(limit::clock::now())); });
    all.go([&] { EXPECT_FALSE(m.try_lock_shared_until(limit::clock::now())); });
    all.go([&, ctx] { EXPECT_EQ(m.lock(ctx).error(), errc::cancelled); });
    all.go([&, ctx] { EXPECT_EQ(m.lock_shared(ctx).error(), errc::cancelled); });
    std::thread thread([&] {
      EXPECT_FALSE(m.try_lock_for(1ms));
      EXPECT_FALSE(m.try_lock_shared_for(1ms));
    });
    join_from_goroutine(thread);
    cancel();
    all.wait().value();
    m.unlock();
    EXPECT_TRUE(m.lock(-1ms)) << "what is free is taken whatever the limit says";
    m.unlock();
    EXPECT_TRUE(m.lock_shared(-1ms));
    m.unlock_shared();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
}

TEST(rwmutex, is_there_before_any_code_runs) {
  in_both([] {
    const std::unique_lock hold(of_static_storage);
    EXPECT_FALSE(of_static_storage.try_lock_shared());
  });
}

TEST(rwmutex, tries_take_it_only_if_it_is_free) {
  in_both([] {
    rwmutex m;
    EXPECT_TRUE(m.try_lock());
    EXPECT_FALSE(m.try_lock());
    EXPECT_FALSE(m.try_lock_shared());
    m.unlock();
    EXPECT_TRUE(m.try_lock_shared());
    EXPECT_TRUE(m.try_lock_shared());
    EXPECT_FALSE(m.try_lock());
    m.unlock_shared();
    EXPECT_FALSE(m.try_lock());
    m.unlock_shared();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
}

TEST(rwmutex, may_be_destroyed_when_the_last_one_has_unlocked_it) {
  in_weft([] {
    for (int i = 0; i < scaled(3000); ++i) {
      auto m = std::make_unique<rwmutex>();
      m->lock();
      wait_group all;
      if (i % 2 == 0) {
        all.go([&] { const std::shared_lock hold(*m); });
      } else {
        all.go([&] { const std::unique_lock hold(*m); });
      }
      m->unlock();
      all.wait().value();
      m.reset();
    }
  });
}

TEST(rwmutex, may_be_destroyed_by_one_that_had_given_up) {
  last_destroys<rwmutex>();
  last_destroys<rwmutex, true>();
}

TEST(rwmutex, many_of_them_share_the_table) {
  in_weft([] {
    std::vector<rwmutex> all(2000);
    for (auto& m : all) {
      make_biased(m);
      m.lock_shared();
    }
    for (auto& m : all) EXPECT_FALSE(m.try_lock());
    for (auto& m : all) m.unlock_shared();
    for (auto& m : all) {
      EXPECT_TRUE(m.try_lock());
      m.unlock();
    }
  });
}

TEST(rwmutex, limits_that_race_with_unlocks_lose_no_wakeup) {
  in_weft([] {
    rwmutex m;
    long count = 0;
    std::atomic<long> written{0};
    const int each = scaled(4000);
    wait_group all;
    for (int i = 0; i < 8; ++i) {
      all.go([&, i] {
        for (int n = 0; n < each; ++n) {
          auto [ctx, cancel] = with_cancel({});
          const bool cancelled = n % 5 == 0;
          if (cancelled) go([cancel] { cancel(); });
          const limit l = cancelled    ? limit(ctx)
                          : n % 5 == 1 ? limit(std::chrono::microseconds(n % 30))
                                       : limit();
          // Long runs of reads, so that it is biased now and then.
          if (i % 2 == 0 && n % 512 < 32) {
            if (!m.lock(l)) continue;
            ++count;
            if (n % 8 == 0) weft::yield();
            ++written;
            m.unlock();
          } else {
            if (!m.lock_shared(l)) continue;
            EXPECT_EQ(count, written);
            if (n % 8 == 0) weft::yield();
            m.unlock_shared();
          }
        }
      });
    }
    all.wait().value();
    EXPECT_EQ(count, written);
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
}

TEST(rwmutex_death, unlocking_what_the_caller_does_not_own_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  constexpr const char* text = "fatal error: sync: Unlock of unlocked RWMutex";
  EXPECT_EXIT(
      {
        rwmutex m;
        m.unlock();
      },
      ::testing::ExitedWithCode(2), text);
  EXPECT_EXIT(
      {
        rwmutex m;
        m.lock_shared();
        m.unlock();
      },
      ::testing::ExitedWithCode(2), text);
  EXPECT_EXIT(weft::run([] {
                rwmutex m;
                m.lock();
                go([&] { m.unlock(); });
                semaphore(1, 0).acquire().value();
              }),
              ::testing::ExitedWithCode(2), text);
}

TEST(rwmutex_death, unlocking_what_nobody_shares_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  constexpr const char* text = "fatal error: sync: RUnlock of unlocked RWMutex";
  EXPECT_EXIT(
      {
        rwmutex m;
        m.unlock_shared();
      },
      ::testing::ExitedWithCode(2), text);
  EXPECT_EXIT(
      {
        rwmutex m;
        m.lock();
        m.unlock_shared();
      },
      ::testing::ExitedWithCode(2), text);
  EXPECT_EXIT(
      {
        rwmutex m;
        make_biased(m);
        m.unlock_shared();
      },
      ::testing::ExitedWithCode(2), text);
}

}  // namespace
}  // namespace weft
