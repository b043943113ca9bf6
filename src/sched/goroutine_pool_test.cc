#include "sched/goroutine_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <set>
#include <vector>

#include "stack/stack.h"

namespace weft::sched {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::size_t slab_records = goroutine_pool::slab_records;

std::vector<goroutine*> take_many(goroutine_pool& from, std::size_t n) {
  std::vector<goroutine*> all;
  while (all.size() < n) {
    waiter* w = from.take(std::min<std::size_t>(64, n - all.size()));
    for (; w != nullptr; w = w->link) all.push_back(static_cast<goroutine*>(w));
  }
  return all;
}

void give_all(goroutine_pool& to, const std::vector<goroutine*>& all) {
  for (goroutine* g : all) to.give(g, g, 1);
}

// live: waits once, as a goroutine that ends afterwards. The ticket of that wait.
ticket live(goroutine& g) {
  g.to_runnable();
  g.to_running();
  const ticket t = g.arm();
  EXPECT_EQ(g.claim(t, token_ready), claim_outcome::won_running);
  EXPECT_EQ(g.resume(), token_ready);
  g.to_idle();
  return t;
}

bool resident(const goroutine_pool& pool, std::size_t slab) {
  unsigned char page = 0;
  EXPECT_EQ(::mincore(pool.slab(slab), 1, &page), 0);
  return (page & 1) != 0;
}

std::size_t resident_slabs(const goroutine_pool& pool) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < pool.slab_count(); ++i) n += resident(pool, i) ? 1 : 0;
  return n;
}

void trim_all(goroutine_pool& pool, std::int64_t& now) {
  for (int period = 0; period < 3; ++period, now += second_ns) {
    while (pool.trim(now) == now) continue;
  }
}

TEST(goroutine_pool, few_free_records_stay) {
  goroutine_pool pool;
  give_all(pool, take_many(pool, goroutine_pool::few));
  std::int64_t now = 1;
  EXPECT_EQ(pool.trim(now), stack::trim_never);
  trim_all(pool, now);
  EXPECT_EQ(resident_slabs(pool), 1u);
}

TEST(goroutine_pool, memory_of_a_crowd_goes_back_when_nobody_needed_it_for_a_period) {
  goroutine_pool pool;
  const auto all = take_many(pool, 10 * slab_records);
  for (goroutine* g : all) live(*g);
  // One stays.
  give_all(pool, {all.begin() + 1, all.end()});
  std::int64_t now = 1;
  EXPECT_EQ(pool.trim(now), now + second_ns);
  EXPECT_EQ(pool.trim(now + second_ns / 2), now + second_ns);
  EXPECT_EQ(resident_slabs(pool), 10u);
  trim_all(pool, now);
  EXPECT_EQ(resident_slabs(pool), 1u);
  EXPECT_EQ(pool.trim(now), stack::trim_never);
}

TEST(goroutine_pool, what_is_needed_within_the_period_stays) {
  goroutine_pool pool;
  const auto all = take_many(pool, 4 * slab_records);
  give_all(pool, all);
  std::int64_t now = 1;
  EXPECT_EQ(pool.trim(now), now + second_ns);
  for (int i = 0; i < 5; ++i) {
    give_all(pool, take_many(pool, 4 * slab_records));
    now += second_ns;
    while (pool.trim(now) == now) continue;
  }
  EXPECT_EQ(resident_slabs(pool), 4u);
}

TEST(goroutine_pool, records_that_live_again_are_the_same_ones_with_fresh_tickets) {
  goroutine_pool pool;
  const auto all = take_many(pool, 3 * slab_records);
  std::vector<std::uint32_t> numbers;
  std::vector<std::uint32_t> places;
  ticket newest = 0;
  for (goroutine* g : all) {
    numbers.push_back(g->number());
    places.push_back(g->slab_index);
    live(*g);
  }
  newest = live(*all[5]);
  give_all(pool, all);
  std::int64_t now = 1;
  trim_all(pool, now);
  EXPECT_EQ(resident_slabs(pool), 1u);
  // A stale pointer finds no wait.
  for (goroutine* g : all) {
    EXPECT_EQ(g->claim(1, token_ready), claim_outcome::lost);
    EXPECT_EQ(g->current_phase(), phase::idle);
  }

  const auto again = take_many(pool, 3 * slab_records);
  EXPECT_EQ(pool.slab_count(), 3u);
  EXPECT_EQ(std::set(all.begin(), all.end()), std::set(again.begin(), again.end()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i]->number(), numbers[i]);
    EXPECT_EQ(all[i]->slab_index, places[i]);
    EXPECT_GT(live(*all[i]), 1u);
  }
  EXPECT_GT(live(*all[5]), newest);
  give_all(pool, again);
}

TEST(goroutine_pool, records_half_sorted_are_taken_before_new_ones) {
  goroutine_pool pool;
  const auto all = take_many(pool, 3 * slab_records);
  std::vector<goroutine*> scattered;  // no slab is complete
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i]->slab_index % 16 != 0) scattered.push_back(all[i]);
  }
  give_all(pool, scattered);
  std::int64_t now = 1;
  trim_all(pool, now);
  EXPECT_EQ(resident_slabs(pool), 3u);
  const auto again = take_many(pool, scattered.size());
  EXPECT_EQ(pool.slab_count(), 3u);
  EXPECT_EQ(std::set(scattered.begin(), scattered.end()), std::set(again.begin(), again.end()));
}

}  // namespace
}  // namespace weft::sched
