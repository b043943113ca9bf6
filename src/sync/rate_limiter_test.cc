#include <weft/context.h>
#include <weft/rate_limiter.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <system_error>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

constexpr double once_an_hour = 1.0 / 3600;

TEST(rate_limiter, allows_a_burst_and_then_what_comes) {
  in_both([] {
    rate_limiter r(once_an_hour, 3);
    EXPECT_FALSE(r.allow(4)) << "more than fits the bucket";
    EXPECT_TRUE(r.allow(2));
    EXPECT_FALSE(r.allow(2));
    EXPECT_TRUE(r.allow());
    EXPECT_FALSE(r.allow());
    EXPECT_TRUE(r.allow(0));
    rate_limiter fast(1e9, 1);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(fast.wait());
  });
}

TEST(rate_limiter, without_a_limit_everything_goes) {
  in_both([] {
    rate_limiter r(rate_limiter::unlimited, 0);
    EXPECT_TRUE(r.allow(1'000'000));
    EXPECT_TRUE(r.wait(1'000'000));
    EXPECT_EQ(r.reserve(1'000'000).delay(), 0ns);
  });
}

TEST(rate_limiter, at_rate_0_there_is_only_what_is_there) {
  in_both([] {
    rate_limiter r(0, 2);
    EXPECT_TRUE(r.allow(2));
    EXPECT_FALSE(r.reserve().ok());
    EXPECT_EQ(r.wait(1ms).error(), errc::timeout);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(r.wait(ctx).error(), errc::cancelled);
    r.set_rate(1e9);
    EXPECT_TRUE(r.wait());
  });
}

TEST(rate_limiter, reservations_queue_up_behind_each_other) {
  in_both([] {
    rate_limiter r(once_an_hour, 2);
    const auto now = r.reserve(2);
    EXPECT_TRUE(now.ok());
    EXPECT_EQ(now.delay(), 0ns);
    const auto second = r.reserve();
    const auto third = r.reserve(2);
    EXPECT_GT(second.delay(), 59min);
    EXPECT_LE(second.delay(), 1h);
    EXPECT_GT(third.at() - second.at(), 119min);
    EXPECT_LT(r.tokens(), -2.9);
    EXPECT_FALSE(r.reserve(3).ok());
  });
}

TEST(rate_limiter, a_cancelled_reservation_gives_back_what_nobody_counts_on) {
  in_both([] {
    rate_limiter r(once_an_hour, 4);
    EXPECT_TRUE(r.allow(4));
    auto first = r.reserve(2);
    auto second = r.reserve(1);
    second.cancel();
    EXPECT_GT(r.tokens(), -2.01);
    auto last = r.reserve(1);
    first.cancel();  // of its 2 tokens `last` relies on one
    EXPECT_GT(r.tokens(), -2.01);
    EXPECT_LT(r.tokens(), -1.99);
    last.cancel();
    EXPECT_LT(r.tokens(), 0);
  });
}

TEST(rate_limiter, a_wait_that_would_be_too_long_takes_nothing) {
  in_both([] {
    rate_limiter r(once_an_hour, 2);
    EXPECT_TRUE(r.allow(2));
    EXPECT_EQ(r.wait(1min).error(), errc::timeout);
    EXPECT_GE(r.tokens(), 0);
    EXPECT_EQ(r.wait(3).error().code(), std::errc::invalid_argument);
  });
}

TEST(rate_limiter, a_cancelled_wait_gives_its_tokens_back) {
  in_weft([] {
    rate_limiter r(once_an_hour, 1);
    EXPECT_TRUE(r.allow());
    auto [ctx, cancel] = with_cancel({});
    wait_group all;
    all.go([&, ctx] { EXPECT_EQ(r.wait(ctx).error(), errc::cancelled); });
    wait_until_parked(wait_reason::sleep, 1);
    EXPECT_LT(r.tokens(), -0.9);
    cancel();
    all.wait().value();
    EXPECT_GE(r.tokens(), 0);
  });
}

TEST(rate_limiter, what_is_negative_throws) {
  EXPECT_THROW(rate_limiter(-1, 1), misuse_error);
  EXPECT_THROW(rate_limiter(1, -1), misuse_error);
  rate_limiter r(1, 1);
  EXPECT_THROW(static_cast<void>(r.allow(-1)), misuse_error);
  EXPECT_THROW(static_cast<void>(r.wait(-1)), misuse_error);
  EXPECT_THROW(static_cast<void>(r.reserve(-1)), misuse_error);
  EXPECT_THROW(r.set_rate(-1), misuse_error);
  EXPECT_THROW(r.set_burst(-1), misuse_error);
}

TEST(rate_limiter, no_more_is_taken_than_there_is_whoever_asks) {
  in_weft([] {
    constexpr int burst = 100;
    rate_limiter r(once_an_hour, burst);
    std::atomic<int> allowed{0};
    wait_group all;
    for (int i = 0; i < 8; ++i) {
      all.go([&, i] {
        for (int n = 0; n < burst; ++n) {
          auto [ctx, cancel] = with_cancel({});
          if (i % 2 == 0) {
            if (r.allow()) ++allowed;
          } else {
            go([cancel] { cancel(); });
            if (r.wait(ctx)) ++allowed;
          }
        }
      });
    }
    all.wait().value();
    EXPECT_EQ(allowed, burst);
  });
}

}  // namespace
}  // namespace weft
