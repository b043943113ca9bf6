#include <weft/channel.h>
#include <weft/context.h>
#include <weft/wait_group.h>

#include <atomic>
#include <stop_token>
#include <thread>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

TEST(context, the_background_is_never_done) {
  in_both([] {
    const context ctx = context::background();
    EXPECT_FALSE(ctx.done());
    EXPECT_FALSE(ctx.err());
    EXPECT_FALSE(ctx.cause());
    EXPECT_FALSE(ctx.deadline());
    EXPECT_EQ(ctx.wait(1ms).error(), errc::timeout);
    EXPECT_EQ(context::current(), ctx);
  });
}

TEST(context, a_cancel_reaches_everything_below_and_nothing_above) {
  in_both([] {
    auto [root, cancel_root] = with_cancel({});
    auto [middle, cancel_middle] = with_cancel(root);
    auto [leaf, cancel_leaf] = with_timeout(middle, 1h);
    auto [other, cancel_other] = with_cancel(root);
    cancel_middle();
    EXPECT_TRUE(middle.done());
    EXPECT_TRUE(leaf.done());
    EXPECT_EQ(leaf.err(), errc::cancelled);
    EXPECT_FALSE(root.done());
    EXPECT_FALSE(other.done());
    cancel_root();
    EXPECT_TRUE(other.done());
  });
}

TEST(context, one_below_a_cancelled_one_is_done_from_the_start) {
  in_both([] {
    auto [parent, cancel] = with_cancel({});
    cancel(error(std::make_error_code(std::errc::io_error), "mine"));
    auto [child, cancel_child] = with_cancel(parent);
    EXPECT_EQ(child.err(), errc::cancelled);
    EXPECT_EQ(child.cause(), std::make_error_code(std::errc::io_error));
  });
}

TEST(context, the_first_cause_wins) {
  in_both([] {
    auto [ctx, cancel] = with_cancel({});
    cancel(error(std::make_error_code(std::errc::io_error)));
    cancel(error(std::make_error_code(std::errc::broken_pipe)));
    cancel();
    EXPECT_EQ(ctx.err(), errc::cancelled);
    EXPECT_EQ(ctx.cause(), std::make_error_code(std::errc::io_error));
    auto [plain, cancel_plain] = with_cancel({});
    cancel_plain();
    EXPECT_EQ(plain.cause(), errc::cancelled);
  });
}

TEST(context, the_earlier_deadline_wins) {
  in_both([] {
    const auto now = limit::clock::now();
    auto [outer, cancel_outer] = with_deadline({}, now + 1h);
    auto [later, cancel_later] = with_deadline(outer, now + 2h);
    auto [earlier, cancel_earlier] = with_deadline(outer, now + 1min);
    EXPECT_EQ(later.deadline(), now + 1h);
    EXPECT_EQ(earlier.deadline(), now + 1min);
  });
}

TEST(context, a_past_deadline_is_done_at_once) {
  in_both([] {
    auto [past, cancel_past] = with_deadline({}, limit::clock::now() - 1s);
    EXPECT_EQ(past.err(), errc::timeout);
    auto [negative, cancel_negative] = with_timeout({}, -1h);
    EXPECT_TRUE(negative.done());
    auto [child, cancel_child] = with_cancel(negative);
    EXPECT_EQ(child.err(), errc::timeout);
    cancel_child();
    EXPECT_EQ(child.err(), errc::timeout);
  });
}

TEST(context, a_deadline_that_passed_unseen_beats_a_later_cancel) {
  in_both([] {
    auto [ctx, cancel] = with_timeout({}, 1ms);
    auto [child, cancel_child] = with_cancel(ctx);
    while (limit::clock::now() < *ctx.deadline()) std::this_thread::yield();
    cancel_child();
    cancel();
    EXPECT_EQ(ctx.err(), errc::timeout);
    EXPECT_EQ(child.err(), errc::timeout);
  });
}

