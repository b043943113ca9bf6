// A goroutine that blocks or computes stops no other (sched/monitor.cc). On one processor each of
// these hangs without the monitor. Of the network: net/conn_test.cc.

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/goroutine.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "arch/sanitizer.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using sync_test::retaken;
using sync_test::scaled;
using sync_test::wait_until;

// on_one: as in_weft, with one processor.
template <class F>
void on_one(F&& f) {
  weft::run(
      [&] {
        f();
        wait_until([] { return weft::goroutine_count() == 1; });
      },
      {.max_procs = 1});
}

// compute_until: as code does that knows nothing of us.
void compute_until(const std::atomic<bool>& flag) {
  while (!flag.load()) {
  }
}

// compute: takes that much of a processor's time.
void compute(std::chrono::nanoseconds time) {
  const auto spent = [] {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  };
  const auto end = spent() + time;
  while (spent() < end) {
  }
}

// compute_for_a_slice: until it was taken for computing.
void compute_for_a_slice() {
  std::atomic<bool> flag{false};
  go([&] { flag = true; });
  compute_until(flag);
}

// dispatch: which one the caller runs in: another one after it has let others go first.
std::pair<const sched::machine*, std::uint64_t> dispatch() {
  const sched::machine* m = sched::current_machine();
  return {m, m->dispatches};
}

// raw_pipe: read as C code reads.
struct raw_pipe {
  raw_pipe() { EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0); }
  raw_pipe(const raw_pipe&) = delete;
  raw_pipe& operator=(const raw_pipe&) = delete;
  ~raw_pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void read_one() const {
    char byte = 0;
    EXPECT_EQ(::read(ends[0], &byte, 1), 1);
  }
  void write_one() const { EXPECT_EQ(::write(ends[1], "x", 1), 1); }
  int ends[2];
};

TEST(handoff, who_computes_lets_others_run) {
  on_one([] {
    std::atomic<bool> flag{false};
    go([&] { flag = true; });
    compute_until(flag);
  });
}

// Who is not told at the tick before has its processor taken, and is asked again with another one.
TEST(handoff, who_computes_may_ask_whether_others_wait) {
  if (retaken()) GTEST_SKIP() << "who is to be told has no processor any more";
  on_one([] {
    bool gave_way = false;
    while (!gave_way) {
      std::atomic<bool> flag{false};
      go([&] { flag = true; });
      while (!flag.load()) {
        const auto before = dispatch();
        checkpoint();
        gave_way = gave_way || dispatch() != before;
      }
      yield();
    }
  });
  checkpoint();  // a plain thread
}

TEST(handoff, who_blocks_lets_others_run) {
  on_one([] {
    const raw_pipe p;
    go([&] { p.write_one(); });
    p.read_one();
  });
}

// Nobody can be asked then what a thread does.
TEST(handoff, who_blocks_without_a_descriptor_left_lets_others_run) {
  on_one([] {
    const raw_pipe p;
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{0, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    go([&] { p.write_one(); });
    p.read_one();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  });
}

TEST(handoff, what_computes_at_any_time_is_found_again) {
  on_one([] {
    for (int i = 0; i < scaled(20); ++i) {
      std::atomic<bool> flag{false};
      go([&] { flag = true; });
      compute_until(flag);
      yield();
      EXPECT_TRUE(sleep_for(std::chrono::microseconds(100 * (i % 3))));
    }
  });
}

TEST(handoff, the_clock_goes_on_while_somebody_computes) {
  on_one([] {
    std::atomic<bool> flag{false};
    go([&] {
      for (int i = 0; i < 5; ++i) EXPECT_TRUE(sleep_for(1ms));
      flag = true;
    });
    yield();
    compute_until(flag);
  });
}

TEST(handoff, a_timer_that_is_armed_while_somebody_computes_fires) {
  on_one([] {
    std::atomic<bool> flag{false};
    const auto later = weft::after_func(1ms, [&] { flag = true; });
    compute_until(flag);
  });
}

// Each computes for less than a slice, and waits for nobody: its processor is never taken. But the
// first of them goes on until the clock is heard.
TEST(handoff, whom_the_clock_wakes_goes_before_a_crowd_that_computes) {
  if (retaken()) GTEST_SKIP() << "the crowd computes beside the one processor";
  on_one([] {
    std::atomic<bool> flag{false};
    std::atomic<int> turns{0};
    const sched::goroutine& sleeper = *sched::current_goroutine();
    wait_group crowd;
    for (int i = 0; i < 60; ++i) {
      crowd.go([&] {
        while (!flag) {
          compute(5ms);
          while (sleeper.current_phase() == sched::phase::parked) {
          }
          ++turns;
          yield();
        }
      });
    }
    EXPECT_TRUE(sleep_for(1ms));
    EXPECT_LT(turns, 30);
    flag = true;
    crowd.wait().value();
  });
}

TEST(handoff, threads_that_wake_somebody_are_heard_while_all_compute) {
  on_one([] {
    std::atomic<bool> flag{false};
    const channel<int> c(0);
    go([&] {
      EXPECT_EQ(c.recv(), 7);
      flag = true;
    });
    yield();
    std::thread sender([c, s = sched::current_scheduler()] {
      sync_test::wait_until_monitor_sleeps(*s);
      c.send(7);
    });
    compute_until(flag);
    sender.join();
  });
}

// Without the mark it would be taken as one that computes, and its thread be worn.
TEST(handoff, what_computes_in_blocking_is_only_marked) {
  on_one([] {
    const int usual = ::getpriority(PRIO_PROCESS, 0);
    std::atomic<bool> flag{false};
    const channel<int> c(0);
    go([&] {
      EXPECT_EQ(c.recv(), 7);
      flag = true;
    });
    yield();
    std::thread sender([=] { c.send(7); });
    blocking([&] {
      compute_until(flag);
      EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), usual);
    });
    blocking([&] { sender.join(); });
  });
}

