#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;
using clock = limit::clock;

TEST(sleep, lasts_at_least_that_long) {
  in_both([] {
    const auto begin = clock::now();
    EXPECT_TRUE(sleep_for(2ms));
    EXPECT_GE(clock::now() - begin, 2ms);
    EXPECT_TRUE(sleep_until(begin + 4ms));
    EXPECT_GE(clock::now() - begin, 4ms);
  });
}

TEST(sleep, of_nothing_returns_at_once) {
  in_both([] {
    EXPECT_TRUE(sleep_for(0s));
    EXPECT_TRUE(sleep_for(-1h));
    EXPECT_TRUE(sleep_until(clock::now() - 1h));
  });
}

TEST(sleep, ends_with_its_limit) {
  in_both([] {
    EXPECT_EQ(sleep_for(1h, 1ms).error(), errc::timeout);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(sleep_for(1h, ctx).error(), errc::cancelled);
    auto [timed, cancel_timed] = with_timeout({}, 1ms);
    EXPECT_EQ(sleep_for(std::chrono::hours::max(), timed).error(), errc::timeout);
    EXPECT_TRUE(sleep_for(1ms, 1h));
  });
}

TEST(sleep, many_sleepers_all_wake) {
  in_weft([] {
    wait_group all;
    for (int i = 0; i < scaled(2000); ++i) {
      all.go([i] { EXPECT_TRUE(sleep_for(std::chrono::microseconds(i % 700))); });
    }
    all.wait().value();
  });
}

TEST(timer, has_one_value_the_time_it_was_due) {
  in_both([] {
    const auto begin = clock::now();
    timer t(1ms);
    const auto at = t.channel().recv().value();
    EXPECT_GE(at, begin + 1ms);
    EXPECT_LE(at, clock::now());
    EXPECT_EQ(t.channel().recv(1ms).error(), errc::timeout);
    EXPECT_EQ(t.channel().size(), 0U);
    EXPECT_EQ(t.channel().capacity(), 0U);
  });
}

TEST(timer, of_nothing_is_due_now) {
  in_both([] {
    const auto begin = clock::now();
    timer t(0ms);
    const auto at = t.channel().recv().value();
    EXPECT_GE(at, begin);
    EXPECT_LE(at, clock::now());
    EXPECT_FALSE(t.reset(-1h));
    EXPECT_GE(t.channel().recv().value(), at);
  });
}

TEST(timer, a_value_that_nobody_took_is_gone_after_stop_and_reset) {
  in_both([] {
    timer t(1us);
    while (!select(otherwise(), recv(t.channel()))) {
    }
    EXPECT_FALSE(t.stop());
    EXPECT_FALSE(t.reset(1us));
    static_cast<void>(sleep_for(1ms));
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.channel().try_recv());
    EXPECT_FALSE(t.reset(1us));
    static_cast<void>(sleep_for(1ms));
    EXPECT_TRUE(t.reset(1h));
    EXPECT_EQ(t.channel().recv(1ms).error(), errc::timeout);
  });
}

TEST(timer, a_reset_is_noticed_by_who_waits) {
  in_weft([] {
    timer t(1h);
    wait_group all;
    all.go([&] { EXPECT_TRUE(t.channel().recv()); });
    wait_until_parked(wait_reason::chan_receive, 1);
    EXPECT_TRUE(t.reset(1ms));
    all.wait().value();
  });
}

TEST(timer, a_stop_is_noticed_by_who_waits) {
  in_weft([] {
    for (bool stopped = false; !stopped;) {
      timer t(5ms);
      bool got = false;
      wait_group all;
      all.go([&] { got = t.channel().recv(20ms).has_value(); });
      for (int i = 0; i < 10; ++i) weft::yield();
      stopped = t.stop();  // unless the value was faster
      all.wait().value();
      EXPECT_EQ(got, !stopped);
    }
  });
}

TEST(timer, one_value_goes_to_one_receiver) {
  in_weft([] {
    timer t(1ms);
    wait_group all;
    std::atomic<int> got{0};
    for (int i = 0; i < 5; ++i) {
      all.go([&] {
        if (t.channel().recv(50ms)) ++got;
      });
    }
    all.wait().value();
    EXPECT_EQ(got, 1);
  });
}

TEST(ticker, ticks_at_multiples_of_its_period) {
  in_both([] {
    ticker every(500us);
    const auto first = every.channel().recv().value();
    for (int i = 0; i < 5; ++i) {
      const auto at = every.channel().recv().value();
      EXPECT_GT(at, first);
      EXPECT_EQ((at - first) % 500us, 0ns);
    }
  });
}

TEST(ticker, drops_ticks_that_nobody_takes) {
  in_both([] {
    ticker every(100us);
    static_cast<void>(sleep_for(5ms));
    const auto late = every.channel().try_recv();
    ASSERT_TRUE(late);
    const auto next = every.channel().recv().value();
    EXPECT_GE(next - *late, 4ms);
  });
}

TEST(ticker, no_tick_arrives_after_stop) {
  in_both([] {
    ticker every(100us);
    static_cast<void>(sleep_for(1ms));
    every.stop();
    EXPECT_FALSE(every.channel().try_recv());
    EXPECT_EQ(every.channel().recv(2ms).error(), errc::timeout);
    every.reset(200us);
    EXPECT_TRUE(every.channel().recv());
  });
}

TEST(ticker, an_impossible_period_throws) {
  EXPECT_THROW(ticker(0s), misuse_error);
  EXPECT_THROW(ticker(-1s), misuse_error);
  EXPECT_THROW(ticker{std::chrono::hours::min()}, misuse_error);
  ticker every(1h);
  EXPECT_THROW(every.reset(0s), misuse_error);
}

TEST(ticker, a_huge_period_never_ticks) {
  in_both([] {
    ticker every(std::chrono::hours::max());
    EXPECT_EQ(every.channel().recv(1ms).error(), errc::timeout);
  });
}

TEST(func_timer, calls_its_function_once_in_a_goroutine_of_its_own) {
  in_weft([] {
    channel<bool> ran(1);
    auto t = after_func(1ms, [=] { ran.send(in_goroutine()); });
    EXPECT_TRUE(ran.recv().value());
    EXPECT_FALSE(t.stop());
    after_func(-1s, [=] { ran.send(true); });
    EXPECT_TRUE(ran.recv().value());
  });
}

TEST(func_timer, stop_prevents_the_call_and_reset_moves_it) {
  in_weft([] {
    channel<int> ran(2);
    auto t = after_func(1h, [=] { ran.send(1); });
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.stop());
    EXPECT_FALSE(t.reset(1h));
    EXPECT_TRUE(t.reset(1ms));
    EXPECT_EQ(ran.recv().value(), 1);
    EXPECT_FALSE(t.reset(0s));
    EXPECT_EQ(ran.recv().value(), 1);
    wait_until([] { return goroutine_count() == 1; });
    EXPECT_FALSE(ran.try_recv());
  });
}

}  // namespace
}  // namespace weft
