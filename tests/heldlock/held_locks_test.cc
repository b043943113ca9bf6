// Programs that wait while they hold a lock of a thread, each beside one that does it right
// (src/heldlock).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/goroutine.h>
#include <weft/goroutine_local.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "arch/sanitizer.h"
#include "heldlock/held_locks.h"
#include "sched/environment.h"
#include "sched/scheduler.h"

using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

// For traces: functions that have a name, and a frame of their own.
[[gnu::noinline]] void locks_here(std::mutex& m) {
  m.lock();
  asm volatile("" ::: "memory");
}
[[gnu::noinline]] void waits_here(const weft::channel<int>& c) {
  static_cast<void>(c.recv());
  asm volatile("" ::: "memory");
}

namespace weft {
namespace {

// said_by: what `f`, in a runtime, makes the process write to standard error.
template <class F>
std::string said_by(F&& f) {
  heldlock::forget_reports();
  testing::internal::CaptureStderr();
  weft::run([&] {
    f();
    while (goroutine_count() > 1) EXPECT_TRUE(sleep_for(100us));
  });
  return testing::internal::GetCapturedStderr();
}

std::string address_of(const void* p) {
  std::ostringstream text;
  text << p;
  return text.str();
}

std::size_t count_of(const std::string& what, const std::string& text) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// when_waiting: `f` is called when the caller waits.
template <class F>
void when_waiting(F f) {
  go([f = std::move(f), who = sched::current_goroutine()]() mutable {
    while (who->current_phase() != sched::phase::parked) EXPECT_TRUE(sleep_for(100us));
    f();
  });
}

// later: what comes when the caller waits for it.
channel<int> later() {
  channel<int> c(1);
  when_waiting([c] { c.send(1); });
  return c;
}

TEST(held_locks, who_waits_is_reported_with_both_traces) {
  std::mutex m;
  const auto said = said_by([&m] {
    wait_group all;
    all.go([&m] {
      set_name("careless");
      const auto c = later();
      locks_here(m);
      waits_here(c);
      m.unlock();
    });
    all.wait().value();
  });
  EXPECT_THAT(said, HasSubstr("\"careless\" waits [chan receive] while it holds the mutex at " +
                              address_of(&m)));
  const auto locked = said.find("locked at:\n"), waits = said.find("waits at:\n");
  ASSERT_LT(locked, waits);
  EXPECT_THAT(said.substr(locked, waits - locked), HasSubstr("locks_here"));
  EXPECT_THAT(said.substr(waits), HasSubstr("waits_here"));
  EXPECT_THAT(said, testing::Not(HasSubstr("park")));
  EXPECT_THAT(said, HasSubstr("created by "));
}

TEST(held_locks, who_unlocks_first_is_not) {
  std::mutex m;
  EXPECT_THAT(said_by([&m] {
                const auto c = later();
                std::unique_lock hold(m);
                hold.unlock();
                waits_here(c);
                hold.lock();
              }),
              IsEmpty());
}

TEST(held_locks, who_need_not_wait_is_not) {
  if (std::getenv("WEFT_TEST_MODE") != nullptr) GTEST_SKIP() << "others may always go first then";
  std::mutex m;
  EXPECT_THAT(said_by([&m] {
                const channel<int> c(1);
                const std::lock_guard hold(m);
                c.send(1);
                waits_here(c);
              }),
              IsEmpty());
}

TEST(held_locks, a_mutex_of_weft_may_be_held) {
  mutex m;
  EXPECT_THAT(said_by([&m] {
                const std::lock_guard hold(m);
                waits_here(later());
              }),
              IsEmpty());
}

TEST(held_locks, who_is_locked_to_its_thread_may_wait) {
  std::mutex m;
  EXPECT_THAT(said_by([&m] {
                const auto c = later();
                const lock_thread here;
                const std::lock_guard hold(m);
                waits_here(c);
              }),
              IsEmpty());
}

TEST(held_locks, every_kind_of_wait_counts) {
  std::mutex m;
  EXPECT_THAT(said_by([&m] {
                std::stop_source woken;
                when_waiting([woken]() mutable { woken.request_stop(); });
                const std::lock_guard hold(m);
                static_cast<void>(sleep_for(1h, woken.get_token()));
              }),
              HasSubstr("waits [sleep]"));
  EXPECT_THAT(said_by([&m] {
                weft::mutex busy;
                busy.lock();
                const channel<int> waiting(1);
                wait_group all;
                all.go([&] {
                  when_waiting([waiting] { waiting.send(1); });
                  const std::lock_guard hold(m);
                  const std::lock_guard both(busy);
                });
                waits_here(waiting);
                busy.unlock();
                all.wait().value();
              }),
              HasSubstr("waits [sync.Mutex.Lock]"));
  EXPECT_THAT(said_by([&m] {
                wait_group others;
                const std::lock_guard hold(m);
                for (int i = 0; i < 100; ++i) {
                  others.go([] { yield(); });
                  yield();
                }
                others.wait().value();
              }),
              HasSubstr("waits [for its turn]"));
}

TEST(held_locks, all_that_are_held_are_reported) {
  std::mutex first;
  std::mutex second;
  const auto said = said_by([&] {
    const auto c = later();
    const std::scoped_lock hold(first, second);
    waits_here(c);
  });
  EXPECT_THAT(said, HasSubstr(address_of(&first)));
  EXPECT_THAT(said, HasSubstr(address_of(&second)));
}

TEST(held_locks, a_recursive_mutex_is_held_until_it_is_unlocked_as_often) {
  std::recursive_mutex m;
  EXPECT_THAT(said_by([&m] {
                const auto c = later();
                m.lock();
                m.lock();
                m.unlock();
                m.unlock();
                waits_here(c);
              }),
              IsEmpty());
  EXPECT_THAT(said_by([&m] {
                const auto c = later();
                m.lock();
                m.lock();
                m.unlock();
                waits_here(c);
                m.unlock();
              }),
              HasSubstr("waits [chan receive] while it holds the mutex at " + address_of(&m)));
}

TEST(held_locks, what_was_tried_with_a_limit_is_held) {
  std::timed_mutex m;
  EXPECT_THAT(said_by([&m] {
                const auto c = later();
                EXPECT_TRUE(m.try_lock_for(1s));
                waits_here(c);
                m.unlock();
              }),
              HasSubstr("the mutex at " + address_of(&m)));
}

TEST(held_locks, what_was_tried_in_vain_is_not_held) {
  std::timed_mutex m;
  EXPECT_THAT(said_by([&m] {
                std::atomic<bool> locked{false}, tried{false};
                std::thread other([&] {
                  const std::lock_guard hold(m);
                  locked = true;
                  tried.wait(false);
                });
                while (!locked) yield();
                EXPECT_FALSE(m.try_lock());
                EXPECT_FALSE(m.try_lock_for(1ms));
                waits_here(later());
                tried = true;
                tried.notify_one();
                other.join();
              }),
              IsEmpty());
}

// What was unlocked on another thread is never used again: the lock believes it still held.
TEST(held_locks, a_shared_mutex_is_held_by_readers_and_writers) {
  std::shared_mutex right, written, read, read_by_others;
  EXPECT_THAT(said_by([&right] {
                const auto c = later();
                {
                  const std::unique_lock hold(right);
                }
                {
                  const std::shared_lock hold(right);
                }
                waits_here(c);
              }),
              IsEmpty());
  EXPECT_THAT(said_by([&written] {
                const auto c = later();
                const std::unique_lock hold(written);
                waits_here(c);
              }),
              HasSubstr("the read-write lock at " + address_of(&written)));
  EXPECT_THAT(said_by([&read] {
                const auto c = later();
                const std::shared_lock hold(read);
                waits_here(c);
              }),
              HasSubstr("the read-write lock (shared) at " + address_of(&read)));
  // Other readers' unlocking is their own.
  EXPECT_THAT(said_by([&m = read_by_others] {
                const auto c = later();
                const std::shared_lock hold(m);
                std::thread([&m] { const std::shared_lock also(m); }).join();
                waits_here(c);
              }),
              HasSubstr("(shared)"));
}

TEST(held_locks, a_wait_on_a_condition_lets_go) {
  std::mutex m;
  std::condition_variable changed;
  bool ready = false;
  const auto wait_for_it = [&](std::unique_lock<std::mutex>& hold, bool limited) {
    std::thread other([&] {
      const std::lock_guard also(m);
      ready = true;
      changed.notify_one();
    });
    if (limited) {
      EXPECT_TRUE(changed.wait_for(hold, 60s, [&] { return ready; }));
    } else {
      changed.wait(hold, [&] { return ready; });
    }
    other.join();
    ready = false;
  };
  for (const bool limited : {false, true}) {
    EXPECT_THAT(said_by([&] {
                  const auto c = later();
                  std::unique_lock hold(m);
                  wait_for_it(hold, limited);
                  hold.unlock();
                  waits_here(c);
                }),
                IsEmpty());
  }
  // Then it is held again, whoever locked it meanwhile.
  EXPECT_THAT(said_by([&] {
                std::unique_lock hold(m);
                wait_for_it(hold, false);
                waits_here(later());
              }),
              HasSubstr("the mutex at " + address_of(&m)));
}

TEST(held_locks, what_others_have_unlocked_is_not_held) {
  if (WEFT_TSAN) GTEST_SKIP() << "tsan minds who unlocks";
  std::mutex m;
  EXPECT_THAT(said_by([&m] {
                const auto c = later();
                m.lock();
                std::thread([&m] { m.unlock(); }).join();
                waits_here(c);
                const auto d = later();
                m.lock();
                std::thread([&m] { weft::run([&m] { m.unlock(); }); }).join();
                waits_here(d);
              }),
              IsEmpty());
}

// What is locked is never unlocked: to the check it is another mutex that stands there then.
TEST(held_locks, who_is_gone_holds_nothing) {
  if (WEFT_TSAN) GTEST_SKIP() << "tsan minds mutexes that end locked";
  alignas(std::mutex) std::byte place[sizeof(std::mutex)];
  EXPECT_THAT(said_by([&place] {
                const auto c = later();
                auto* m = new (place) std::mutex();
                m->lock();
                m = new (place) std::mutex();
                m->lock();
                m->unlock();
                waits_here(c);
              }),
              IsEmpty());
  EXPECT_THAT(said_by([&place] {
                const auto c = later();
                auto* m = new (place) std::mutex();
                m->lock();
                m = new (place) std::mutex();
                std::thread([m] { const std::lock_guard hold(*m); }).join();
                waits_here(c);
              }),
              IsEmpty());
  EXPECT_THAT(said_by([] {
                const auto c = later();
                pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
                pthread_mutex_lock(&m);
                pthread_mutex_init(&m, nullptr);
                waits_here(c);
              }),
              IsEmpty());
}

TEST(held_locks, who_leaves_by_an_exception_or_goexit_has_unlocked) {
  std::mutex m;
  EXPECT_THAT(said_by([&m] {
                const auto c = later();
                try {
                  const std::lock_guard hold(m);
                  throw std::runtime_error("");
                } catch (const std::runtime_error&) {
                  waits_here(c);
                }
                wait_group all;
                all.go([&m] {
                  const std::lock_guard hold(m);
                  goexit();
                });
                all.wait().value();
              }),
              IsEmpty());
}

TEST(held_locks, what_goroutine_locals_unlock_is_not_held_at_the_end) {
  std::mutex m;
  goroutine_local<std::unique_lock<std::mutex>> kept;
  EXPECT_THAT(said_by([&] {
                wait_group all;
                all.go([&] {
                  const goroutine_local<int> younger;
                  m.lock();
                  *kept = std::unique_lock(m, std::adopt_lock);
                });
                all.wait().value();
              }),
              IsEmpty());
}

TEST(held_locks, any_number_may_be_held) {
  std::vector<std::unique_ptr<std::mutex>> many;
  constexpr int number = WEFT_TSAN ? 50 : 5000;  // tsan ends a process that holds 64
  for (int i = 0; i < number; ++i) many.push_back(std::make_unique<std::mutex>());
  EXPECT_THAT(said_by([&many] {
                const auto c = later();
                for (const auto& m : many) m->lock();
                for (const auto& m : many) m->unlock();
                waits_here(c);
              }),
              IsEmpty());
}

TEST(held_locks, who_is_dropped_at_the_end_does_not_wait) {
  static std::deque<std::mutex> kept;
  auto& m = kept.emplace_back();
  testing::internal::CaptureStderr();
  static std::atomic<bool> over;
  over = false;
  std::atomic<int> locked_by{0};
  run([&] {
    go([&] {
      m.lock();
      locked_by = sched::thread_id();
      while (!over) {
      }
      yield();  // never returns
    });
    while (locked_by == 0) yield();
  });
  over = true;
  const auto thread = "/proc/self/task/" + std::to_string(locked_by);
  while (std::filesystem::exists(thread)) std::this_thread::yield();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  // Nor does whoever has its record next.
  EXPECT_THAT(said_by([] {
                for (int i = 0; i < 200; ++i) go([] { waits_here(later()); });
              }),
              IsEmpty());
}

TEST(held_locks, who_ends_while_it_holds_one_is_reported) {
  static std::deque<std::mutex> kept;  // each is locked for ever
  auto& m = kept.emplace_back();
  EXPECT_THAT(said_by([&m] {
                wait_group all;
                all.go([&m] { locks_here(m); });
                all.wait().value();
              }),
              testing::AllOf(HasSubstr("ends while it holds the mutex"), HasSubstr("locks_here")));
}

TEST(held_locks, a_pair_of_traces_is_reported_once) {
  const auto said = said_by([] {
    wait_group all;
    for (int i = 0; i < 200; ++i) {
      all.go([] {
        std::mutex m;
        const std::lock_guard hold(m);
        static_cast<void>(sleep_for(1ms));
      });
    }
    all.wait().value();
  });
  EXPECT_EQ(count_of("waits [sleep]", said), 1U);
}

// Goroutines and threads lock the same few, none while it waits.
TEST(held_locks, who_is_right_is_never_reported) {
  static constexpr int goroutines = 8, rounds = 200;
  std::mutex m;
  std::recursive_timed_mutex again;
  std::shared_timed_mutex shared;
  std::condition_variable changed;
  int sum = 0;  // guarded by m
  int all_of_it = 0;
  EXPECT_THAT(said_by([&] {
                const channel<int> c(1);
                const auto use_all = [&] {
                  {
                    const std::lock_guard outer(again);
                    if (std::unique_lock inner(again, 1s); inner) ++all_of_it;
                  }
                  if (const std::unique_lock hold(shared, std::try_to_lock); !hold)
                    const std::shared_lock reads(shared);
                  std::unique_lock hold(m);
                  ++sum;
                  changed.notify_one();
                  changed.wait_for(hold, 1us);
                  hold.unlock();
                  static_cast<void>(c.try_send(1));
                };
                std::thread other([&] {
                  for (int i = 0; i < rounds; ++i) use_all();
                });
                wait_group all;
                for (int i = 0; i < goroutines; ++i) {
                  all.go([&] {
                    for (int j = 0; j < rounds; ++j) {
                      use_all();
                      static_cast<void>(c.try_recv());
                      yield();
                    }
                  });
                }
                all.wait().value();
                blocking([&] { other.join(); });
              }),
              IsEmpty());
  EXPECT_EQ(sum, (goroutines + 1) * rounds);
  EXPECT_EQ(all_of_it, (goroutines + 1) * rounds);
}

TEST(held_locks, plain_threads_are_their_own_business) {
  std::mutex m;
  EXPECT_THAT(said_by([&m] {
                channel<int> c(0);
                std::thread other([&] {
                  const std::lock_guard hold(m);
                  waits_here(c);
                });
                c.send(1);
                other.join();
              }),
              IsEmpty());
}

TEST(held_locks_death, a_report_may_be_fatal) {
  // Another process, where nothing was reported, and which reads the variable as it starts.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto waits_locked = [] {
    std::mutex m;
    weft::run([&m] {
      const auto c = later();
      const std::lock_guard hold(m);
      waits_here(c);
    });
  };
  ::setenv("WEFT_HELD_LOCKS", "fatal", 1);
  EXPECT_EXIT(waits_locked(), testing::ExitedWithCode(2),
              "while it holds the mutex(.|\n)*fatal error: a goroutine");
  ::setenv("WEFT_HELD_LOCKS", "loud", 1);
  EXPECT_EXIT({}, testing::ExitedWithCode(2), "WEFT_HELD_LOCKS: want report or fatal");
  ::unsetenv("WEFT_HELD_LOCKS");
}

}  // namespace
}  // namespace weft
