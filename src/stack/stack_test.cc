#include "stack/stack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "arch/sanitizer.h"
#include "arch/test_fiber.h"
#include "stack/pages.h"

namespace weft::stack {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

struct destroyer {
  void operator()(allocator* a) const noexcept { destroy(a); }
};
using owned_allocator = std::unique_ptr<allocator, destroyer>;

// Named kinds, so that chosen_guard() stays undecided in this process for the tests that fork.
owned_allocator make(guard_kind kind) { return owned_allocator(create(kind)); }

// install_means: what this kernel makes of MADV_GUARD_INSTALL.
enum class install_means { works, refused, ignored };

install_means ask_install() {
  char* pages = map_pages(guard_size);
  const bool said_yes = install_guard(pages, guard_size);
  const bool stops = access_faults(pages);
  unmap_pages(pages, guard_size);
  if (!said_yes) return install_means::refused;
  return stops ? install_means::works : install_means::ignored;
}

// An emulator that pretends keeps its own record of every page: a million stacks are too many for
// it.
std::size_t plenty() {
  if (arch::sanitizer::present || ask_install() == install_means::ignored) return 20'000;
  return 1'000'000;
}

std::vector<stack*> allocate_many(allocator& a, std::size_t count,
                                  std::size_t size = default_size) {
  std::vector<stack*> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    stack* s = allocate(a, size);
    if (s == nullptr) break;
    all.push_back(s);
  }
  return all;
}

void release_all(allocator& a, const std::vector<stack*>& all) {
  for (stack* s : all) release(a, s);
}

bool resident(const char* address) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  unsigned char answer = 0;
  auto at = reinterpret_cast<std::uintptr_t>(address) & ~(page - 1);
  if (::mincore(reinterpret_cast<void*>(at), page, &answer) == 0) return (answer & 1) != 0;
  EXPECT_EQ(errno, ENOMEM) << "neither mapped nor gone";
  return false;
}

class each_guard : public testing::TestWithParam<guard_kind> {
 protected:
  void SetUp() override {
    if (GetParam() == guard_kind::install && ask_install() != install_means::works)
      GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL";
  }
};

class each_hard_guard_DeathTest : public each_guard {};

std::string name_of(const testing::TestParamInfo<guard_kind>& info) {
  switch (info.param) {
    case guard_kind::install: return "install";
    case guard_kind::mprotect: return "mprotect";
    case guard_kind::canary: return "canary";
  }
  return "unknown";
}

constexpr guard_kind all_kinds[] = {guard_kind::install, guard_kind::mprotect, guard_kind::canary};
INSTANTIATE_TEST_SUITE_P(stack, each_guard, testing::ValuesIn(all_kinds), name_of);
INSTANTIATE_TEST_SUITE_P(stack, each_hard_guard_DeathTest,
                         testing::Values(guard_kind::install, guard_kind::mprotect), name_of);

TEST_P(each_guard, leaves_every_usable_byte_writable) {
  auto a = make(GetParam());
  stack* s = allocate(*a, default_size);
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->guard, GetParam());
  EXPECT_EQ(s->slot_size, default_size);
  EXPECT_EQ(s->low, s->slot + guard_size);
  std::memset(s->low, 0x5a, static_cast<std::size_t>(s->high - s->low));
  EXPECT_TRUE(canary_intact(*s));
  EXPECT_TRUE(guard_contains(*s, s->low - 1));
  EXPECT_TRUE(guard_contains(*s, s->slot));
  EXPECT_FALSE(guard_contains(*s, s->low));
  EXPECT_FALSE(guard_contains(*s, s->slot - 1));
  release(*a, s);
}

