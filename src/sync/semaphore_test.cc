#include <weft/channel.h>
#include <weft/context.h>
#include <weft/semaphore.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

constinit semaphore of_static_storage(2);

// queue: starts a goroutine that acquires `n` and then says `name`; returns when it waits.
void queue(semaphore& s, std::ptrdiff_t n, const channel<char>& order, char name) {
  const std::size_t before = parked(wait_reason::semaphore);
  go([&s, order, n, name] {
    s.acquire(n).value();
    order.send(name);
  });
  wait_until_parked(wait_reason::semaphore, before + 1);
}

TEST(semaphore, lets_in_at_most_its_size_among_threads_and_goroutines) {
  in_weft([] {
    semaphore s(3);
    std::atomic<long> inside{0};
    std::atomic<long> most{0};
    const int each = scaled(10'000);
    const auto work = [&](std::ptrdiff_t n) {
      for (int i = 0; i < each; ++i) {
        s.acquire(n).value();
        const long now = inside += n;
        long seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        if (i % 16 == 0) weft::yield();
        inside -= n;
        s.release(n);
      }
    };
    wait_group all;
    for (std::ptrdiff_t i = 0; i < 6; ++i) all.go([&, i] { work(1 + i % 3); });
    std::thread thread([&] { work(2); });
    all.wait().value();
    join_from_goroutine(thread);
    EXPECT_LE(most, 3);
    EXPECT_TRUE(s.try_acquire(3));
  });
}

TEST(semaphore, is_there_before_any_code_runs) {
  in_both([] {
    EXPECT_TRUE(of_static_storage.try_acquire(2));
    of_static_storage.release(2);
  });
}

TEST(semaphore, try_acquire_takes_what_is_there) {
  in_both([] {
    semaphore s(3);
    EXPECT_TRUE(s.try_acquire(2));
    EXPECT_FALSE(s.try_acquire(2));
    EXPECT_TRUE(s.try_acquire());
    EXPECT_FALSE(s.try_acquire());
    EXPECT_TRUE(s.try_acquire(0));
    s.release(3);
    EXPECT_TRUE(s.try_acquire(3));
    EXPECT_FALSE(s.try_acquire(4));
  });
}

TEST(semaphore, is_first_come_first_served) {
  in_weft([] {
    semaphore s(1, 0);
    const channel<char> order(4);
    for (const char name : {'a', 'b', 'c', 'd'}) queue(s, 1, order, name);
    for (const char name : {'a', 'b', 'c', 'd'}) {
      s.release();
      EXPECT_EQ(order.recv().value(), name);
    }
  });
}

TEST(semaphore, a_large_request_at_the_head_holds_up_smaller_ones) {
  in_weft([] {
    semaphore s(4, 0);
    const channel<char> order(2);
    queue(s, 3, order, 'L');
    queue(s, 1, order, 's');
    s.release(2);
    EXPECT_FALSE(s.try_acquire(1)) << "nobody overtakes";
    EXPECT_EQ(parked(wait_reason::semaphore), 2u);
    s.release(2);
    for (int i = 0; i < 2; ++i) order.recv().value();
    EXPECT_FALSE(s.try_acquire(1));
  });
}

TEST(semaphore, who_gives_up_lets_those_behind_it_move_up) {
  in_weft([] {
    semaphore s(4, 0);
    auto [ctx, cancel] = with_cancel({});
    wait_group large;
    large.go([&, ctx] { EXPECT_EQ(s.acquire(4, ctx).error(), errc::cancelled); });
    wait_until_parked(wait_reason::semaphore, 1);
    const channel<char> order(2);
    queue(s, 1, order, 'a');
    queue(s, 2, order, 'b');
    s.release(3);
    EXPECT_EQ(parked(wait_reason::semaphore), 3u);
    cancel();
    for (int i = 0; i < 2; ++i) order.recv().value();
    large.wait().value();
    EXPECT_FALSE(s.try_acquire(1));
  });
}

TEST(semaphore, a_limit_ends_the_wait_and_takes_nothing) {
  in_both([] {
    semaphore s(2, 1);
    EXPECT_EQ(s.acquire(2, 1ms).error(), errc::timeout);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(s.acquire(2, ctx).error(), errc::cancelled);
    EXPECT_TRUE(s.acquire(ctx)) << "what is there is taken whatever the limit says";
    s.release();
    EXPECT_TRUE(s.try_acquire(1));
  });
}

TEST(semaphore, more_than_its_size_waits_for_the_limit_and_holds_up_nobody) {
  in_weft([] {
    semaphore s(2);
    auto [ctx, cancel] = with_cancel({});
    wait_group doomed;
    doomed.go([&, ctx] { EXPECT_EQ(s.acquire(3, ctx).error(), errc::cancelled); });
    wait_until_parked(wait_reason::semaphore, 1);
    EXPECT_TRUE(s.try_acquire(2));
    s.release(2);
    cancel();
    doomed.wait().value();
  });
  on_thread([] {
    semaphore s(2);
    EXPECT_EQ(s.acquire(3, 1ms).error(), errc::timeout);
  });
}

TEST(semaphore, releasing_more_than_held_throws_and_changes_nothing) {
  in_both([] {
    semaphore s(2);
    const auto text_of_release = [&](std::ptrdiff_t n) -> std::string {
      try {
        s.release(n);
      } catch (const misuse_error& e) {
        return e.what();
      }
      return "";
    };
    EXPECT_EQ(text_of_release(1), "semaphore: released more than held");
    EXPECT_TRUE(s.try_acquire(2));
    EXPECT_EQ(text_of_release(3), "semaphore: released more than held");
    EXPECT_FALSE(s.try_acquire(1));
    EXPECT_EQ(text_of_release(2), "");
  });
}

TEST(semaphore, weights_and_sizes_out_of_range_throw) {
  EXPECT_THROW(semaphore(-1), misuse_error);
  EXPECT_THROW(semaphore(1, 2), misuse_error);
  EXPECT_THROW(semaphore(1, -1), misuse_error);
  semaphore s(1);
  EXPECT_THROW(static_cast<void>(s.acquire(-1)), misuse_error);
  EXPECT_THROW(static_cast<void>(s.try_acquire(-1)), misuse_error);
  EXPECT_THROW(s.release(-1), misuse_error);
  EXPECT_TRUE(s.try_acquire());
}

TEST(semaphore, hands_a_permission_from_one_to_another) {
  in_weft([] {
    const int rounds = scaled(5000);
    semaphore ping(1, 0);
    semaphore pong(1, 0);
    int value = 0;
    std::thread thread([&] {
      for (int i = 0; i < rounds; ++i) {
        ping.acquire().value();
        ++value;
        pong.release();
      }
    });
    for (int i = 0; i < rounds; ++i) {
      ++value;
      ping.release();
      pong.acquire().value();
      EXPECT_EQ(value, 2 * (i + 1));
    }
    join_from_goroutine(thread);
  });
}

TEST(semaphore, may_be_destroyed_when_the_last_acquire_has_returned) {
  in_weft([] {
    for (int i = 0; i < scaled(3000); ++i) {
      auto s = std::make_unique<semaphore>(1, 0);
      go([raw = s.get()] { raw->release(); });
      s->acquire().value();
      s.reset();
    }
  });
}

TEST(semaphore, limits_that_race_with_releases_lose_nothing) {
  in_weft([] {
    constexpr std::ptrdiff_t size = 5;
    semaphore s(size);
    std::atomic<std::ptrdiff_t> inside{0};
    const int each = scaled(3000);
    wait_group all;
    for (int i = 0; i < 8; ++i) {
      all.go([&, i] {
        for (int k = 0; k < each; ++k) {
          const std::ptrdiff_t n = 1 + (i + k) % size;
          auto [ctx, cancel] = with_cancel({});
          if (k % 3 == 0) go([cancel] { cancel(); });
          const auto got = k % 3 == 0   ? s.acquire(n, ctx)
                           : k % 3 == 1 ? s.acquire(n, std::chrono::microseconds(k % 30))
                                        : s.acquire(n);
          if (!got) continue;
          EXPECT_LE(inside += n, size);
          if (k % 8 == 0) weft::yield();
          inside -= n;
          s.release(n);
        }
      });
    }
    all.wait().value();
    EXPECT_TRUE(s.try_acquire(size));
  });
}

}  // namespace
}  // namespace weft