TEST(handoff, who_waits_inside_blocking_is_marked_again) {
  on_one([] {
    for (int i = 0; i < scaled(50); ++i) {
      const channel<int> there(0);
      const channel<int> back(0);
      go([=] {
        EXPECT_EQ(there.recv(), 1);
        back.send(2);
      });
      std::atomic<bool> flag{false};
      blocking([&] {
        there.send(1);
        EXPECT_EQ(back.recv(), 2);
        yield();
        go([&] { flag = true; });
        compute_until(flag);
      });
    }
  });
}

TEST(handoff, limit_of_threads_names_the_calls_they_sit_in) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto too_many = [] {
    weft::run(
        [] {
          const raw_pipe p;
          wait_group all;
          for (int i = 0; i < 20; ++i) all.go([&] { p.read_one(); });
          all.wait().value();
        },
        {.max_procs = 1, .max_threads = 10});
  };
  EXPECT_EXIT(too_many(), testing::ExitedWithCode(2),
              "program exceeds 10-thread limit .*: work waits, and they are all busy: 1?[0-9] in "
              "read");
}

TEST(handoff, a_thread_that_cannot_be_made_names_the_calls_the_others_sit_in) {
  if (arch::sanitizer::present) GTEST_SKIP() << "a sanitizer needs memory where it likes";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto no_memory = [] {
    on_one([] {
      const raw_pipe p;
      wait_group all;
      for (int i = 0; i < 20; ++i) all.go([&] { p.read_one(); });
      std::size_t pages = 0;
      std::ifstream("/proc/self/statm") >> pages;
      const rlim_t little_more = pages * 4096 + (1 << 20);
      const rlimit limit{little_more, little_more};
      ::setrlimit(RLIMIT_AS, &limit);
      all.wait().value();
    });
  };
  EXPECT_EXIT(no_memory(), testing::ExitedWithCode(2),
              "failed to create a thread: .* \\(the limits are .* What the others do: .* in read");
}

TEST(handoff, limit_of_threads_is_one_of_those_that_exist_at_once) {
  weft::run(
      [] {
        for (int i = 0; i < 40; ++i) {
          std::atomic<bool> flag{false};
          go([&] { flag = true; });
          compute_until(flag);  // its thread ends afterwards
          yield();
        }
      },
      {.max_procs = 1, .max_threads = 20});
}

TEST(handoff, locks_of_others_are_no_obstacle) {
  on_one([] {
    std::mutex m;
    std::condition_variable changed;
    bool ready = false;
    go([&] {
      const std::lock_guard hold(m);
      ready = true;
      changed.notify_one();
    });
    std::unique_lock hold(m);
    changed.wait(hold, [&] { return ready; });
  });
}

TEST(handoff, who_lost_its_processor_stays_on_its_thread_until_it_would_wait) {
  on_one([] {
    const auto thread = std::this_thread::get_id();
    std::atomic<bool> flag{false};
    mutex m;
    wait_group all;
    const channel<int> room(100);
    const channel<int> empty(0);
    const std::unique_lock hold(m);
    go([&] { flag = true; });
    compute_until(flag);  // the processor is elsewhere now
    for (int i = 0; i < 100; ++i) {
      EXPECT_FALSE(m.try_lock());
      EXPECT_TRUE(room.try_send(i));
      all.go([&] { EXPECT_TRUE(room.try_recv()); });
      EXPECT_EQ(select(recv(empty), otherwise()), 1U);
      EXPECT_EQ(std::this_thread::get_id(), thread);
    }
    all.wait().value();
  });
}

