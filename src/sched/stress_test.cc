// stress: the scheduler's races, sought by repetition. WEFT_STRESS multiplies the rounds (1 when
// unset): ./dev soak and a person who changed an order give it more. A wake-up that is lost shows
// as a test that does not end.

#include <gtest/gtest.h>
#include <weft/go.h>
#include <weft/runtime.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "arch/sanitizer.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/scheduler.h"
#include "sched/wait.h"

namespace weft::sched {
namespace {

// rounds: how often a test repeats what takes some ten microseconds.
int rounds(int n) {
  const char* text = std::getenv("WEFT_STRESS");
  const int factor = text != nullptr ? std::max(1, std::atoi(text)) : 1;
  return std::max(2, n * factor / (arch::sanitizer::present ? 20 : 1));
}

// event: the smallest thing to wait for.
class event {
 public:
  token wait_for(const limits& l = {}) {
    const gate inside;
    wait w(wait_reason::wait_group, this);
    wait_node node;
    node.who = &w.who();
    node.at = w.at();
    {
      const base::locked hold(lock_);
      if (set_) return token_ready;
      queue_.push_back(node);
    }
    const token by = w.park(l);
    const base::locked hold(lock_);
    if (node.linked()) queue_.remove(node);
    return by;
  }

  void set() {
    const gate inside;
    wake_list woken;
    {
      const base::locked hold(lock_);
      set_ = true;
      while (wait_node* n = queue_.pop_front()) woken.claim(*n->who, n->at, token_ready);
    }
  }

