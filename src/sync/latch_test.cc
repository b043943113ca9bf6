#include <weft/context.h>
#include <weft/latch.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

constinit latch of_static_storage(1);

TEST(latch, opens_when_all_have_counted_down) {
  in_weft([] {
    latch l(3);
    std::atomic<int> done{0};
    wait_group waiting;
    for (int i = 0; i < 3; ++i) {
      waiting.go([&] {
        l.wait().value();
        EXPECT_EQ(done, 3);
      });
    }
    wait_until_parked(wait_reason::latch, 3);
    ++done;
    l.count_down();
    EXPECT_FALSE(l.try_wait());
    EXPECT_EQ(parked(wait_reason::latch), 3u);
    std::thread thread([&] {
      done += 2;
      l.arrive_and_wait(2).value();
    });
    waiting.wait().value();
    join_from_goroutine(thread);
    EXPECT_TRUE(l.try_wait());
    EXPECT_TRUE(l.wait());
  });
}

TEST(latch, of_nothing_is_open) {
  in_both([] {
    const latch l(0);
    EXPECT_TRUE(l.try_wait());
    EXPECT_TRUE(l.wait(-1ms));
  });
}

TEST(latch, is_there_before_any_code_runs) { EXPECT_FALSE(of_static_storage.try_wait()); }

TEST(latch, a_limit_ends_the_wait_and_what_was_counted_stays) {
  in_both([] {
    latch l(2);
    EXPECT_EQ(l.wait(1ms).error(), errc::timeout);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(l.arrive_and_wait(1, ctx).error(), errc::cancelled);
    l.count_down();
    EXPECT_TRUE(l.wait());
  });
}

TEST(latch, counting_too_far_throws_and_changes_nothing) {
  EXPECT_THROW(latch(-1), misuse_error);
  latch l(1);
  EXPECT_THROW(l.count_down(2), misuse_error);
  EXPECT_THROW(l.count_down(-1), misuse_error);
  EXPECT_FALSE(l.try_wait());
  l.count_down();
  EXPECT_THROW(l.count_down(), misuse_error);
}

TEST(latch, may_be_destroyed_when_the_wait_has_returned) {
  in_weft([] {
    for (int i = 0; i < scaled(3000); ++i) {
      auto l = std::make_unique<latch>(1);
      go([raw = l.get()] { raw->count_down(); });
      l->wait().value();
      l.reset();
    }
  });
}

TEST(latch, cancellations_race_with_the_opening) {
  in_weft([] {
    for (int i = 0; i < scaled(1000); ++i) {
      latch l(2);
      auto [ctx, cancel] = with_cancel({});
      wait_group all;
      for (int k = 0; k < 3; ++k) {
        all.go([&, ctx] {
          if (auto opened = l.wait(ctx); !opened) {
            EXPECT_EQ(opened.error(), errc::cancelled);
          }
        });
      }
      all.go([&] { l.count_down(); });
      go([cancel] { cancel(); });
      l.count_down();
      EXPECT_TRUE(l.wait());
      all.wait().value();
    }
  });
}

}  // namespace
}  // namespace weft
