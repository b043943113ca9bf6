#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <weft/go.h>
#include <weft/runtime.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "arch/sanitizer.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/scheduler.h"
#include "sched/wait.h"

namespace weft::sched {
namespace {

constexpr int scale = arch::sanitizer::present ? 20 : 1;

// event: the smallest thing to wait for, made of the parts every primitive is made of.
class event {
 public:
  void wait_for() { static_cast<void>(wait_for(limits{})); }

  // The lock at its end keeps the event until set() has left it.
  token wait_for(const limits& l) {
    const gate inside;
    wait w(wait_reason::wait_group, this);
    wait_node node;
    node.who = &w.who();
    node.at = w.at();
    {
      base::locked hold(lock_);
      if (set_) return token_ready;
      queue_.push_back(node);
    }
    const token by = w.park(l);
    base::locked hold(lock_);
    if (node.linked()) queue_.remove(node);
    return by;
  }

  void set() {
    const gate inside;
    wake_list woken;
    {
      base::locked hold(lock_);
      set_ = true;
      while (wait_node* n = queue_.pop_front()) woken.claim(*n->who, n->at, token_ready);
    }
  }

 private:
  base::lock<base::rank::sync> lock_;
  bool set_ = false;
  wait_queue queue_;
};

// countdown: sets its event when as many have arrived.
class countdown {
 public:
  explicit countdown(std::int64_t n) : left_(n) {}
  void arrive() {
    if (left_.fetch_sub(1) == 1) done_.set();
  }
  void wait_for() { done_.wait_for(); }

 private:
  std::atomic<std::int64_t> left_;
  event done_;
};

std::vector<unsigned> processor_counts() { return {1, 2, 4}; }

class on_processors : public testing::TestWithParam<unsigned> {
 protected:
  template <class F>
  auto run(F&& f) {
    return weft::run(std::forward<F>(f), {.max_procs = GetParam()});
  }
};
INSTANTIATE_TEST_SUITE_P(scheduler, on_processors, testing::ValuesIn(processor_counts()));

TEST_P(on_processors, run_returns_what_the_function_returned) {
  EXPECT_EQ(run([] { return 42; }), 42);
  EXPECT_EQ(run([] { return std::string("text"); }), "text");
}

TEST_P(on_processors, a_hundred_runtimes_come_and_go) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(run([i] {
                auto done = std::make_shared<countdown>(3);
                for (int j = 0; j < 3; ++j) go([done] { done->arrive(); });
                done->wait_for();
                return i;
              }),
              i);
  }
}

TEST_P(on_processors, every_goroutine_runs_once) {
  const int n = 200'000 / scale;
  std::atomic<int> ran{0};
  run([&] {
    countdown done(n);
    for (int i = 0; i < n; ++i) {
      go([&] {
        ran.fetch_add(1);
        done.arrive();
      });
    }
    done.wait_for();
  });
  EXPECT_EQ(ran.load(), n);
}

TEST_P(on_processors, a_tree_of_goroutines_is_joined) {
  struct node {
    static void grow(int depth, countdown& done) {
      if (depth == 0) {
        done.arrive();
        return;
      }
      for (int i = 0; i < 4; ++i) go([depth, &done] { grow(depth - 1, done); });
    }
  };
  run([] {
    countdown done(4096);
    node::grow(6, done);
    done.wait_for();
  });
}

TEST_P(on_processors, parked_goroutines_wake_each_other_in_a_ring) {
  run([] {
    const int n = 64;
    const int rounds = 2'000 / scale;
    std::vector<std::vector<event>> laps(static_cast<std::size_t>(rounds));
    for (auto& lap : laps) lap = std::vector<event>(static_cast<std::size_t>(n));
    countdown done(n);
    for (int i = 0; i < n; ++i) {
      go([&, i] {
        const auto at = static_cast<std::size_t>(i);
        for (std::size_t r = 0; r < laps.size(); ++r) {
          laps[r][at].wait_for();
          if (at + 1 < laps[r].size()) {
            laps[r][at + 1].set();
          } else if (r + 1 < laps.size()) {
            laps[r + 1][0].set();
          }
        }
        done.arrive();
      });
    }
    laps[0][0].set();
    done.wait_for();
  });
}

