// WEFT_SANITIZE=races: ThreadSanitizer finds what nothing orders but the one machine that both
// goroutines ran on, and claims nothing of what weft orders. Every program runs on one processor.

#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/cond.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/runtime.h>
#include <weft/rwmutex.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;

struct program {
  const char* name;
  void (*body)();
  friend std::ostream& operator<<(std::ostream& to, const program& p) { return to << p.name; }
};

int shared = 0;
[[gnu::noinline]] void touch() { shared = shared + 1; }
[[gnu::noinline]] void look() {
  if (shared < 0) std::puts("never");
}

// both: `a`, then `b`, in goroutines of their own.
template <class A, class B>
void both(A&& a, B&& b) {
  wait_group all;
  all.go(a);
  all.go(b);
  all.wait().value();
}

const program racy[] = {
    {"both_write", [] { both(touch, touch); }},
    {"one_reads", [] { both(touch, look); }},
    {"yields_order_nothing",
     [] {
       both(
           [] {
             touch();
             yield();
           },
           [] {
             yield();
             touch();
           });
     }},
    {"clocks_order_nothing",
     [] {
       both(touch, [] {
         static_cast<void>(sleep_for(20ms));
         touch();
       });
     }},
    {"the_reader_takes_no_lock",
     [] {
       mutex m;
       both(
           [&] {
             const std::scoped_lock hold(m);
             touch();
           },
           look);
     }},
    {"two_locks_are_not_one",
     [] {
       mutex a;
       mutex b;
       both(
           [&] {
             const std::scoped_lock hold(a);
             touch();
           },
           [&] {
             const std::scoped_lock hold(b);
             touch();
           });
     }},
    {"other_channels_order_nothing",
     [] {
       const channel<int> a(1);
       const channel<int> b(1);
       both(
           [&] {
             touch();
             a.send(1);
           },
           [&] {
             b.send(1);
             touch();
           });
     }},
    {"written_behind_the_send",
     [] {
       const channel<int> c(1);
       both(
           [&] {
             c.send(1);
             touch();
           },
           [&] {
             static_cast<void>(c.recv());
             touch();
           });
     }},
    {"the_starter_goes_on",
     [] {
       wait_group all;
       all.go(touch);
       touch();
       all.wait().value();
     }},
    {"read_before_the_join",
     [] {
       wait_group all;
       all.go(touch);
       static_cast<void>(sleep_for(20ms));
       look();
       all.wait().value();
     }},
};

const program right[] = {
    {"a_lock",
     [] {
       mutex m;
       const auto writes = [&] {
         for (int i = 0; i < 50; ++i) {
           const std::scoped_lock hold(m);
           touch();
           if (i % 10 == 0) yield();
         }
       };
       both(writes, writes);
     }},
    {"a_channel",
     [] {
       const channel<int> c(0);
       both(
           [&] {
             touch();
             c.send(1);
           },
           [&] {
             static_cast<void>(c.recv());
             touch();
           });
     }},
    {"a_buffer_that_was_full",
     [] {
       const channel<int> c(1);
       both(
           [&] {
             c.send(1);
             c.send(2);
             touch();
           },
           [&] {
             touch();
             static_cast<void>(c.recv());
             static_cast<void>(c.recv());
           });
     }},
    {"a_close",
     [] {
       const channel<int> c(0);
       both(
           [&] {
             touch();
             c.close();
           },
           [&] {
             static_cast<void>(c.recv());
             touch();
           });
     }},
    {"what_a_channel_carries",
     [] {
       const channel<std::unique_ptr<std::string>> c(3);
       both(
           [&] {
             for (int i = 0; i < 20; ++i) c.send(std::make_unique<std::string>(100, 'x'));
             c.close();
           },
           [&] {
             while (auto text = c.recv()) (*text)->append("y");
           });
     }},
    {"a_select",
     [] {
       const channel<int> a(0);
       const channel<int> b(0);
       both(
           [&] {
             touch();
             b.send(1);
           },
           [&] { select(recv(a), recv(b, [](auto) { touch(); })); });
     }},
    {"start_and_join",
     [] {
       touch();
       wait_group all;
       all.go(touch);
       all.wait().value();
       touch();
     }},
    {"a_scope",
     [] {
       touch();
       {
         scope s;
         s.go(touch);
       }
       touch();
     }},
    {"once",
     [] {
       once first;
       const auto body = [&] {
         static_cast<void>(first.call(touch));
         look();
       };
       both(body, body);
     }},
    {"a_semaphore",
     [] {
       semaphore s(1);
       const auto body = [&] {
         for (int i = 0; i < 20; ++i) {
           static_cast<void>(s.acquire());
           touch();
           yield();
           s.release();
         }
       };
       both(body, body);
     }},
    {"readers_and_a_writer",
     [] {
       rwmutex m;
       both(
           [&] {
             for (int i = 0; i < 20; ++i) {
               const std::scoped_lock hold(m);
               touch();
               yield();
             }
           },
           [&] {
             for (int i = 0; i < 20; ++i) {
               const std::shared_lock hold(m);
               look();
               yield();
             }
           });
     }},
    {"a_condition",
     [] {
       mutex m;
       cond changed;
       bool ready = false;
       both(
           [&] {
             const std::scoped_lock hold(m);
             touch();
             ready = true;
             changed.notify_one();
           },
           [&] {
             std::unique_lock hold(m);
             while (!ready) static_cast<void>(changed.wait(hold));
             touch();
           });
     }},
    {"a_timer_that_calls",
     [] {
       touch();
       const channel<int> done(1);
       const auto t = after_func(1ms, [&] {
         touch();
         done.send(1);
       });
       static_cast<void>(done.recv());
       touch();
     }},
    {"a_cancelled_context",
     [] {
       const auto [ctx, cancel] = with_cancel(context::background());
       both(
           [&] {
             touch();
             cancel();
           },
           [&] {
             static_cast<void>(ctx.wait());
             touch();
           });
     }},
    {"many_that_only_share_a_machine",
     [] {
       wait_group all;
       std::vector<int> own(200);
       for (int& each : own) {
         all.go([&each] {
           for (int i = 0; i < 5; ++i) {
             each = each + 1;
             yield();
             static_cast<void>(sleep_for(100us));
           }
         });
       }
       all.wait().value();
     }},
};

[[noreturn]] void run_apart(const program& p) {
  weft::run(p.body, {.max_procs = 1});
  std::exit(0);
}

class races_death : public testing::TestWithParam<program> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};
class no_races_death : public races_death {};

// Other reports than races go through as ever.
TEST(races_others_death, locks_in_two_orders_are_found) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const program p{"locks", [] {
                    std::mutex a;
                    std::mutex b;
                    {
                      const std::scoped_lock first(a);
                      const std::scoped_lock second(b);
                    }
                    const std::scoped_lock first(b);
                    const std::scoped_lock second(a);
                  }};
  EXPECT_EXIT(run_apart(p), testing::ExitedWithCode(66), "lock-order-inversion");
}

TEST_P(races_death, is_found) {
  EXPECT_EXIT(run_apart(GetParam()), testing::ExitedWithCode(66), "data race");
}
TEST_P(no_races_death, nothing_is_claimed) {
  EXPECT_EXIT(run_apart(GetParam()), testing::ExitedWithCode(0), "");
}

const auto name_of = [](const testing::TestParamInfo<program>& of) { return of.param.name; };
INSTANTIATE_TEST_SUITE_P(all, races_death, testing::ValuesIn(racy), name_of);
INSTANTIATE_TEST_SUITE_P(all, no_races_death, testing::ValuesIn(right), name_of);

}  // namespace
}  // namespace weft
