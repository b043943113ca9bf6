#include <weft/barrier.h>
#include <weft/context.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;

TEST(barrier, lets_nobody_ahead_of_the_others) {
  in_weft([] {
    constexpr int members = 5;
    const int rounds = scaled(1000);
    int phases = 0;
    std::atomic<int> arrived{0};
    barrier b(members, [&]() noexcept {
      ++phases;
      EXPECT_EQ(arrived, members * phases) << "all have arrived when it is called";
    });
    const auto member = [&] {
      for (int i = 1; i <= rounds; ++i) {
        ++arrived;
        b.arrive_and_wait().value();
        EXPECT_EQ(phases, i) << "it was called before anybody goes on";
      }
    };
    wait_group all;
    for (int i = 1; i < members; ++i) all.go(member);
    std::thread thread(member);
    all.wait().value();
    join_from_goroutine(thread);
    EXPECT_EQ(phases, rounds);
  });
}

TEST(barrier, who_drops_out_is_not_expected_again) {
  in_both([] {
    int phases = 0;
    barrier b(2, [&]() noexcept { ++phases; });
    b.arrive_and_drop();
    EXPECT_EQ(phases, 0);
    b.arrive_and_wait().value();
    b.arrive_and_wait().value();
    EXPECT_EQ(phases, 2);
  });
}

TEST(barrier, a_token_waits_for_its_own_phase) {
  in_both([] {
    barrier b(2);
    const auto first = b.arrive();
    EXPECT_EQ(b.wait(first, 1ms).error(), errc::timeout);
    static_cast<void>(b.arrive());
    EXPECT_TRUE(b.wait(first));
    const auto second = b.arrive(2);
    EXPECT_TRUE(b.wait(first));
    EXPECT_TRUE(b.wait(second));
  });
}

TEST(barrier, an_arrival_counts_though_its_wait_was_cancelled) {
  in_both([] {
    barrier b(2);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(b.arrive_and_wait(ctx).error(), errc::cancelled);
    EXPECT_TRUE(b.arrive_and_wait());
  });
}

TEST(barrier, too_many_arrivals_throw_and_change_nothing) {
  EXPECT_THROW(barrier<>(-1), misuse_error);
  barrier b(2);
  EXPECT_THROW(static_cast<void>(b.arrive(3)), misuse_error);
  EXPECT_THROW(static_cast<void>(b.arrive(0)), misuse_error);
  const auto at = b.arrive();
  EXPECT_THROW(static_cast<void>(b.arrive(2)), misuse_error);
  static_cast<void>(b.arrive());
  EXPECT_TRUE(b.wait(at));
}

TEST(barrier, cancellations_race_with_the_last_arrival) {
  in_weft([] {
    constexpr int members = 4;
    for (int i = 0; i < scaled(1000); ++i) {
      barrier b(members);
      auto [ctx, cancel] = with_cancel({});
      wait_group all;
      for (int k = 0; k < members; ++k) {
        all.go([&, ctx] {
          const auto at = b.arrive();
          if (!b.wait(at, ctx)) {
            EXPECT_TRUE(b.wait(at));
          }
        });
      }
      go([cancel] { cancel(); });
      all.wait().value();
    }
  });
}

}  // namespace
}  // namespace weft
