#include <weft/context.h>
#include <weft/error_group.h>
#include <weft/semaphore.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

const error first(std::make_error_code(std::errc::no_such_process), "first");

TEST(error_group, waits_for_all_and_says_that_nothing_failed) {
  in_weft([] {
    error_group all;
    std::atomic<int> done{0};
    for (int i = 0; i < 10; ++i) {
      all.go([&]() -> result<void> {
           weft::yield();
           ++done;
           return {};
         })
          .value();
      all.go([&] { ++done; }).value();
    }
    EXPECT_TRUE(all.wait());
    EXPECT_EQ(done, 20);
    EXPECT_TRUE(all.context().done()) << "it is over";
  });
}

TEST(error_group, the_first_error_cancels_the_others_and_is_what_wait_returns) {
  in_weft([] {
    error_group all;
    for (int i = 0; i < 3; ++i) {
      all.go([&]() -> result<void> {
           all.context().wait().value();
           EXPECT_EQ(all.context().cause(), first);
           EXPECT_STREQ(all.context().cause()->op(), "first");
           return std::unexpected(error(errc::eof, "later"));
         })
          .value();
    }
    all.go([]() -> result<void> { return std::unexpected(first); }).value();
    EXPECT_EQ(all.wait().error(), first);
  });
}

// They return at the same time as the one that failed, which has still to leave its goroutine.
TEST(error_group, what_the_others_return_because_of_it_is_not_the_first) {
  in_weft([] {
    for (int round = 0; round < 500; ++round) {
      error_group all;
      for (int i = 0; i < 3; ++i) {
        all.go([&]() -> result<void> {
             while (!all.context().done()) weft::yield();
             return std::unexpected(error(errc::eof, "later"));
           })
            .value();
      }
      all.go([]() -> result<void> { return std::unexpected(first); }).value();
      ASSERT_EQ(all.wait().error(), first) << "round " << round;
    }
  });
}

TEST(error_group, every_wait_returns_the_first_error) {
  in_weft([] {
    error_group all;
    all.go([]() -> result<void> { return std::unexpected(first); }).value();
    EXPECT_EQ(all.wait().error(), first);
    all.go([]() -> result<void> { return std::unexpected(error(errc::eof)); }).value();
    EXPECT_EQ(all.wait().error(), first);
  });
}

TEST(error_group, an_exception_is_rethrown_by_wait) {
  in_weft([] {
    error_group all;
    all.go([&] { all.context().wait().value(); }).value();
    all.go([] { throw std::runtime_error("broken"); }).value();
    EXPECT_THROW(static_cast<void>(all.wait()), std::runtime_error);
    EXPECT_TRUE(all.wait()) << "once";
  });
}

TEST(error_group, a_limit_ends_the_wait_but_not_the_group) {
  in_weft([] {
    error_group all;
    semaphore hold(1, 0);
    all.go([&] { hold.acquire().value(); }).value();
    EXPECT_EQ(all.wait(1ms).error(), errc::timeout);
    EXPECT_FALSE(all.context().done());
    hold.release();
    EXPECT_TRUE(all.wait());
  });
}

TEST(error_group, its_parent_cancels_it) {
  in_weft([] {
    auto [ctx, cancel] = with_cancel({});
    error_group all(ctx);
    all.go([&] { all.context().wait().value(); }).value();
    cancel(first);
    EXPECT_TRUE(all.wait());
    EXPECT_EQ(all.context().cause(), first);
  });
}

TEST(error_group, no_more_run_than_its_limit) {
  in_weft([] {
    error_group all;
    all.set_limit(3);
    std::atomic<int> running{0};
    const int n = scaled(1000);
    for (int i = 0; i < n; ++i) {
      all.go([&] {
           EXPECT_LE(++running, 3);
           weft::yield();
           --running;
         })
          .value();
    }
    EXPECT_TRUE(all.wait());
  });
}

TEST(error_group, go_waits_for_a_slot_and_try_go_does_not) {
  in_weft([] {
    error_group all;
    all.set_limit(1);
    semaphore hold(1, 0);
    EXPECT_TRUE(all.try_go([&] { hold.acquire().value(); }));
    EXPECT_FALSE(all.try_go([] { ADD_FAILURE(); }));
    EXPECT_EQ(all.go([] { ADD_FAILURE(); }, 1ms).error(), errc::timeout);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(all.go([] { ADD_FAILURE(); }, ctx).error(), errc::cancelled);
    go([&] { hold.release(); });
    bool ran = false;
    EXPECT_TRUE(all.go([&] { ran = true; }));
    EXPECT_TRUE(all.wait());
    EXPECT_TRUE(ran);
  });
}

TEST(error_group, a_limit_of_nothing_lets_none_start_and_a_negative_one_all) {
  in_weft([] {
    error_group all;
    all.set_limit(0);
    EXPECT_FALSE(all.try_go([] { ADD_FAILURE(); }));
    EXPECT_EQ(all.go([] { ADD_FAILURE(); }, 1ms).error(), errc::timeout);
    all.set_limit(-1);
    EXPECT_TRUE(all.try_go([] {}));
    EXPECT_TRUE(all.wait());
  });
}

TEST(error_group, its_limit_cannot_change_while_they_run) {
  in_weft([] {
    error_group all;
    all.set_limit(3);
    semaphore hold(2, 0);
    for (int i = 0; i < 2; ++i) all.go([&] { hold.acquire().value(); }).value();
    try {
      all.set_limit(5);
      ADD_FAILURE();
    } catch (const misuse_error& e) {
      EXPECT_STREQ(e.what(),
                   "errgroup: modify limit while 2 goroutines in the group are still active");
    }
    EXPECT_TRUE(all.try_go([] {}));
    hold.release(2);
    EXPECT_TRUE(all.wait());
    all.set_limit(1);
  });
}

}  // namespace
}  // namespace weft
