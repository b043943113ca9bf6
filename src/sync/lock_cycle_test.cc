// Cycles of locks end the process when they close, and nothing else does.

#include <weft/channel.h>
#include <weft/cond.h>
#include <weft/context.h>
#include <weft/goroutine.h>
#include <weft/mutex.h>
#include <weft/rwmutex.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "arch/test_loading.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

constexpr const char* cycle = "fatal error: a cycle of locks - deadlock!";

// for_ever: keeps a program alive: then it is no deadlock of all.
void for_ever() {
  for (;;) static_cast<void>(sleep_for(1h));
}

// expect_cycle: `f`, in a runtime where others can go on, ends the process; it says `report`.
void expect_cycle(void (*f)(), const std::string& report) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([f] {
                go(for_ever);
                f();
                for_ever();
              }),
              ::testing::ExitedWithCode(2), std::string(cycle) + "\n(.|\n)*" + report);
}

TEST(lock_cycle_death, locking_it_again_is_the_shortest) {
  expect_cycle(
      [] {
        mutex m;
        m.lock();
        m.lock();
      },
      "goroutine 1 .sync.Mutex.Lock. waits for 0x[0-9a-f]+, which it has locked itself");
  expect_cycle(
      [] {
        rwmutex m;
        m.lock();
        m.lock();
      },
      "goroutine 1 .sync.RWMutex.Lock. waits for 0x[0-9a-f]+, which it has locked itself");
  expect_cycle(
      [] {
        rwmutex m;
        m.lock();
        m.lock_shared();
      },
      "goroutine 1 .sync.RWMutex.RLock. waits for 0x[0-9a-f]+, which it has locked itself");
}

TEST(lock_cycle_death, is_told_while_somebody_loads_a_library) {
  if (retaken()) GTEST_SKIP() << "threads are started all the time, which waits for the linker";
  expect_cycle(
      [] {
        have_spare_machines();
        const arch_test::loading now;
        mutex m;
        m.lock();
        m.lock();
      },
      "\nthe one that closed it stands at:\n  .*\\(\\+0x[0-9a-f]+\\) .0x");
}

TEST(lock_cycle_death, of_two_names_both_with_their_origin) {
  expect_cycle(
      [] {
        mutex a;
        mutex b;
        a.lock();
        go({.name = "other"}, [&] {
          const label of("order", "17");
          b.lock();
          a.lock();
        });
        wait_until_parked(wait_reason::mutex_lock, 1);
        b.lock();
      },
      "goroutine 1 .sync.Mutex.Lock. waits for (0x[0-9a-f]+), "
      "which goroutine [0-9]+ \"other\" has locked\n"
      "    created by .*\n"
      "  goroutine [0-9]+ \"other\" .sync.Mutex.Lock. .order: 17. waits for 0x[0-9a-f]+, "
      "which goroutine 1 has locked\n"
      "    created by .*lock_cycle_test.cc:[0-9]+\n"
      "\nthe one that closed it stands at:");
}

TEST(lock_cycle_death, of_many_through_locks_of_all_kinds) {
  expect_cycle(
      [] {
        static constexpr std::size_t n = 6;
        static std::array<mutex, n> locks;
        static std::array<rwmutex, n> shared_locks;
        static std::latch all(n);
        for (std::size_t i = 0; i < n; ++i) {
          go([i] {
            const std::lock_guard own(locks[i]);
            const std::lock_guard also(shared_locks[i]);
            blocking([] { all.arrive_and_wait(); });
            const auto next = (i + 1) % n;
            if (i % 3 == 0) locks[next].lock();
            if (i % 3 == 1) shared_locks[next].lock();
            if (i % 3 == 2) shared_locks[next].lock_shared();
          });
        }
      },
      "the one that closed it");
}

TEST(lock_cycle_death, of_plain_threads_and_a_goroutine) {
  expect_cycle(
      [] {
        static mutex a;
        static mutex b;
        static std::atomic<bool> has{false};
        a.lock();
        std::thread([] {
          b.lock();
          has = true;
          a.lock();
        }).detach();
        wait_until([] { return has.load(); });
        b.lock();
      },
      "thread [0-9]+ .sync.Mutex.Lock. waits for 0x[0-9a-f]+, which goroutine 1 has locked");
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        mutex m;
        m.lock();
        m.lock();
      },
      ::testing::ExitedWithCode(2),
      "thread [0-9]+ .sync.Mutex.Lock. waits for 0x[0-9a-f]+, which it has locked itself");
}