TEST_P(each_guard, stands_below_a_million_stacks_or_says_where_not) {
  const std::size_t count = plenty();
  auto a = make(GetParam());
  const auto all = allocate_many(*a, count);
  ASSERT_EQ(all.size(), count);
  const auto numbers = statistics_of(*a);
  EXPECT_EQ(numbers.in_use, count);
  EXPECT_GE(numbers.slots, count);
  const auto without = static_cast<std::size_t>(std::count_if(
      all.begin(), all.end(), [&](const stack* s) { return s->guard != GetParam(); }));
  EXPECT_EQ(numbers.unguarded, without);
  if (GetParam() == guard_kind::mprotect) {
    // Two mappings a guard are at most half of those that were left: the process can still live.
    EXPECT_GT(spare_mappings(), count - without);
  } else {
    EXPECT_EQ(without, 0U);
  }
  // Every stack is a stack of its own.
  for (std::size_t i = 0; i < count; i += 101) all[i]->high[-1] = static_cast<char>(i);
  for (std::size_t i = 0; i < count; i += 101) EXPECT_EQ(all[i]->high[-1], static_cast<char>(i));
  release_all(*a, all);
  EXPECT_EQ(statistics_of(*a).in_use, 0U);
}

TEST_P(each_guard, survives_giving_pages_back) {
  auto a = make(GetParam());
  stack* s = allocate(*a, default_size);
  std::memset(s->low, 1, static_cast<std::size_t>(s->high - s->low));
  // One that fills what is kept warm, so that `s` is surplus.
  release(*a, allocate(*a, 256 << 20));
  release(*a, s);
  EXPECT_TRUE(resident(s->high - 1));
  EXPECT_EQ(trim(*a, 1), 1 + second_ns);
  EXPECT_EQ(trim(*a, 1 + second_ns), trim_never);
  EXPECT_FALSE(resident(s->high - 1));
  EXPECT_FALSE(resident(s->low));
  ASSERT_EQ(allocate(*a, default_size), s);
  EXPECT_EQ(s->high[-1], 0);
  EXPECT_TRUE(canary_intact(*s));
  EXPECT_EQ(access_faults(s->low - 1), GetParam() != guard_kind::canary);
  EXPECT_EQ(access_faults(s->slot), GetParam() != guard_kind::canary);
  release(*a, s);
}

TEST_P(each_hard_guard_DeathTest, stops_a_write) {
  auto a = make(GetParam());
  stack* s = allocate(*a, default_size);
  EXPECT_DEATH(*const_cast<volatile char*>(s->low - 1) = 1, "");
  EXPECT_DEATH(*const_cast<volatile char*>(s->slot) = 1, "");
  release(*a, s);
}

// descend: frames as large as a whole guard and more, each touched at its far end only.
template <std::size_t Bytes>
[[gnu::noinline]] int descend(int depth) {
  volatile char frame[Bytes];
  frame[0] = static_cast<char>(depth);
  asm volatile("" : : "r"(frame) : "memory");  // a frame for each depth, and no loop
  if (depth == 0) return frame[0];
  return descend<Bytes>(depth - 1) + frame[0];
}

TEST_P(each_hard_guard_DeathTest, is_not_jumped_over_by_large_frames) {
  auto a = make(GetParam());
  stack* neighbour = allocate(*a, default_size);
  stack* s = allocate(*a, default_size);
  ASSERT_EQ(neighbour->slot + neighbour->slot_size, s->slot);
  const auto run = [s](int (*f)(int), int depth) {
    arch::test_fiber fiber(s->low, static_cast<std::size_t>(s->high - s->low),
                           [=](arch::test_fiber&) { f(depth); });
    fiber.resume();
    std::_Exit(0);
  };
  EXPECT_DEATH(run(descend<48 * 1024>, 5), "");
  EXPECT_DEATH(run(descend<200 * 1024>, 1), "");
  EXPECT_EXIT(run(descend<48 * 1024>, 1), testing::ExitedWithCode(0), "");
  release(*a, s);
  release(*a, neighbour);
}

TEST(stack, tops_are_coloured_over_half_a_page) {
  auto a = make(guard_kind::canary);
  const auto all = allocate_many(*a, 64);
  std::set<std::uintptr_t> offsets;
  for (const stack* s : all) {
    const auto top = reinterpret_cast<std::uintptr_t>(s->high);
    EXPECT_EQ(top % 64, 0U);
    EXPECT_LT(s->slot + s->slot_size - s->high, 2048);
    offsets.insert(top % 4096);
  }
  EXPECT_EQ(offsets.size(), 32U);
  release_all(*a, all);
}