TEST(context, a_deadline_of_its_own_that_passed_unseen_beats_a_cancel_from_above) {
  in_both([] {
    auto [parent, cancel] = with_cancel({});
    auto [timed, cancel_timed] = with_timeout(parent, 1ms);
    auto [below, cancel_below] = with_cancel(timed);
    auto [other, cancel_other] = with_cancel(parent);
    while (limit::clock::now() < *timed.deadline()) std::this_thread::yield();
    cancel(error(std::make_error_code(std::errc::io_error)));
    EXPECT_EQ(parent.err(), errc::cancelled);
    EXPECT_EQ(other.err(), errc::cancelled);
    EXPECT_EQ(other.cause(), std::make_error_code(std::errc::io_error));
    EXPECT_EQ(timed.err(), errc::timeout);
    EXPECT_EQ(timed.cause(), errc::timeout);
    EXPECT_EQ(below.err(), errc::timeout);
  });
}

TEST(context, huge_durations_never_end) {
  in_both([] {
    auto [ctx, cancel] = with_timeout({}, std::chrono::hours::max());
    EXPECT_FALSE(ctx.done());
    EXPECT_FALSE(ctx.deadline());
    using far = std::chrono::time_point<limit::clock, std::chrono::hours>;
    auto [later, cancel_later] = with_deadline({}, far::max());
    EXPECT_FALSE(later.done());
    auto [long_ago, cancel_long_ago] = with_deadline({}, far::min());
    EXPECT_EQ(long_ago.err(), errc::timeout);
  });
}

TEST(context, a_very_wide_tree_comes_and_goes) {
  in_both([] {
    const auto n = static_cast<std::size_t>(scaled(1'000'000));
    auto [root, cancel] = with_cancel({});
    std::vector<context> leaves;
    leaves.reserve(n);
    for (std::size_t i = 0; i < n; ++i) leaves.push_back(with_cancel(root).ctx);
    std::thread([half = std::vector(leaves.begin(), leaves.begin() + static_cast<long>(n / 2))] {
    }).join();
    leaves.resize(n / 2);
    cancel();
    EXPECT_TRUE(leaves.front().done());
    EXPECT_TRUE(leaves.back().done());
  });
}

TEST(context, waiting_ends_when_it_is_done) {
  in_weft([] {
    auto [ctx, cancel] = with_cancel({});
    wait_group waiters;
    std::atomic<int> ended{0};
    for (int i = 0; i < 10; ++i) {
      waiters.go([&, ctx] {
        if (ctx.wait()) ++ended;
      });
    }
    wait_until_parked(wait_reason::context_done, 10);
    cancel();
    waiters.wait().value();
    EXPECT_EQ(ended, 10);
    EXPECT_TRUE(ctx.wait());
  });
}

TEST(context, waiting_ends_at_its_deadline_or_at_the_limit) {
  in_both([] {
    auto [soon, cancel_soon] = with_timeout({}, 1ms);
    EXPECT_TRUE(soon.wait());
    EXPECT_EQ(soon.err(), errc::timeout);
    auto [late, cancel_late] = with_timeout({}, 1h);
    EXPECT_EQ(late.wait(1ms).error(), errc::timeout);
    EXPECT_EQ(late.wait(soon).error(), errc::timeout);
    auto [other, cancel_other] = with_cancel({});
    cancel_other();
    EXPECT_EQ(late.wait(other).error(), errc::cancelled);
  });
}

TEST(context, a_waiter_under_a_child_is_woken_by_the_parent) {
  in_weft([] {
    auto [parent, cancel] = with_cancel({});
    auto [child, cancel_child] = with_timeout(parent, 1h);
    go([cancel] {
      wait_until_parked(wait_reason::chan_receive, 1);
      cancel();
    });
    EXPECT_EQ(channel<int>(0).recv(child).error(), errc::cancelled);
  });
}