// In a callback of a library that knows its thread, say.
TEST(handoff, who_lost_its_processor_is_locked_to_the_thread_it_is_on) {
  on_one([] {
    for (int i = 0; i < scaled(10); ++i) {
      compute_for_a_slice();
      const auto thread = std::this_thread::get_id();
      const lock_thread here;
      EXPECT_TRUE(sleep_for(100us));
      yield();
      EXPECT_EQ(std::this_thread::get_id(), thread);
    }
  });
}

TEST(handoff, many_block_at_once_beside_one_that_ticks) {
  on_one([] {
    const raw_pipe p;
    const int n = scaled(200);
    std::atomic<int> inside{0};
    std::atomic<int> ticks{0};
    wait_group ticking;
    ticking.go([&] {
      do {
        EXPECT_TRUE(sleep_for(1ms));
        ++ticks;
      } while (inside < n);
    });
    wait_group all;
    for (int i = 0; i < n; ++i) {
      all.go([&] {
        ++inside;
        p.read_one();
      });
    }
    ticking.wait().value();
    EXPECT_GT(ticks, 0);
    for (int i = 0; i < n; ++i) p.write_one();
    all.wait().value();
  });
}

// A tick of the monitor, 100 us at the least, is between two of the crowd that begin their calls.
TEST(handoff, whom_the_clock_wakes_goes_before_a_crowd_that_blocks) {
  if (retaken()) GTEST_SKIP() << "the crowd begins as fast as it can";
  on_one([] {
    const raw_pipe p;
    constexpr int n = 200;
    std::atomic<int> inside{0};
    wait_group crowd;
    for (int i = 0; i < n; ++i) {
      crowd.go([&] {
        ++inside;
        p.read_one();
      });
    }
    int worst = 0;
    for (int before = 0; before < n; before = inside) {
      EXPECT_TRUE(sleep_for(1ms));
      worst = std::max(worst, inside - before);
    }
    EXPECT_LT(worst, n / 2);
    for (int i = 0; i < n; ++i) p.write_one();
    crowd.wait().value();
  });
}

TEST(handoff, who_only_does_what_cannot_wait_gives_its_processor_away) {
  on_one([] {
    std::atomic<bool> flag{false};
    const channel<int> empty(0);
    go([&] { flag = true; });
    while (!flag.load()) EXPECT_FALSE(empty.try_recv());
  });
}

TEST(handoff, goroutines_that_end_or_panic_or_block_without_a_processor) {
  on_one([] {
    for (int i = 0; i < scaled(10); ++i) {
      wait_group all;
      std::atomic<bool> flag{false};
      all.go([&] { compute_until(flag); });  // ends there
      all.go([&] {
        try {
          compute_until(flag);
          throw i;
        } catch (int thrown) {
          EXPECT_EQ(thrown, i);
        }
      });
      all.go([&] {
        compute_until(flag);
        weft::blocking([] { std::this_thread::sleep_for(100us); });
      });
      all.go([&] {
        const lock_thread here;
        const auto thread = std::this_thread::get_id();
        compute_until(flag);
        EXPECT_TRUE(sleep_for(100us));
        yield();
        EXPECT_EQ(std::this_thread::get_id(), thread);
      });
      all.go([&] {
        compute_until(flag);
        goexit();
      });
      all.go([&] { flag = true; });
      all.wait().value();
    }
  });
}

// Its thread may not start those of others, which would have its priority for ever.
TEST(handoff, only_who_computes_has_a_lower_priority) {
  const auto work = [] {
    const int usual = ::getpriority(PRIO_PROCESS, 0);
    for (int i = 0; i < scaled(10); ++i) {
      std::atomic<bool> flag{false};
      wait_group all;
      all.go([&] { flag = true; });
      compute_until(flag);
      for (int j = 0; j < 20; ++j) {
        all.go([] {
          weft::blocking([&] { std::this_thread::sleep_for(100us); });
          weft::yield();
        });
      }
      all.wait().value();
      EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), usual);
      compute_for_a_slice();
      // A child process would inherit it.
      weft::blocking([&] { EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), usual); });
      all.go([&] { EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), usual); });
      all.wait().value();
    }
  };
  for (const unsigned procs : {1U, 2U}) weft::run(work, {.max_procs = procs});
}

// A machine that will end may have a goroutine in hand that only another can run.
TEST(handoff, who_was_locked_after_it_computed_leaves_nobody_behind) {
  on_one([] {
    for (int i = 0; i < scaled(10); ++i) {
      wait_group all;
      std::atomic<bool> flag{false};
      std::atomic<int> busy{1};
      for (int j = 0; j < 3; ++j) {
        all.go([&] {
          const lock_thread here;
          while (busy > 0) yield();
        });
      }
      all.go([&] {
        compute_until(flag);
        {
          const lock_thread here;
          EXPECT_TRUE(sleep_for(100us));
          yield();
        }
        for (int k = 0; k < 3; ++k) yield();
        --busy;
      });
      all.go([&] { flag = true; });
      all.wait().value();
    }
  });
}

