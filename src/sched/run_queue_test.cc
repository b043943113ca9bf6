#include "sched/run_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "arch/sanitizer.h"

namespace weft::sched {
namespace {

// item: the queues only pass pointers on; a number does.
goroutine* item(std::uintptr_t n) { return reinterpret_cast<goroutine*>(n * 16); }
std::uintptr_t number_of(goroutine* g) { return reinterpret_cast<std::uintptr_t>(g) / 16; }

TEST(young_queue, gives_the_newest_to_its_owner_and_the_oldest_to_thieves) {
  young_queue q;
  for (std::uintptr_t i = 1; i <= 4; ++i) ASSERT_TRUE(q.try_push(item(i)));
  EXPECT_EQ(q.size(), 4U);
  EXPECT_EQ(q.pop_newest(), item(4));
  EXPECT_EQ(q.take_oldest(), item(1));
  EXPECT_EQ(q.pop_newest(), item(3));
  EXPECT_EQ(q.pop_newest(), item(2));
  EXPECT_EQ(q.pop_newest(), nullptr);
  EXPECT_EQ(q.take_oldest(), nullptr);
  EXPECT_EQ(q.size(), 0U);
}

TEST(root_queue, is_first_in_first_out) {
  root_queue q;
  for (std::uintptr_t i = 1; i <= 3; ++i) ASSERT_TRUE(q.try_push(item(i)));
  for (std::uintptr_t i = 1; i <= 3; ++i) EXPECT_EQ(q.take(), item(i));
  EXPECT_EQ(q.take(), nullptr);
}

template <class Queue>
class bounded : public testing::Test {};
using queues = testing::Types<young_queue, root_queue>;
TYPED_TEST_SUITE(bounded, queues);

template <class Queue>
goroutine* take_from(Queue& q) {
  if constexpr (requires { q.take_oldest(); }) {
    return q.take_oldest();
  } else {
    return q.take();
  }
}

TYPED_TEST(bounded, refuses_one_more_than_its_capacity_and_goes_on_after_one_was_taken) {
  TypeParam q;
  for (std::uintptr_t round = 0; round < 3; ++round) {  // the indexes wrap over the slots
    for (std::uintptr_t i = 1; i <= run_queue_capacity; ++i) ASSERT_TRUE(q.try_push(item(i)));
    EXPECT_FALSE(q.try_push(item(1)));
    EXPECT_EQ(take_from(q), item(1));
    EXPECT_TRUE(q.try_push(item(1000)));
    while (take_from(q) != nullptr) continue;
  }
}

// The owner pushes and takes while thieves take: each item arrives once.
TYPED_TEST(bounded, gives_each_item_to_one_taker) {
  const std::uintptr_t n = arch::sanitizer::present ? 30'000 : 1'000'000;
  TypeParam q;
  std::vector<std::atomic<int>> taken(n + 1);
  std::atomic<bool> over{false};
  const auto note = [&](goroutine* g) {
    if (g != nullptr) taken[number_of(g)].fetch_add(1);
    return g != nullptr;
  };
  std::vector<std::thread> thieves;
  for (int i = 0; i < 2; ++i) {
    thieves.emplace_back([&] {
      for (int in_vain = 0; !over.load();) {
        bool contended = false;
        bool got = false;
        if constexpr (requires { q.take_oldest(); }) {
          got = note(q.take_oldest(&contended));
        } else {
          got = note(q.take(&contended));
        }
        // With fewer CPUs than threads the owner would wait for them all the time.
        if (!got && ++in_vain % 64 == 0) std::this_thread::yield();
      }
    });
  }
  const auto own = [&] {
    if constexpr (requires { q.pop_newest(); }) {
      return note(q.pop_newest());
    } else {
      return note(q.take());
    }
  };
  for (std::uintptr_t i = 1; i <= n; ++i) {
    while (!q.try_push(item(i))) own();
    if (i % 3 == 0) own();
    if (i % 64 == 0) {
      while (own()) continue;  // often down to the last item, for which all compete
    }
  }
  while (own()) continue;
  over.store(true);
  for (auto& t : thieves) t.join();
  for (std::uintptr_t i = 1; i <= n; ++i) ASSERT_EQ(taken[i].load(), 1) << "item " << i;
}

}  // namespace
}  // namespace weft::sched