TEST(context, its_deadline_ends_a_wait_under_it) {
  in_both([] {
    auto [ctx, cancel] = with_timeout({}, 1ms);
    EXPECT_EQ(channel<int>(0).recv(ctx).error(), errc::timeout);
    EXPECT_EQ(channel<int>(0).recv({ctx, 1h}).error(), errc::timeout);
    auto [late, cancel_late] = with_timeout({}, 1h);
    EXPECT_EQ(channel<int>(0).recv({late, 1ms}).error(), errc::timeout);
    EXPECT_FALSE(late.done());
  });
}

TEST(context, cancelling_wakes_plain_threads) {
  auto [ctx, cancel] = with_cancel({});
  std::thread waiter([ctx] {
    EXPECT_EQ(channel<int>(0).recv(ctx).error(), errc::cancelled);
    EXPECT_TRUE(ctx.wait());
  });
  cancel();
  waiter.join();
}

TEST(context, a_deep_tree_is_cancelled_and_released_without_recursion) {
  in_both([] {
    auto [root, cancel] = with_cancel({});
    context leaf = root;
    for (int i = 0; i < scaled(100'000); ++i) leaf = with_cancel(leaf).ctx;
    cancel();
    EXPECT_TRUE(leaf.done());
    leaf = {};
    for (int i = 0; i < scaled(100'000); ++i) leaf = with_cancel(leaf).ctx;
  });
}

TEST(context, a_wide_tree_is_cancelled) {
  in_both([] {
    auto [root, cancel] = with_cancel({});
    std::vector<context> leaves;
    for (int i = 0; i < 1000; ++i) leaves.push_back(with_cancel(root).ctx);
    leaves.erase(leaves.begin(), leaves.begin() + 500);
    cancel();
    for (const auto& leaf : leaves) EXPECT_TRUE(leaf.done());
  });
}

TEST(context, a_stop_token_cancels_what_is_made_of_it) {
  in_both([] {
    std::stop_source stop;
    const context ctx = with_stop_token(stop.get_token());
    auto [child, cancel] = with_cancel(ctx);
    EXPECT_FALSE(child.done());
    stop.request_stop();
    EXPECT_EQ(ctx.err(), errc::cancelled);
    EXPECT_TRUE(child.done());
    EXPECT_TRUE(with_stop_token(stop.get_token()).done());
    EXPECT_FALSE(with_stop_token(std::stop_token()).done());
  });
}

TEST(context, a_stop_token_context_has_a_parent_too) {
  in_both([] {
    std::stop_source stop;
    auto [parent, cancel] = with_cancel({});
    const context ctx = with_stop_token(stop.get_token(), parent);
    cancel();
    EXPECT_TRUE(ctx.done());
  });
}

TEST(context, cancels_race_with_children_that_come_and_go) {
  in_weft([] {
    for (int round = 0; round < scaled(300); ++round) {
      auto [root, cancel] = with_cancel({});
      wait_group all;
      std::atomic<int> woken{0};
      for (int i = 0; i < 6; ++i) {
        all.go([&, root] {
          for (;;) {
            auto [child, cancel_child] = with_cancel(root);
            auto [below, cancel_below] = with_timeout(child, 1h);
            if (below.wait(std::chrono::microseconds(5))) break;
          }
          ++woken;
        });
      }
      for (int i = 0; i < 3; ++i) {
        all.go([cancel] {
          weft::yield();
          cancel();
        });
      }
      all.wait().value();
      ASSERT_EQ(woken, 6);
    }
  });
}

TEST(context, stops_race_with_contexts_that_come_and_go) {
  for (int round = 0; round < scaled(200); ++round) {
    std::stop_source stop;
    std::thread user([token = stop.get_token()] {
      while (!with_stop_token(token).done()) {
        EXPECT_NE(channel<int>(0).recv({token, 10us}).error(), errc::closed);
      }
    });
    stop.request_stop();
    user.join();
  }
}

}  // namespace
}  // namespace weft