TEST(lock_cycle, a_wait_that_can_end_is_in_none) {
  in_weft([] {
    mutex a;
    mutex b;
    rwmutex c;
    auto [ctx, cancel] = with_cancel({});
    a.lock();
    c.lock();
    wait_group others;
    others.go([&, ctx] {
      const std::lock_guard hold(b);
      EXPECT_EQ(a.lock(5ms).error(), errc::timeout);
      EXPECT_EQ(a.lock(ctx).error(), errc::cancelled);
      EXPECT_FALSE(c.try_lock_shared_for(1ms));
    });
    wait_until_parked(wait_reason::mutex_lock, 1);
    EXPECT_FALSE(a.lock(1ms));
    EXPECT_FALSE(a.lock({ctx, 1ms}));
    EXPECT_FALSE(c.lock_shared(1ms));
    go([cancel] {
      static_cast<void>(sleep_for(10ms));
      cancel();
    });
    b.lock();  // until the other one gives up
    b.unlock();
    others.wait().value();
    c.unlock();
    a.unlock();
  });
}

TEST(lock_cycle, what_a_runtime_has_dropped_is_in_none) {
  static mutex left;  // locked by one that is no more
  for (int i = 0; i < 3; ++i) {
    auto inner = std::make_unique<mutex>();
    weft::run([&] {
      inner->lock();
      go([&] {
        static_cast<void>(left.try_lock());
        inner->lock();
      });
      wait_until_parked(wait_reason::mutex_lock, 1);
    });
    inner.reset();
    weft::run([&] { EXPECT_FALSE(left.try_lock_for(1ms)); });
    std::thread waits([] { EXPECT_FALSE(left.try_lock_for(1ms)); });
    waits.join();
  }
}

// Right programs that come as near as they can: everybody takes what he needs in one order, or
// tries, or gives up after a while, and locks go from hand to hand, by force too.
TEST(lock_cycle, right_programs_have_none) {
  static constexpr std::size_t locks = 5;
  struct shared {
    std::array<mutex, locks> m;
    rwmutex table;
    cond changed;
    int version = 0;  // guarded by m[0]
    long count = 0;   // guarded by table
  };
  const auto work = [](shared& s, int who, int rounds) {
    for (int n = 0; n < rounds; ++n) {
      const auto low = static_cast<std::size_t>(who + n) % (locks - 1);
      const auto high = low + 1 + static_cast<std::size_t>(n) % (locks - 1 - low);
      switch ((who + n) % 6) {
        case 0: {  // in order
          const std::lock_guard first(s.m[low]);
          const std::lock_guard second(s.m[high]);
          if (n % 4 == 0) weft::yield();
          const std::lock_guard last(s.table);
          ++s.count;
          break;
        }
        case 1: {  // in any order, by trying
          const std::scoped_lock both(s.m[high], s.m[low]);
          if (n % 4 == 0) weft::yield();
          break;
        }
        case 2: {  // against the order, with a limit
          const std::lock_guard first(s.m[high]);
          if (s.m[low].lock(std::chrono::microseconds(n % 20))) s.m[low].unlock();
          break;
        }
        case 3: {  // the reader's part
          const std::lock_guard first(s.m[low]);
          const std::shared_lock last(s.table);
          if (n % 4 == 0) weft::yield();
          break;
        }
        case 4: {  // a condition
          std::unique_lock hold(s.m[0]);
          ++s.version;
          s.changed.notify_one();
          static_cast<void>(s.changed.wait(hold, 20us));
          break;
        }
        default: {  // one lock after the other, each kept until the next is there
          std::unique_lock<mutex> held(s.m[0]);
          for (std::size_t i = 1; i < locks; ++i) held = std::unique_lock(s.m[i]);
          break;
        }
      }
    }
  };
  in_weft([&] {
    shared s;
    const int rounds = scaled(3000);
    wait_group all;
    for (int i = 0; i < 12; ++i) all.go([&, i] { work(s, i, rounds); });
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([&, i] { work(s, i, rounds); });
    all.wait().value();
    for (auto& t : threads) join_from_goroutine(t);
    EXPECT_GT(s.count, 0);
  });
}

// Two that live may have one number then: nothing can be said.
TEST(lock_cycle, nothing_is_claimed_when_numbers_repeat) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        sched::exhaust_numbers();
        weft::run([] {
          mutex m;
          m.lock();
          go([&] { m.lock(); });
          wait_until_parked(wait_reason::mutex_lock, 1);
        });
        weft::run([] {});
        std::fprintf(stderr, sched::numbers_repeat() ? "anew" : "not yet");
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "anew");
}

// What a dropped goroutine waits for may have been main's, and be gone.
template <class Mutex>
void is_not_looked_at(wait_reason reason) {
  const int rounds = scaled(200);
  for (int i = 0; i < rounds; ++i) {
    mutex outer;
    weft::run([&] {
      auto inner = std::make_unique<Mutex>();
      inner->lock();
      go([&outer, &m = *inner] {
        outer.lock();
        m.lock();
      });
      wait_until_parked(reason, 1);
      go([&outer] { outer.lock(); });
    });
  }
}

TEST(lock_cycle, who_is_about_to_be_dropped_is_not_looked_at) {
  is_not_looked_at<mutex>(wait_reason::mutex_lock);
  is_not_looked_at<rwmutex>(wait_reason::rwmutex_lock);
}

}  // namespace
}  // namespace weft