TEST_P(on_processors, yield_lets_the_others_run) {
  run([] {
    std::atomic<bool> seen{false};
    go([&] { seen.store(true); });
    while (!seen.load()) yield();
  });
}

TEST_P(on_processors, yield_does_not_starve_what_only_the_global_queue_holds) {
  run([] {
    std::atomic<bool> seen{false};
    std::thread outside([&] { go([&] { seen.store(true); }); });
    while (!seen.load()) yield();
    outside.join();
  });
}

TEST_P(on_processors, a_wait_ends_at_its_deadline) {
  run([] {
    event never;
    EXPECT_EQ(never.wait_for({.deadline_ns = now_ns() + 1'000'000}), token_timeout);
  });
}

TEST_P(on_processors, a_deadline_that_races_with_a_wakeup_decides_once) {
  run([] {
    const int n = 2'000 / scale;
    countdown done(2 * n);
    std::vector<std::unique_ptr<event>> events;
    for (int i = 0; i < n; ++i) events.push_back(std::make_unique<event>());
    for (auto& e : events) {
      go([&, ev = e.get()] {
        const auto by = ev->wait_for({.deadline_ns = now_ns() + 20'000});
        EXPECT_TRUE(by == token_ready || by == token_timeout);
        done.arrive();
      });
      go([&, ev = e.get()] {
        yield();
        ev->set();
        done.arrive();
      });
    }
    done.wait_for();
  });
}

TEST_P(on_processors, plain_threads_wait_and_wake) {
  run([] {
    event from_thread;
    event from_goroutine;
    std::thread other([&] {
      from_goroutine.wait_for();
      from_thread.set();
    });
    from_goroutine.set();
    from_thread.wait_for();
    other.join();
  });
}

TEST_P(on_processors, blocking_gives_the_processor_away) {
  run([] {
    std::atomic<bool> released{false};
    std::thread outside;
    // With one processor this ends only if the blocked goroutine's processor runs the other one.
    go([&] { released.store(true); });
    blocking([&] {
      while (!released.load()) std::this_thread::yield();
    });
    EXPECT_TRUE(released.load());
  });
}

TEST_P(on_processors, many_goroutines_block_at_once) {
  run([] {
    const int n = 50;
    std::atomic<int> inside{0};
    countdown done(n);
    for (int i = 0; i < n; ++i) {
      go([&] {
        blocking([&] {
          inside.fetch_add(1);
          while (inside.load() < n) std::this_thread::yield();
        });
        done.arrive();
      });
    }
    done.wait_for();
  });
}

TEST_P(on_processors, a_goroutine_waits_and_spawns_inside_blocking) {
  run([] {
    const int n = 500 / scale;
    countdown done(n);
    for (int i = 0; i < n; ++i) {
      go([&] {
        blocking([&] {
          event e;
          go([&] { e.set(); });
          e.wait_for();
          yield();
        });
        done.arrive();
      });
    }
    done.wait_for();
  });
}

TEST_P(on_processors, blocking_passes_values_and_exceptions) {
  run([] {
    EXPECT_EQ(blocking([] { return 7; }), 7);
    EXPECT_THROW(blocking([] { throw std::runtime_error("inside"); }), std::runtime_error);
  });
}

TEST_P(on_processors, exceptions_belong_to_their_goroutine) {
  run([] {
    const int n = 200 / scale + 2;
    countdown done(n);
    for (int i = 0; i < n; ++i) {
      go([&, i] {
        try {
          throw i;
        } catch (int caught) {
          for (int k = 0; k < 10; ++k)
            yield();  // others throw and catch meanwhile, on this thread and others
          EXPECT_EQ(caught, i);
          try {
            throw;
          } catch (int again) {
            EXPECT_EQ(again, i);
          }
        }
        EXPECT_EQ(std::uncaught_exceptions(), 0);
        done.arrive();
      });
    }
    done.wait_for();
  });
}

TEST_P(on_processors, a_destructor_may_wait_while_an_exception_unwinds) {
  struct waits_at_end {
    ~waits_at_end() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      event e;
      go([&] { e.set(); });
      e.wait_for();
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  run([] {
    const int n = 100;
    countdown done(n);
    for (int i = 0; i < n; ++i) {
      go([&, i] {
        try {
          const waits_at_end w;
          throw i;
        } catch (int caught) {
          EXPECT_EQ(caught, i);
        }
        done.arrive();
      });
    }
    done.wait_for();
  });
}

TEST_P(on_processors, unfinished_goroutines_are_dropped_when_main_returns) {
  auto never = std::make_unique<event>();
  run([&] {
    for (int i = 0; i < 100; ++i) {
      go([&never] { never->wait_for(); });
    }
    for (int i = 0; i < 10; ++i) yield();
  });
  // Frames that wait on it are gone; the event must not be touched again, not even destroyed by
  // walking its queue.
  static_cast<void>(never.release());
}

TEST_P(on_processors, a_goroutine_in_user_code_never_comes_back_after_run) {
  struct flags {
    std::atomic<bool> started{false};
    std::atomic<bool> leave{false};
    std::atomic<bool> left{false};
    std::atomic<bool> came_back{false};
  };
  // Shared: the thread that is out looks at them after this test.
  const auto f = std::make_shared<flags>();
  run([f] {
    go([f] {
      blocking([f] {
        f->started.store(true);
        while (!f->leave.load()) std::this_thread::yield();
        f->left.store(true);
      });
      f->came_back.store(true);
    });
    while (!f->started.load()) yield();
  });
  f->leave.store(true);
  while (!f->left.load()) std::this_thread::yield();
  EXPECT_FALSE(f->came_back.load());
}

TEST_P(on_processors, goroutine_count_counts_the_living) {
  run([] {
    EXPECT_EQ(goroutine_count(), 1U);
    event leave;
    countdown done(10);
    for (int i = 0; i < 10; ++i) {
      go([&] {
        leave.wait_for();
        done.arrive();
      });
    }
    EXPECT_EQ(goroutine_count(), 11U);
    leave.set();
    done.wait_for();
    while (goroutine_count() != 1) yield();
  });
}

TEST_P(on_processors, closures_of_any_size_arrive_and_are_destroyed_once) {
  struct counted {
    std::shared_ptr<int> alive = std::make_shared<int>(1);
  };
  const counted original;
  run([&] {
    countdown done(2);
    go([c = original, &done] { done.arrive(); });
    std::array<char, 500> big{};
    go([c = original, big, &done] {
      static_cast<void>(big);
      done.arrive();
    });
    done.wait_for();
    while (goroutine_count() != 1) yield();
  });
  EXPECT_EQ(original.alive.use_count(), 1);
}

TEST_P(on_processors, max_procs_is_what_was_asked) {
  EXPECT_EQ(run([] { return max_procs(); }), GetParam());
}

TEST(scheduler, goroutines_use_all_processors_at_once) {
  weft::run(
      [] {
        std::atomic<int> meet{0};
        countdown done(2);
        for (int i = 0; i < 2; ++i) {
          go([&] {
            meet.fetch_add(1);
            while (meet.load() < 2)
              std::this_thread::yield();  // both must be running: nobody waits in weft
            done.arrive();
          });
        }
        done.wait_for();
      },
      {.max_procs = 2});
}

TEST(scheduler, two_runtimes_wake_each_others_goroutines) {
  event first;
  event second;
  std::thread one([&] {
    weft::run([&] {
      first.wait_for();
      second.set();
    });
  });
  std::thread two([&] {
    weft::run([&] {
      first.set();
      second.wait_for();
    });
  });
  one.join();
  two.join();
}

// a_crowd_comes_and_goes: all wait at the same time, and all are woken.
void a_crowd_comes_and_goes(int n) {
  event leave;
  countdown arrived(n);
  countdown done(n);
  for (int i = 0; i < n; ++i) {
    go([&] {
      arrived.arrive();
      leave.wait_for();
      done.arrive();
    });
  }
  arrived.wait_for();
  leave.set();
  done.wait_for();
}

TEST(scheduler, many_parked_goroutines_are_all_woken) {
  weft::run([] { a_crowd_comes_and_goes(arch::sanitizer::present ? 5'000 : 1'000'000); });
}

TEST(scheduler, an_idle_runtime_gives_the_pages_of_stacks_it_no_longer_needs_back) {
  weft::run([] {
    const auto surplus = [] { return stack::statistics_of(current_scheduler()->stacks()).surplus; };
    a_crowd_comes_and_goes(3'000);
    while (surplus() == 0) yield();
    event never;
    while (surplus() != 0) never.wait_for({.deadline_ns = now_ns() + 50'000'000});
  });
}

TEST(scheduler_death, a_total_deadlock_is_named_with_every_goroutine) {
  const auto stuck = [] {
    weft::run([] {
      event never;
      go({.name = "stuck one"}, [&] { never.wait_for(); });
      never.wait_for();
    });
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(stuck(), testing::ExitedWithCode(2),
              "all goroutines are asleep - deadlock!\n(.|\n)*goroutine 1 "
              "\\[sync.WaitGroup.Wait\\](.|\n)*stuck one");
}

TEST(scheduler_death, a_panic_unwinds_nothing) {
  struct loud {
    ~loud() { std::fputs("unwound", stderr); }
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                const loud local;
                throw std::runtime_error("too bad");
              }),
              testing::ExitedWithCode(2), testing::Not(testing::HasSubstr("unwound")));
}

TEST(scheduler_death, an_exception_that_leaves_a_goroutine_ends_the_process_like_a_panic) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                go([] { throw std::runtime_error("too bad"); });
                event never;
                never.wait_for();
              }),
              testing::ExitedWithCode(2), "panic: too bad\n\ngoroutine [0-9]+ \\[running\\]:");
}

#if !WEFT_TSAN && !WEFT_ASAN
[[gnu::noinline]] int overflow(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth > 1'000'000 ? 0 : overflow(depth + 1) + frame[0];
}

// overflow_a_little: into the canary below the stack that ends at `low`, not beyond it.
[[gnu::noinline]] int overflow_a_little(const char* low) {
  volatile char frame[256];
  for (volatile char& byte : frame) byte = 1;
  if (const_cast<const char*>(frame) < low) return 0;
  return overflow_a_little(low) + frame[0];
}

TEST(scheduler_death, a_stack_overflow_is_named) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(weft::run([] {
                 go({.name = "deep"}, [] {
                   const stack::stack& own = *current_goroutine()->stack;
                   if (own.guard != stack::guard_kind::canary) overflow(0);
                   overflow_a_little(own.low);
                 });
                 event never;
                 never.wait_for();
               }),
               "goroutine [0-9]+: stack overflow");
}
#endif

TEST(scheduler_death, main_lists_the_goroutines_on_sigquit_and_exits) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::main([] {
                event never;
                go({.name = "waiting"}, [&] { never.wait_for(); });
                while (goroutine_count() != 2) yield();
                std::raise(SIGQUIT);
                never.wait_for({.deadline_ns = now_ns() + 60'000'000'000});
              }),
              testing::ExitedWithCode(2),
              "SIGQUIT: quit\n(.|\n)*goroutine 1 \\[(.|\n)*goroutine [0-9]+ \"waiting\" \\[");
}

TEST(scheduler_death, run_lists_the_goroutines_on_sigquit_and_goes_on) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        weft::run(
            [] {
              std::raise(SIGQUIT);
              std::raise(SIGQUIT);
            },
            {.sigquit = sigquit_action::list});
        std::fputs("still here\n", stderr);
        ::_exit(5);
      },
      testing::ExitedWithCode(5), "still here");
}

TEST(scheduler_death, main_ends_the_process_with_the_value_of_its_function) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::main([] { return 7; }), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(weft::main([] {}), testing::ExitedWithCode(0), "");
}

TEST(scheduler, run_from_a_goroutine_is_misuse) {
  weft::run([] { EXPECT_THROW(weft::run([] {}), std::logic_error); });
}

}  // namespace
}  // namespace weft::sched