// A slice is longer the more compute without a processor; those that wait on their threads do not.
TEST(handoff, who_waits_on_a_thread_that_computed_lengthens_no_slice) {
  on_one([] {
    constexpr int waiting = 20;  // a slice for each would be 200 ms
    channel<int> gate(0);
    wait_group all;
    for (int i = 0; i < waiting; ++i) {
      std::atomic<bool> locked{false};
      all.go([&] {
        compute_for_a_slice();
        const lock_thread here;
        locked = true;
        EXPECT_FALSE(gate.recv());
      });
      wait_until([&] { return locked.load(); });
    }
    const auto cpu_time = [] {
      timespec t{};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
      return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
    };
    auto least = std::chrono::nanoseconds::max();
    for (int i = 0; i < 5; ++i) {  // a busy machine may be late
      const auto begun = cpu_time();
      compute_for_a_slice();
      least = std::min<std::chrono::nanoseconds>(least, cpu_time() - begun);
      yield();
    }
    EXPECT_LT(least, 100ms);
    gate.close();
    all.wait().value();
  });
}

// One that takes turns on its own thread is no reason for others to get none.
TEST(handoff, locked_goroutines_that_yield_starve_nobody) {
  on_one([] {
    std::atomic<bool> heard{false};
    wait_group all;
    for (int j = 0; j < 2; ++j) {
      all.go([&] {
        const lock_thread here;
        while (!heard) yield();
      });
    }
    all.go([&] {
      // What a plain thread wakes goes to the global queue.
      const channel<int> c(0);
      std::thread sender([=] { c.send(1); });
      EXPECT_EQ(c.recv(), 1);
      heard = true;
      sender.join();
    });
    all.wait().value();
  });
}

TEST(handoff, a_deadlock_after_it_is_still_proved) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(on_one([] {
                std::atomic<bool> flag{false};
                go([&] { flag = true; });
                compute_until(flag);
                static_cast<void>(channel<int>(0).recv());
              }),
              testing::ExitedWithCode(2), "all goroutines are asleep - deadlock!");
}

struct slow_to_end {
  int touched = 0;
  ~slow_to_end() { std::this_thread::sleep_for(50ms); }
};
thread_local slow_to_end at_end;

// A thread that ends spoils the proof, however often others were looked at in vain before.
TEST(handoff, a_deadlock_is_proved_after_long_waits_for_threads) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(on_one([] {
                const channel<int> c(0);
                std::thread sender([=] {
                  for (int i = 0; i < 12; ++i) {
                    std::this_thread::sleep_for(20ms);  // until a deadlock was suspected
                    c.send(i);
                  }
                });
                for (int i = 0; i < 12; ++i) static_cast<void>(c.recv());
                sender.join();
                compute_for_a_slice();
                ++at_end.touched;
                static_cast<void>(channel<int>(0).recv());
              }),
              testing::ExitedWithCode(2), "all goroutines are asleep - deadlock!");
}

TEST(handoff, run_ends_while_somebody_computes_without_a_processor) {
  std::atomic<bool> flag{false};
  std::atomic<bool> ended{false};
  std::atomic<bool> begun{false};
  weft::run(
      [&] {
        go([&] {
          begun = true;
          compute_until(flag);
          ended = true;
        });
        while (!begun) yield();
      },
      {.max_procs = 1});
  flag = true;
  while (!ended) std::this_thread::yield();
}

TEST(handoff, stress_of_computing_blocking_and_waiting) {
  for (const unsigned procs : {1U, 2U, 4U}) {
    const auto work = [] {
      const raw_pipe p;
      const channel<int> c(4);
      mutex m;
      int guarded = 0;
      wait_group all;
      const int n = scaled(40);
      for (int g = 0; g < n; ++g) {
        all.go([&, g] {
          for (int i = 0; i < 20; ++i) {
            if ((g + i) % 5 == 0) {
              p.write_one();
              p.read_one();
            } else if ((g + i) % 5 == 1) {
              const auto until = std::chrono::steady_clock::now() + 300us;
              while (std::chrono::steady_clock::now() < until) {
              }
            } else if ((g + i) % 5 == 2) {
              c.send(i);
              EXPECT_TRUE(c.recv());
            } else if ((g + i) % 5 == 3) {
              EXPECT_TRUE(sleep_for(50us));
            } else {
              const std::lock_guard hold(m);
              ++guarded;
            }
          }
        });
      }
      all.wait().value();
      EXPECT_EQ(guarded, n * 4);
    };
    weft::run(work, {.max_procs = procs});
  }
}

}  // namespace
}  // namespace weft
