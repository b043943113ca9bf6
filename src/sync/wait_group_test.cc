#include <weft/channel.h>
#include <weft/context.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/wait_group.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

TEST(wait_group, waits_for_all) {
  in_weft([] {
    wait_group all;
    int results[100] = {};
    for (int i = 0; i < 100; ++i) all.go([&results, i] { results[i] = i + 1; });
    all.wait().value();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(results[i], i + 1);
  });
}

TEST(wait_group, does_not_wait_for_nothing) {
  in_both([] {
    wait_group none;
    EXPECT_TRUE(none.wait());
    none.add(2);
    none.done();
    none.add(-1);
    EXPECT_TRUE(none.wait());
  });
}

TEST(wait_group, a_negative_count_throws_and_changes_nothing) {
  in_both([] {
    wait_group g;
    EXPECT_THROW(g.done(), misuse_error);
    g.add(1);
    EXPECT_THROW(g.add(-2), misuse_error);
    EXPECT_EQ(g.wait(1ms).error(), errc::timeout);
    EXPECT_THROW(g.add(-2), misuse_error);
    g.done();
    EXPECT_TRUE(g.wait());
  });
}

TEST(wait_group, a_count_that_does_not_fit_throws_and_changes_nothing) {
  in_both([] {
    wait_group g;
    EXPECT_THROW(g.add(PTRDIFF_MAX), misuse_error);
    EXPECT_THROW(g.add(PTRDIFF_MIN), misuse_error);
    g.add((std::ptrdiff_t{1} << 61) - 1);
    EXPECT_THROW(g.add(1), misuse_error);
    g.add(-((std::ptrdiff_t{1} << 61) - 1));
    EXPECT_TRUE(g.wait());
  });
}

TEST(wait_group, lets_all_waiters_go_on_and_may_be_used_again) {
  in_weft([] {
    wait_group g;
    for (int round = 0; round < 20; ++round) {
      g.add(1);
      std::atomic<int> woken{0};
      for (int i = 0; i < 5; ++i) {
        go([&] {
          if (g.wait()) ++woken;
        });
      }
      wait_until_parked(wait_reason::wait_group, 5);
      EXPECT_EQ(woken, 0);
      g.done();
      wait_until([&] { return woken == 5; });
    }
  });
}

TEST(wait_group, a_limit_ends_the_wait) {
  in_both([] {
    wait_group g;
    g.add(1);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(g.wait(ctx).error(), errc::cancelled);
    EXPECT_EQ(g.wait(1ms).error(), errc::timeout);
    g.done();
    EXPECT_TRUE(g.wait(ctx));
  });
}

TEST(wait_group, may_be_destroyed_when_a_wait_has_returned) {
  in_weft([] {
    for (int i = 0; i < scaled(3000); ++i) {
      auto g = std::make_unique<wait_group>();
      for (int n = 0; n < 3; ++n) g->go([] { weft::yield(); });
      go([] {});
      g->wait().value();
      g.reset();
    }
  });
}

TEST(wait_group, what_the_function_holds_is_gone_before_it_is_done) {
  in_weft([] {
    wait_group g;
    const auto shared = std::make_shared<int>(1);
    for (int i = 0; i < 20; ++i) g.go([shared] { weft::yield(); });
    g.wait().value();
    EXPECT_EQ(shared.use_count(), 1);
  });
}

TEST(wait_group, counts_goroutines_for_a_plain_thread) {
  in_weft([] {
    wait_group g;
    std::atomic<int> ran{0};
    std::thread outside([&] {
      for (int i = 0; i < 50; ++i) g.go([&] { ++ran; });
      g.wait().value();
      EXPECT_EQ(ran, 50);
    });
    join_from_goroutine(outside);
  });
}

using wait_group_death = ::testing::Test;

// slow_to_tell: in whose what() another thread has its chance to end the process first.
struct slow_to_tell : std::exception {
  const char* what() const noexcept override {
    std::this_thread::sleep_for(200ms);
    return "too bad";
  }
};

TEST(wait_group_death, an_exception_ends_the_process_before_it_ends_a_wait) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run(
                  [] {
                    wait_group g;
                    g.go([] { throw slow_to_tell(); });
                    g.wait().value();
                    std::_Exit(0);
                  },
                  {.max_procs = 2}),
              ::testing::ExitedWithCode(2), "panic: too bad");
}

// Usable by the constructors of others, whatever their order.
constinit mutex global_mutex;
constinit wait_group global_group;
constinit once global_once;
constinit channel<int> global_nil;
constinit context global_background;

TEST(constant_initialised, locks_and_groups_wait_and_wake) {
  in_weft([] {
    int count = 0;
    global_mutex.lock();
    global_group.add(1);
    wait_group all;
    for (int i = 0; i < 3; ++i) {
      all.go([&] {
        const std::lock_guard hold(global_mutex);
        ++count;
      });
      all.go([] { EXPECT_TRUE(global_group.wait()); });
    }
    wait_until_parked(wait_reason::mutex_lock, 3);
    wait_until_parked(wait_reason::wait_group, 4 - 1);
    global_mutex.unlock();
    global_group.done();
    all.wait().value();
    EXPECT_EQ(count, 3);
    static int calls = 0;  // of the process, as global_once is
    global_once.call([] { ++calls; });
    global_once.call([] { ++calls; });
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(global_nil);
    EXPECT_FALSE(global_background.done());
  });
}

TEST(once, a_limit_ends_the_wait_for_the_first_call) {
  in_weft([] {
    once o;
    channel<int> go_on(0);
    wait_group all;
    all.go([&] { o.call([&] { static_cast<void>(go_on.recv()); }); });
    wait_until_parked(wait_reason::chan_receive, 1);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(o.call([] { ADD_FAILURE() << "called twice"; }, 1ms).error(), errc::timeout);
    EXPECT_EQ(o.call([] { ADD_FAILURE() << "called twice"; }, ctx).error(), errc::cancelled);
    go_on.close();
    all.wait().value();
    EXPECT_TRUE(o.call([] { ADD_FAILURE() << "called twice"; }, ctx));
  });
}

TEST(once, calls_the_first_function_only) {
  in_both([] {
    once o;
    int calls = 0;
    for (int i = 0; i < 3; ++i) o.call([&] { ++calls; });
    EXPECT_EQ(calls, 1);
  });
}

TEST(once, others_wait_until_it_is_done_and_see_what_it_did) {
  in_weft([] {
    once o;
    int value = 0;
    std::atomic<bool> inside{false};
    std::atomic<bool> go_on{false};
    std::atomic<int> seen{0};
    go([&] {
      o.call([&] {
        inside = true;
        wait_until([&] { return go_on.load(); });
        value = 7;
      });
    });
    wait_until([&] { return inside.load(); });
    for (int i = 0; i < 5; ++i) {
      go([&] {
        o.call([] { ADD_FAILURE() << "called twice"; });
        seen += value;
      });
    }
    wait_until_parked(wait_reason::once, 5);
    EXPECT_EQ(seen, 0);
    go_on = true;
    wait_until([&] { return seen == 35; });
  });
}

TEST(once, an_exception_counts_as_done) {
  in_both([] {
    once o;
    EXPECT_THROW(o.call([] { throw std::runtime_error("first"); }), std::runtime_error);
    o.call([] { ADD_FAILURE() << "called again"; });
  });
}

}  // namespace
}  // namespace weft
