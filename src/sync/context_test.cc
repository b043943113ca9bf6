#include <weft/channel.h>
#include <weft/context.h>
#include <weft/scope.h>
#include <weft/wait_group.h>

#include <atomic>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
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

// -- values --

const context_key<std::string> user;
const context_key<int> number;
const context_key<int> other_number;

TEST(context_value, the_nearest_one_is_found_and_keys_are_told_apart) {
  in_both([] {
    EXPECT_EQ(context().value(user), nullptr);
    const auto named = with_value(context(), user, "ana");
    const auto both = with_value(named, number, 7);
    const auto inner = with_value(both, user, "bob");
    EXPECT_EQ(*inner.value(user), "bob");
    EXPECT_EQ(*inner.value(number), 7);
    EXPECT_EQ(inner.value(other_number), nullptr);
    EXPECT_EQ(*both.value(user), "ana");
    EXPECT_EQ(named.value(number), nullptr);
  });
}

TEST(context_value, one_with_a_value_is_done_when_its_parent_is) {
  in_both([] {
    auto [parent, cancel] = with_cancel(context());
    const auto carrying = with_value(parent, number, 1);
    auto [below, cancel_below] = with_cancel(carrying);
    EXPECT_EQ(*below.value(number), 1);
    EXPECT_FALSE(carrying == parent);
    cancel();
    EXPECT_TRUE(carrying.done());
    EXPECT_TRUE(below.done());
  });
}

TEST(context_value, without_cancel_keeps_values_alone) {
  in_both([] {
    auto [parent, cancel] = with_timeout(with_value(context(), number, 3), 1h);
    const auto apart = without_cancel(parent);
    cancel();
    EXPECT_FALSE(apart.done());
    EXPECT_FALSE(apart.deadline());
    EXPECT_EQ(*apart.value(number), 3);
  });
}

// talkative: a value whose destructor uses the runtime.
struct talkative {
  explicit talkative(channel<int> to) : to_(std::move(to)) {}
  talkative(talkative&& other) noexcept : to_(std::exchange(other.to_, {})) {}
  ~talkative() {
    if (to_) to_.send(1);
  }
  channel<int> to_;
};

TEST(context_value, destructors_may_use_the_runtime_wherever_the_last_handle_is) {
  in_weft([] {
    static const context_key<talkative> key;
    channel<int> ended(4);
    {
      const auto dropped = with_value(context(), key, talkative(ended));
    }
    EXPECT_EQ(ended.recv().value(), 1);
    {
      scope s(with_value(context(), key, talkative(ended)));
      // It inherits the value, and outlives the scope.
      s.go([] { go([] { yield(); }); });
    }
    EXPECT_EQ(ended.recv().value(), 1);
    auto [ctx, cancel] = with_cancel(with_value(context(), key, talkative(ended)));
    ctx = context();
    cancel();
  });
}

TEST(context_value, a_long_row_of_them_ends_without_a_deep_stack) {
  in_weft([] {
    auto ctx = with_value(context(), number, 0);
    for (int i = 0; i < 100'000; ++i) ctx = with_value(ctx, other_number, i);
    EXPECT_EQ(*ctx.value(number), 0);
  });
}

// -- causes --

constexpr auto mine = std::errc::io_error;

TEST(context_cause, of_a_deadline_is_what_was_given_with_it) {
  in_both([] {
    const error why(std::make_error_code(mine), "mine");
    auto [ctx, cancel] = with_timeout(context(), 0s, why);
    EXPECT_EQ(ctx.err(), errc::timeout);
    EXPECT_EQ(ctx.cause(), std::make_error_code(mine));
    auto [below, cancel_below] = with_timeout(ctx, 1h);
    EXPECT_EQ(below.err(), errc::timeout);
    EXPECT_EQ(below.cause(), std::make_error_code(mine));
  });
}

TEST(context_cause, is_of_the_one_whose_deadline_it_is) {
  in_both([] {
    const error outer(std::make_error_code(mine), "outer");
    const error inner(std::make_error_code(std::errc::bad_message), "inner");
    auto [parent, cancel_parent] = with_timeout(context(), 1ms, outer);
    auto [child, cancel_child] = with_timeout(parent, 1h, inner);
    static_cast<void>(child.wait());
    EXPECT_EQ(child.cause(), std::make_error_code(mine));

    auto [late, cancel_late] = with_timeout(context(), 1h, outer);
    auto [early, cancel_early] = with_timeout(late, 1ms, inner);
    static_cast<void>(early.wait());
    EXPECT_EQ(early.cause(), std::make_error_code(std::errc::bad_message));
    EXPECT_FALSE(late.done());
  });
}

TEST(context_cause, a_cancellation_before_the_deadline_has_its_own) {
  in_both([] {
    const error why(std::make_error_code(mine), "mine");
    auto [ctx, cancel] = with_timeout(context(), 1h, why);
    cancel();
    EXPECT_EQ(ctx.cause(), errc::cancelled);
  });
}

// -- after_func --

TEST(after_func, runs_once_when_it_is_cancelled_times_out_or_was_done_before) {
  in_weft([] {
    channel<int> ran(3);
    auto [ctx, cancel] = with_cancel(context());
    const auto stop = after_func(ctx, [=] { ran.send(1); });
    EXPECT_FALSE(ran.try_recv());
    cancel();
    EXPECT_EQ(ran.recv().value(), 1);
    EXPECT_FALSE(stop());
    after_func(ctx, [=] { ran.send(2); });
    EXPECT_EQ(ran.recv().value(), 2);
    auto [timed, cancel_timed] = with_timeout(context(), 1ms);
    after_func(timed, [=] { ran.send(3); });
    EXPECT_EQ(ran.recv().value(), 3);
  });
}

TEST(after_func, stop_prevents_it_and_says_so_once) {
  in_weft([] {
    std::atomic<bool> ran{false};
    auto [ctx, cancel] = with_cancel(context());
    const auto stop = after_func(ctx, [&] { ran = true; });
    EXPECT_TRUE(stop());
    EXPECT_FALSE(stop());
    cancel();
    wait_until([] { return goroutine_count() == 1; });
    EXPECT_FALSE(ran);
  });
}

TEST(after_func, stop_and_cancel_race_for_it_and_one_wins) {
  in_weft([] {
    for (int i = 0; i < scaled(2'000); ++i) {
      std::atomic<int> ran{0};
      bool stopped = false;
      auto [ctx, cancel] = with_cancel(context());
      const auto stop = after_func(ctx, [&] { ++ran; });
      wait_group both;
      both.go([c = cancel] { c(); });
      both.go([&] { stopped = stop(); });
      both.wait().value();
      wait_until([] { return goroutine_count() == 1; });
      EXPECT_EQ(ran, stopped ? 0 : 1);
    }
  });
}

TEST(stop_bridge, requests_a_stop_when_the_context_is_done) {
  in_weft([] {
    auto [ctx, cancel] = with_cancel(context());
    const stop_bridge bridge(ctx);
    channel<int> heard(1);
    const std::stop_callback heard_it(bridge.token(), [=] { heard.send(1); });
    EXPECT_FALSE(bridge.token().stop_requested());
    cancel();
    EXPECT_EQ(heard.recv().value(), 1);
    EXPECT_TRUE(bridge.token().stop_requested());
  });
}

}  // namespace
}  // namespace weft