TEST(stack, newest_released_is_allocated_first) {
  auto a = make(guard_kind::canary);
  const auto all = allocate_many(*a, 10);
  release_all(*a, all);
  EXPECT_EQ(statistics_of(*a).cached, 10U);
  for (auto i = all.rbegin(); i != all.rend(); ++i) EXPECT_EQ(allocate(*a, default_size), *i);
  EXPECT_EQ(statistics_of(*a).cached, 0U);
  EXPECT_EQ(statistics_of(*a).slots, 10U);
  release_all(*a, all);
}

TEST(stack, sizes_round_up_to_powers_of_two_and_do_not_mix) {
  auto a = make(guard_kind::canary);
  struct row {
    std::size_t asked, given;
  };
  constexpr row table[] = {{0, 128 << 10},         {1, 128 << 10},
                           {128 << 10, 128 << 10}, {(128 << 10) + 1, 256 << 10},
                           {1 << 20, 1 << 20},     {(64 << 20) + 1, 128 << 20}};
  for (const auto& r : table) {
    stack* s = allocate(*a, r.asked);
    ASSERT_NE(s, nullptr) << r.asked;
    EXPECT_EQ(s->slot_size, r.given) << r.asked;
    *s->low = s->high[-1] = 1;
    release(*a, s);
    stack* other = allocate(*a, 2 * r.given);
    EXPECT_EQ(other->slot_size, 2 * r.given);
    release(*a, other);
  }
}

TEST(stack, a_size_beyond_all_bounds_is_refused) {
  auto a = make(guard_kind::canary);
  EXPECT_EQ(allocate(*a, SIZE_MAX), nullptr);
  EXPECT_EQ(allocate(*a, (std::size_t{64} << 30) + 1), nullptr);
  EXPECT_EQ(statistics_of(*a).slots, 0U);
}

TEST(stack, surplus_pages_go_back_when_nobody_needed_them_for_a_period) {
  auto a = make(guard_kind::canary);
  constexpr std::size_t count = 1'500;
  constexpr std::size_t surplus = count - 1'024;
  const auto all = allocate_many(*a, count);
  for (stack* s : all) s->high[-1] = 1;
  EXPECT_EQ(trim(*a, 1), trim_never);
  release_all(*a, all);
  EXPECT_EQ(statistics_of(*a).cached, count);
  std::vector<const char*> tops;  // of stacks that may be gone
  for (const stack* s : all) tops.push_back(s->high - 1);
  const auto kept = [&] {
    return static_cast<std::size_t>(std::count_if(tops.begin(), tops.end(), resident));
  };
  std::int64_t now = 1;
  // A period begins; in it all but 100 of the surplus are needed.
  EXPECT_EQ(trim(*a, now), now + second_ns);
  release_all(*a, allocate_many(*a, count - 100));
  EXPECT_EQ(trim(*a, now + second_ns / 2), now + second_ns);
  EXPECT_EQ(kept(), count);
  now += second_ns;
  EXPECT_EQ(trim(*a, now), now);  // some at a time
  EXPECT_EQ(trim(*a, now), now + second_ns);
  EXPECT_EQ(kept(), count - 100);
  // In the next one nobody needs any.
  now += second_ns;
  while (trim(*a, now) == now) continue;
  EXPECT_EQ(trim(*a, now), trim_never);
  EXPECT_EQ(kept(), count - surplus);
  // Slabs of which all stacks are cold are gone.
  constexpr std::size_t slab_slots = (64 << 20) / default_size;
  const auto gone = count - statistics_of(*a).cached;
  EXPECT_GE(gone, slab_slots);
  EXPECT_EQ(gone % slab_slots, 0u);
  const auto again = allocate_many(*a, count);
  EXPECT_EQ(again.size(), count);
  EXPECT_EQ(statistics_of(*a).slots, count + gone);
  for (stack* s : again) s->high[-1] = 1;
  release_all(*a, again);
}

TEST(stack, a_canary_sees_every_byte_of_its_strip) {
  auto a = make(guard_kind::canary);
  stack* s = allocate(*a, default_size);
  for (std::size_t i = 1; i <= canary_size; ++i) {
    *(s->low - i) = 1;
    EXPECT_FALSE(canary_intact(*s)) << i;
    *(s->low - i) = 0;
  }
  EXPECT_TRUE(canary_intact(*s));
  release(*a, s);
}

