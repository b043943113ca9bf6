#include "arch/walk.h"

#include <execinfo.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "arch/test_fiber.h"

namespace weft::arch {
namespace {

using addresses = std::vector<std::uintptr_t>;

void keep(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

// unwound: what the C library's unwinder sees from here.
[[gnu::noinline]] addresses unwound() {
  std::array<void*, 256> frames{};
  const int n = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  addresses found;
  for (int i = 0; i < n; ++i)
    found.push_back(reinterpret_cast<std::uintptr_t>(frames[static_cast<std::size_t>(i)]));
  return found;
}

// descend: frames of several shapes; the last one says what it sees, and leaves the stack.
[[gnu::noinline]] void descend(test_fiber& self, int depth, addresses& seen);

[[gnu::noinline]] void descend_by_room(test_fiber& self, int depth, addresses& seen) {
  auto* room = static_cast<char*>(__builtin_alloca(static_cast<std::size_t>(depth) * 64 + 16));
  room[0] = 1;
  descend(self, depth - 1, seen);
  keep(room);
}

[[gnu::noinline]] void descend_by_array(test_fiber& self, int depth, addresses& seen) {
  std::array<char, 3000> room{};
  keep(room.data());
  descend(self, depth - 1, seen);
  keep(room.data());
}

void descend(test_fiber& self, int depth, addresses& seen) {
  if (depth == 0) {
    seen = unwound();
    self.yield();
  } else if (depth % 2 == 0) {
    descend_by_room(self, depth, seen);
  } else {
    descend_by_array(self, depth, seen);
  }
  keep(&seen);
}

struct answer {
  walked end;
  addresses frames;
};

answer walk(walker& w, const test_fiber& f, std::size_t frames_max = 128) {
  addresses frames(frames_max);
  for (;;) {
    const auto [end, count] = w.walk(f.left(), f.low(), f.high(), frames);
    if (end == walked::lacks) {
      w.learn();
      continue;
    }
    frames.resize(count);
    return {end, frames};
  }
}

TEST(walk, sees_the_callers_that_the_unwinder_sees) {
  walker w;
  for (int depth = 0; depth < 12; ++depth) {
    addresses seen;
    test_fiber f([&](test_fiber& self) { descend(self, depth, seen); });
    f.resume();
    const auto found = walk(w, f);
    EXPECT_EQ(found.end, walked::whole);
    // The innermost ones are where the last frame stood when it looked, and when it left.
    const auto same =
        std::find_first_of(seen.begin(), seen.end(), found.frames.begin(), found.frames.end());
    ASSERT_NE(same, seen.end()) << depth;
    auto at = std::find(found.frames.begin(), found.frames.end(), *same);
    EXPECT_GE(found.frames.end() - at, depth);
    for (auto expected = same; at != found.frames.end(); ++at, ++expected) {
      ASSERT_NE(expected, seen.end()) << depth;
      EXPECT_EQ(*at, *expected) << depth;
    }
    f.resume();
  }
}

TEST(walk, of_a_stack_that_has_not_begun_is_its_base) {
  walker w;
  const test_fiber f([](test_fiber&) {});
  const auto found = walk(w, f);
  EXPECT_TRUE(found.frames.empty());
}

TEST(walk, ends_where_there_is_no_room_for_more) {
  walker w;
  addresses seen;
  test_fiber f([&](test_fiber& self) { descend(self, 10, seen); });
  f.resume();
  const auto found = walk(w, f, 4);
  EXPECT_EQ(found.end, walked::cut);
  EXPECT_EQ(found.frames.size(), 4u);
  f.resume();
}

TEST(walk, lacks_nothing_that_it_has_learnt) {
  walker w;
  addresses seen;
  test_fiber f([&](test_fiber& self) { descend(self, 6, seen); });
  f.resume();
  const auto first = walk(w, f);
  addresses frames(128);
  const auto again = w.walk(f.left(), f.low(), f.high(), frames);
  EXPECT_EQ(again.end, first.end);
  EXPECT_EQ(again.count, first.frames.size());
  f.resume();
}

TEST(walk, reads_nothing_outside_of_the_stack) {
  walker w;
  addresses seen;
  test_fiber f([&](test_fiber& self) { descend(self, 6, seen); });
  f.resume();
  const auto whole = walk(w, f);
  addresses frames(128);
  // A stack that is said to end early: nothing above its end is followed.
  const auto* sp = static_cast<const char*>(f.left().sp);
  for (std::size_t bytes = 0; bytes < 4096; bytes += 64) {
    const auto part = w.walk(f.left(), f.low(), sp + bytes, frames);
    EXPECT_NE(part.end, walked::lacks);
    EXPECT_LE(part.count, whole.frames.size());
  }
  f.resume();
}

TEST(cfi, of_what_is_no_code_is_unknown) {
  static const int number = 0;
  EXPECT_EQ(rule_of(reinterpret_cast<std::uintptr_t>(&number)).is, frame_rule::kind::unknown);
  EXPECT_EQ(rule_of(1).is, frame_rule::kind::unknown);
}

}  // namespace
}  // namespace weft::arch
