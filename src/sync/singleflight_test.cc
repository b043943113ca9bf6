#include <weft/channel.h>
#include <weft/context.h>
#include <weft/semaphore.h>
#include <weft/singleflight.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

using flights = singleflight<std::string, int>;

TEST(singleflight, a_call_alone_is_not_shared) {
  in_both([] {
    flights f;
    for (int i = 0; i < 2; ++i) {
      const auto [value, shared] = f.call("a", [&] { return i; });
      EXPECT_EQ(value, i) << "nothing is kept";
      EXPECT_FALSE(shared);
    }
    const auto failed =
        f.call("a", []() -> result<int> { return std::unexpected(error(errc::eof)); });
    EXPECT_EQ(failed.value.error(), errc::eof);
  });
}

TEST(singleflight, those_who_come_meanwhile_get_the_same) {
  in_weft([] {
    flights f;
    semaphore hold(1, 0);
    std::atomic<int> calls{0};
    wait_group all;
    const auto call = [&] {
      const auto [value, shared] = f.call("a", [&] {
        hold.acquire().value();
        return ++calls;
      });
      EXPECT_EQ(value, 1);
      EXPECT_TRUE(shared);
    };
    all.go(call);
    wait_until_parked(wait_reason::semaphore, 1);
    for (int i = 0; i < 4; ++i) all.go(call);
    wait_until_parked(wait_reason::latch, 4);
    EXPECT_EQ(f.call("b", [] { return 7; }).value, 7) << "another key is another flight";
    hold.release();
    all.wait().value();
    EXPECT_EQ(calls, 1);
  });
}

TEST(singleflight, an_exception_is_rethrown_to_all) {
  in_weft([] {
    flights f;
    semaphore hold(1, 0);
    std::atomic<int> caught{0};
    wait_group all;
    const auto call = [&] {
      try {
        static_cast<void>(f.call("a", [&]() -> int {
          hold.acquire().value();
          throw std::runtime_error("broken");
        }));
      } catch (const std::runtime_error&) {
        ++caught;
      }
    };
    all.go(call);
    wait_until_parked(wait_reason::semaphore, 1);
    for (int i = 0; i < 2; ++i) all.go(call);
    wait_until_parked(wait_reason::latch, 2);
    hold.release();
    all.wait().value();
    EXPECT_EQ(caught, 3);
    EXPECT_EQ(f.call("a", [] { return 1; }).value, 1);
  });
}

TEST(singleflight, a_limit_ends_the_wait_of_who_waits) {
  in_weft([] {
    flights f;
    semaphore hold(1, 0);
    wait_group all;
    all.go([&] {
      const auto a = f.call("a", [&] {
        hold.acquire().value();
        return 1;
      });
      EXPECT_EQ(a.value, 1);
    });
    wait_until_parked(wait_reason::semaphore, 1);
    const auto none = [] { return 0; };
    EXPECT_EQ(f.call("a", none, 1ms).value.error(), errc::timeout);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(f.call("a", none, ctx).value.error(), errc::cancelled);
    hold.release();
    all.wait().value();
  });
}

TEST(singleflight, who_comes_after_forget_begins_anew) {
  in_weft([] {
    flights f;
    semaphore hold(1, 0);
    wait_group all;
    all.go([&] {
      const auto a = f.call("a", [&] {
        hold.acquire().value();
        return 1;
      });
      EXPECT_EQ(a.value, 1);
      EXPECT_FALSE(a.shared);
    });
    wait_until_parked(wait_reason::semaphore, 1);
    f.forget("a");
    const auto second = f.call("a", [&] {
      hold.release();
      all.wait().value();  // the first one ends, and must not end the second
      return 2;
    });
    EXPECT_EQ(second.value, 2);
    EXPECT_FALSE(second.shared);
  });
}

TEST(singleflight, gives_nothing_as_well) {
  in_both([] {
    singleflight<int, void> f;
    bool ran = false;
    EXPECT_TRUE(f.call(1, [&] { ran = true; }).value);
    EXPECT_TRUE(ran);
  });
}

TEST(singleflight, calls_race_with_cancellations) {
  in_weft([] {
    singleflight<int, int> f;
    std::atomic<int> flying{0};
    const int each = scaled(1000);
    const auto work = [&](int me) {
      for (int n = 0; n < each; ++n) {
        auto [ctx, cancel] = with_cancel({});
        if (n % 2 == me % 2) go([cancel] { cancel(); });
        const auto a = f.call(
            1,
            [&] {
              EXPECT_EQ(++flying, 1);
              weft::yield();
              --flying;
              return n;
            },
            ctx);
        if (!a.value) {
          EXPECT_EQ(a.value.error(), errc::cancelled);
        }
      }
    };
    wait_group all;
    for (int i = 0; i < 6; ++i) all.go([&, i] { work(i); });
    std::thread thread([&] { work(6); });
    all.wait().value();
    join_from_goroutine(thread);
  });
}

}  // namespace
}  // namespace weft
