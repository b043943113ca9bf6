#include <weft/pool.h>
#include <weft/wait_group.h>

#include <atomic>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace sync_test;

using thing = std::unique_ptr<int>;

TEST(pool, gives_what_was_put_and_makes_what_is_missing) {
  in_both([] {
    int made = 0;
    pool<thing> p([&] { return std::make_unique<int>(++made); });
    auto a = p.get();
    auto b = p.get();
    EXPECT_EQ(made, 2);
    const std::set<int> values{*a, *b};
    p.put(std::move(a));
    p.put(std::move(b));
    auto c = p.get();
    auto d = p.get();
    EXPECT_EQ(made, 2);
    EXPECT_EQ((std::set<int>{*c, *d}), values);
    EXPECT_EQ(*p.get(), 3);
  });
}

TEST(pool, takes_from_the_parts_of_others) {
  in_weft([] {
    int made = 0;
    pool<thing> p([&] { return std::make_unique<int>(++made); });
    p.put(std::make_unique<int>(-1));
    on_thread([&] { p.put(std::make_unique<int>(-1)); });
    EXPECT_EQ(*p.get(), -1);
    on_thread([&] { EXPECT_EQ(*p.get(), -1); });
    EXPECT_EQ(made, 0);
  });
}

TEST(pool, keeps_no_more_than_it_was_told) {
  in_both([] {
    pool<std::shared_ptr<int>> p([] { return std::make_shared<int>(0); }, 2);
    const auto one = std::make_shared<int>(1);
    // On one thread all of it goes into one part, or, while it migrates, into few.
    const long most = 1 + 2 * static_cast<long>(detail::pool_parts());
    for (long i = 0; i < 2 * most; ++i) p.put(one);
    EXPECT_GE(one.use_count(), 3);
    EXPECT_LE(one.use_count(), most);
    p.clear();
    EXPECT_EQ(one.use_count(), 1);
    EXPECT_EQ(*p.get(), 0);
  });
}

TEST(pool, what_making_one_throws_passes_through) {
  pool<int> p([]() -> int { throw std::runtime_error("none left"); });
  EXPECT_THROW(static_cast<void>(p.get()), std::runtime_error);
  p.put(7);
  EXPECT_EQ(p.get(), 7);
}

TEST(pool, nobody_gets_what_another_has) {
  in_weft([] {
    pool<std::unique_ptr<std::atomic<int>>> p([] { return std::make_unique<std::atomic<int>>(0); });
    const int each = scaled(5000);
    const auto work = [&] {
      for (int n = 0; n < each; ++n) {
        auto mine = p.get();
        EXPECT_EQ(++*mine, 1);
        if (n % 8 == 0) weft::yield();
        --*mine;
        p.put(std::move(mine));
        if (n % 512 == 0) p.clear();
      }
    };
    wait_group all;
    for (int i = 0; i < 6; ++i) all.go(work);
    std::thread thread(work);
    all.wait().value();
    join_from_goroutine(thread);
  });
}

}  // namespace
}  // namespace weft
