#include <weft/concurrent_map.h>
#include <weft/wait_group.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace sync_test;

using scores = concurrent_map<std::string, int>;

std::map<std::string, int> all_of(const scores& m) {
  std::map<std::string, int> seen;
  m.range([&](const std::string& key, int value) { return seen.emplace(key, value).second; });
  return seen;
}

TEST(concurrent_map, loads_what_was_stored) {
  in_both([] {
    scores m;
    EXPECT_EQ(m.load("a"), std::nullopt);
    m.store("a", 1);
    m.store("b", 2);
    m.store("a", 3);
    EXPECT_EQ(m.load("a"), 3);
    EXPECT_EQ(m.load("b"), 2);
  });
}

TEST(concurrent_map, swap_gives_what_was_there) {
  in_both([] {
    scores m;
    EXPECT_EQ(m.swap("a", 1), std::nullopt);
    EXPECT_EQ(m.swap("a", 2), 1);
    EXPECT_EQ(m.load("a"), 2);
  });
}

TEST(concurrent_map, load_or_store_stores_only_what_is_missing) {
  in_both([] {
    scores m;
    const auto fresh = m.load_or_store("a", 1);
    EXPECT_EQ(fresh.value, 1);
    EXPECT_FALSE(fresh.loaded);
    const auto there = m.load_or_store("a", 2);
    EXPECT_EQ(there.value, 1);
    EXPECT_TRUE(there.loaded);
  });
}

TEST(concurrent_map, removes_and_says_what_it_was) {
  in_both([] {
    scores m;
    m.store("a", 1);
    EXPECT_EQ(m.load_and_delete("a"), 1);
    EXPECT_EQ(m.load_and_delete("a"), std::nullopt);
    m.store("a", 2);
    EXPECT_TRUE(m.erase("a"));
    EXPECT_FALSE(m.erase("a"));
    EXPECT_EQ(m.load("a"), std::nullopt);
  });
}

TEST(concurrent_map, compares_before_it_changes) {
  in_both([] {
    scores m;
    EXPECT_FALSE(m.compare_and_swap("a", 0, 1));
    m.store("a", 1);
    EXPECT_FALSE(m.compare_and_swap("a", 2, 3));
    EXPECT_TRUE(m.compare_and_swap("a", 1, 2));
    EXPECT_EQ(m.load("a"), 2);
    EXPECT_FALSE(m.compare_and_delete("a", 1));
    EXPECT_TRUE(m.compare_and_delete("a", 2));
    EXPECT_FALSE(m.compare_and_delete("a", 2));
  });
}

TEST(concurrent_map, range_calls_with_each_once_until_told_to_stop) {
  in_both([] {
    scores m;
    std::map<std::string, int> expected;
    for (int i = 0; i < 100; ++i) {
      m.store(std::to_string(i), i);
      expected.emplace(std::to_string(i), i);
    }
    EXPECT_EQ(all_of(m), expected);
    int calls = 0;
    m.range([&](const std::string&, int) { return ++calls < 5; });
    EXPECT_EQ(calls, 5);
  });
}

TEST(concurrent_map, range_may_use_the_map) {
  in_both([] {
    scores m;
    for (int i = 0; i < 100; ++i) m.store(std::to_string(i), i);
    m.range([&](const std::string& key, int value) {
      EXPECT_EQ(m.load_and_delete(key), value);
      m.store(key + "'", value);
      return true;
    });
    for (int i = 0; i < 100; ++i) EXPECT_EQ(m.load(std::to_string(i)), std::nullopt);
    m.clear();
    EXPECT_TRUE(all_of(m).empty());
  });
}

TEST(concurrent_map, what_is_replaced_is_destroyed_without_the_lock) {
  in_both([] {
    // again: uses the map when it is destroyed.
    struct again {
      concurrent_map<int, std::shared_ptr<again>>* m;
      explicit again(concurrent_map<int, std::shared_ptr<again>>* of) : m(of) {}
      again(const again&) = delete;
      again& operator=(const again&) = delete;
      ~again() { EXPECT_EQ(m->load(2), nullptr); }
    };
    concurrent_map<int, std::shared_ptr<again>> m;
    m.store(2, nullptr);
    const auto refill = [&] { m.store(1, std::make_shared<again>(&m)); };
    refill();
    refill();
    EXPECT_TRUE(m.erase(1));
    refill();
    EXPECT_TRUE(m.compare_and_swap(1, *m.load(1), nullptr));
    refill();
    EXPECT_TRUE(m.compare_and_delete(1, *m.load(1)));
  });
}

TEST(concurrent_map, counts_right_whoever_counts) {
  in_weft([] {
    concurrent_map<int, long> m;
    constexpr int keys = 8;
    const int each = scaled(5000);
    const auto work = [&] {
      for (int n = 0; n < each; ++n) {
        const int key = n % keys;
        long seen = m.load_or_store(key, 0).value;
        while (!m.compare_and_swap(key, seen, seen + 1)) seen = *m.load(key);
        if (n % 64 == 0) weft::yield();
      }
    };
    wait_group all;
    for (int i = 0; i < 4; ++i) all.go(work);
    std::thread thread(work);
    all.wait().value();
    join_from_goroutine(thread);
    long sum = 0;
    m.range([&](int, long n) {
      sum += n;
      return true;
    });
    EXPECT_EQ(sum, 5L * each);
  });
}

}  // namespace
}  // namespace weft