TEST(stack, a_destroyed_allocator_returns_its_share_of_mappings) {
  const std::size_t count = 20'000;
  std::size_t unguarded[3] = {};
  for (auto& n : unguarded) {
    auto a = make(guard_kind::mprotect);
    const auto all = allocate_many(*a, count);
    ASSERT_EQ(all.size(), count);
    n = statistics_of(*a).unguarded;
    release_all(*a, all);
  }
  EXPECT_EQ(unguarded[1], unguarded[0]);
  EXPECT_EQ(unguarded[2], unguarded[0]);
}

TEST(stack, threads_never_get_the_same_stack) {
  auto a = make(guard_kind::canary);
  constexpr int rounds = arch::sanitizer::present ? 500 : 20'000;
  std::vector<std::thread> threads;
  for (char id = 1; id <= 4; ++id) {
    threads.emplace_back([&a, id] {
      std::vector<stack*> mine;
      for (int i = 0; i < rounds; ++i) {
        stack* s = allocate(*a, i % 7 == 0 ? 2 * default_size : default_size);
        s->high[-1] = id;
        mine.push_back(s);
        if (mine.size() < 8) continue;
        for (stack* m : mine) {
          EXPECT_EQ(m->high[-1], id);
          release(*a, m);
        }
        mine.clear();
      }
      for (stack* m : mine) release(*a, m);
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(statistics_of(*a).in_use, 0U);
  EXPECT_LE(statistics_of(*a).slots, 2U * 4U * 8U);
}

TEST(stack_DeathTest, releasing_twice_is_noticed) {
  auto a = make(guard_kind::canary);
  stack* s = allocate(*a, default_size);
  release(*a, s);
  EXPECT_DEATH(release(*a, s), "not in use");
}

TEST(stack_DeathTest, the_end_of_the_budget_warns_once) {
  const auto warns_once = [](const std::string& output) {
    const auto first = output.find("no more stack guards");
    return first != std::string::npos &&
           output.find("no more stack guards", first + 1) == std::string::npos;
  };
  const auto spend = [] {
    auto a = make(guard_kind::mprotect);
    // More than half of any limit the kernel has by default, twice.
    const auto all = allocate_many(*a, 40'000);
    std::_Exit(statistics_of(*a).unguarded > 1 ? 0 : 1);
  };
  if (spare_mappings() > 150'000) GTEST_SKIP() << "this kernel allows more mappings";
  EXPECT_EXIT(spend(), testing::ExitedWithCode(0), testing::Truly(warns_once));
}

TEST(stack_DeathTest, locked_memory_gets_the_next_best_guard) {
  if (ask_install() != install_means::works)
    GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL";
  if (arch::sanitizer::present) GTEST_SKIP() << "sanitizers do not let a process lock its memory";
  EXPECT_EXIT(
      {
        if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) std::_Exit(0);
        auto a = make(guard_kind::install);
        const stack* s = allocate(*a, default_size);
        std::_Exit(s == nullptr || s->guard == guard_kind::mprotect ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

void choose_with(const char* name) {
  ::setenv("WEFT_STACK_GUARD", name, 1);
  std::_Exit(10 + static_cast<int>(chosen_guard()));
}

TEST(stack_DeathTest, the_environment_forces_a_guard) {
  EXPECT_EXIT(choose_with("mprotect"), testing::ExitedWithCode(11), "");
  EXPECT_EXIT(choose_with("canary"), testing::ExitedWithCode(12), "");
  EXPECT_EXIT(choose_with("moat"), testing::ExitedWithCode(2), "use install, mprotect or canary");
  if (ask_install() == install_means::works) {
    EXPECT_EXIT(choose_with("install"), testing::ExitedWithCode(10), "");
  } else {
    EXPECT_EXIT(choose_with("install"), testing::ExitedWithCode(2), "no guard of this kind works");
  }
}

TEST(stack_DeathTest, an_empty_choice_takes_the_best_that_works) {
  const bool install = !arch::sanitizer::present && ask_install() == install_means::works;
  EXPECT_EXIT(choose_with(""), testing::ExitedWithCode(install ? 10 : 11), "");
}

}  // namespace
}  // namespace weft::stack