 private:
  base::lock<base::rank::sync> lock_;
  bool set_ = false;
  wait_queue queue_;
};

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

// nap: a wait that only time ends.
void nap(std::int64_t ns) {
  event never;
  EXPECT_EQ(never.wait_for({.deadline_ns = now_ns() + ns}), token_timeout);
}

class stress : public testing::TestWithParam<unsigned> {
 protected:
  template <class F>
  auto run(F&& f) {
    return weft::run(std::forward<F>(f), {.max_procs = GetParam()});
  }
};
INSTANTIATE_TEST_SUITE_P(sched, stress, testing::Values(1U, 2U, 4U, 8U));

// -- blocking --

TEST_P(stress, nested_blocking_keeps_the_processor_away_until_the_outermost_ends) {
  run([&] {
    const auto n = GetParam();
    countdown done(n);
    std::atomic<bool> released{false};
    for (unsigned i = 0; i < n; ++i) {
      go([&] {
        blocking([&] {
          blocking([] {});
          while (!released.load()) std::this_thread::yield();
        });
        done.arrive();
      });
    }
    // Goes on only if a processor is free while all of them block.
    nap(5'000'000);
    released.store(true);
    done.wait_for();
  });
}

TEST_P(stress, a_wait_inside_blocking_does_not_bring_the_processor_back) {
  run([&] {
    const auto n = GetParam();
    countdown done(n);
    countdown inside(n);
    std::atomic<bool> released{false};
    for (unsigned i = 0; i < n; ++i) {
      go([&] {
        blocking([&] {
          nap(10'000);
          inside.arrive();
          while (!released.load()) std::this_thread::yield();
        });
        done.arrive();
      });
    }
    inside.wait_for();
    released.store(true);
    done.wait_for();
  });
}

TEST_P(stress, goroutines_back_from_blocking_meet_submitters_from_plain_threads) {
  run([&] {
    const int n = rounds(2'000);
    std::atomic<bool> stop{false};
    countdown stopped(2);
    for (int i = 0; i < 2; ++i) {
      go([&] {
        while (!stop.load()) blocking([] {});
        stopped.arrive();
      });
    }
    // The thread waits in user code for what it started: nobody but the scheduler can bring it
    // about.
    std::thread outside([&] {
      for (int i = 0; i < n; ++i) {
        event ran;
        std::atomic<bool> through{false};
        go([&] {
          ran.set();
          through.store(true);
        });
        ran.wait_for();
        while (!through.load()) std::this_thread::yield();
      }
      stop.store(true);
    });
    stopped.wait_for();
    outside.join();
  });
}

TEST_P(stress, timers_and_blocking_take_turns_in_watching) {
  run([&] {
    const int n = rounds(400);
    countdown done(3);
    for (int i = 0; i < 3; ++i) {
      go([&] {
        for (int k = 0; k < n; ++k) {
          nap(1'000);
          blocking([] {});
        }
        done.arrive();
      });
    }
    done.wait_for();
  });
}

// -- the end of a runtime --

TEST_P(stress, a_thread_that_wakes_main_outlives_its_runtime) {
  const int n = rounds(400);
  for (int i = 0; i < n; ++i) {
    std::thread outside;
    event last;
    run([&] {
      outside = std::thread([&] { last.set(); });
      last.wait_for();
    });
    outside.join();
  }
}

// outlived: events that must never be touched again, kept for LeakSanitizer.
std::vector<std::unique_ptr<event>>& outlived() {
  static auto& all = *new std::vector<std::unique_ptr<event>>();
  return all;
}

TEST_P(stress, a_thread_that_wakes_main_and_others_outlives_their_runtime) {
  const int n = rounds(300);
  for (int i = 0; i < n; ++i) {
    std::thread outside;
    auto last = std::make_unique<event>();
    run([&] {
      countdown begun(8);
      for (int k = 0; k < 8; ++k) {
        go([&last, &begun] {
          begun.arrive();
          last->wait_for();
        });
      }
      begun.wait_for();
      outside = std::thread([&] { last->set(); });
      last->wait_for();
    });
    outside.join();
    outlived().push_back(std::move(last));  // frames that are gone may stand in its queue
  }
}

TEST_P(stress, threads_start_goroutines_while_the_runtime_ends) {
  const int n = rounds(200);
  for (int i = 0; i < n; ++i) {
    std::atomic<bool> stop{false};
    std::array<std::thread, 2> outside;
    run([&] {
      for (auto& t : outside) {
        t = std::thread([&] {
          // Bounded: ThreadSanitizer's own books fail after some millions of operations with
          // fibres.
          for (int k = 0; k < 200 && !stop.load(); ++k) {
            try {
              go([] {});
            } catch (const std::logic_error&) {
              return;  // the runtime is over
            }
          }
        });
      }
      for (int k = 0; k < 10; ++k) yield();
    });
    stop.store(true);
    for (auto& t : outside) t.join();
  }
}

TEST_P(stress, a_list_of_goroutines_may_meet_the_end_of_their_runtime) {
  testing::internal::CaptureStderr();
  const int n = rounds(200);
  std::atomic<bool> stop{false};
  std::thread lister([&] {
    while (!stop.load()) list_goroutines();
  });
  for (int i = 0; i < n; ++i) {
    run([] {
      countdown done(2);
      for (int k = 0; k < 2; ++k) go([&] { done.arrive(); });
      done.wait_for();
    });
  }
  stop.store(true);
  lister.join();
  testing::internal::GetCapturedStderr();
}

// -- counting and verdicts --

TEST_P(stress, goroutine_count_never_misses_who_lives) {
  run([&] {
    const int n = rounds(20'000);
    std::atomic<bool> stop{false};
    countdown done(1);
    go([&] {
      for (int i = 0; i < n; ++i) {
        go([] {});
        if (i % 64 == 0) yield();
      }
      stop.store(true);
      done.arrive();
    });
    while (!stop.load()) {
      const auto count = goroutine_count();
      EXPECT_GE(count, 1U);
      EXPECT_LE(count, static_cast<std::size_t>(n) + 2);
      if (testing::Test::HasFailure()) break;
      yield();
    }
    done.wait_for();
  });
}

// A false verdict ends the process. No thread is there that the check does not know, so it must not
// be wrong.
TEST_P(stress, who_blocks_and_sleeps_in_turn_is_no_deadlock) {
  run([&] {
    const int n = rounds(1'000);
    countdown done(2);
    for (int i = 0; i < 2; ++i) {
      go([&] {
        for (int k = 0; k < n; ++k) {
          blocking([] {});
          if (k % 8 == 0) nap(100);
          event e;
          go([&] { e.set(); });
          e.wait_for();
        }
        done.arrive();
      });
    }
    done.wait_for();
  });
}

// -- starvation --

TEST_P(stress, a_ring_that_keeps_waking_itself_starves_nobody) {
  run([&] {
    std::atomic<bool> stop{false};
    const int n = static_cast<int>(GetParam()) * 2;
    countdown done(n);
    // Each pair plays ping-pong: young is never empty.
    for (int i = 0; i < n; ++i) {
      go([&] {
        while (!stop.load()) {
          auto e = std::make_shared<event>();
          go([e] { e->set(); });
          e->wait_for();
        }
        done.arrive();
      });
    }
    nap(1'000'000);                       // a timer
    for (int i = 0; i < 3; ++i) yield();  // a root
    std::thread outside([&] {             // the global queue
      event e;
      go([&] { e.set(); });
      e.wait_for();
    });
    blocking([&] { outside.join(); });
    stop.store(true);
    done.wait_for();
  });
}

TEST_P(stress, who_is_woken_while_parking_does_not_wait_for_the_next_one) {
  if (GetParam() < 2) return;  // with one processor it has to
  run([&] {
    const int n = rounds(2'000);
    for (int i = 0; i < n; ++i) {
      std::atomic<bool> through{false};
      std::atomic<bool> armed{false};
      event e;
      countdown done(2);
      go([&] {
        go([&] {  // takes over the processor when the other parks, and holds it until that one is
                  // through
          while (!through.load()) std::this_thread::yield();
          done.arrive();
        });
        armed.store(true);
        e.wait_for();
        through.store(true);
        done.arrive();
      });
      blocking([&] {
        while (!armed.load()) std::this_thread::yield();
      });
      e.set();
      done.wait_for();
    }
  });
}

TEST_P(stress, everything_at_once) {
  run([&] {
    const int n = 8 * static_cast<int>(GetParam());
    const int k = rounds(200);
    countdown done(n);
    for (int i = 0; i < n; ++i) {
      go([&, i] {
        for (int r = 0; r < k; ++r) {
          switch ((i + r) % 5) {
            case 0: yield(); break;
            case 1: blocking([] {}); break;
            case 2: nap(500); break;
            case 3: {
              event e;
              go([&] { e.set(); });
              e.wait_for();
              break;
            }
            default: {
              event e;
              go([&] {
                yield();
                e.set();
              });
              const auto by = e.wait_for({.deadline_ns = now_ns() + 5'000});
              if (by == token_timeout) e.wait_for();
            }
          }
        }
        done.arrive();
      });
    }
    done.wait_for();
  });
}

}  // namespace
}  // namespace weft::sched
