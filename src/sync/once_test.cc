#include <weft/context.h>
#include <weft/once.h>
#include <weft/semaphore.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

TEST(once_func, runs_once_whoever_calls_it) {
  in_weft([] {
    for (int i = 0; i < scaled(200); ++i) {
      int runs = 0;
      once_func f([&] {
        weft::yield();
        ++runs;
      });
      const auto call = [&] {
        f().value();
        EXPECT_EQ(runs, 1);
      };
      wait_group all;
      for (int k = 0; k < 4; ++k) all.go(call);
      std::thread thread(call);
      all.wait().value();
      join_from_goroutine(thread);
    }
  });
}

TEST(once_func, its_exception_is_rethrown_by_every_call) {
  in_both([] {
    int runs = 0;
    once_func f([&] {
      ++runs;
      throw std::runtime_error("broken");
    });
    for (int i = 0; i < 3; ++i) EXPECT_THROW(static_cast<void>(f()), std::runtime_error);
    EXPECT_EQ(runs, 1);
    once_value v([&]() -> int { throw std::runtime_error("broken"); });
    for (int i = 0; i < 3; ++i) EXPECT_THROW(v(), std::runtime_error);
  });
}

TEST(once_func, what_it_holds_is_gone_when_it_has_run) {
  in_both([] {
    auto held = std::make_shared<int>(1);
    once_func f([copy = held] { EXPECT_EQ(*copy, 1); });
    once_value v([copy = held] { return *copy; });
    EXPECT_EQ(held.use_count(), 3);
    f().value();
    EXPECT_EQ(v(), 1);
    EXPECT_EQ(held.use_count(), 1);
  });
}

TEST(once_value, all_calls_refer_to_one_value) {
  in_both([] {
    int runs = 0;
    once_value v([&] { return std::make_unique<int>(++runs); });
    const auto& first = v();
    EXPECT_EQ(&v(), &first);
    EXPECT_EQ(v.get().value(), &first);
    EXPECT_EQ(*first, 1);
  });
}

TEST(once_value, a_limit_ends_the_wait_for_anothers_call) {
  in_weft([] {
    semaphore hold(1, 0);
    once_value v([&] {
      hold.acquire().value();
      return 1;
    });
    wait_group all;
    all.go([&] { v(); });
    wait_until_parked(wait_reason::semaphore, 1);
    EXPECT_EQ(v.get(1ms).error(), errc::timeout);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(v.get(ctx).error(), errc::cancelled);
    hold.release();
    EXPECT_EQ(v(), 1);
    all.wait().value();
  });
}

}  // namespace
}  // namespace weft
