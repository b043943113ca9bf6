#include "arch/switch.h"

#include <execinfo.h>
#include <gtest/gtest.h>
#include <unwind.h>

#include <cfenv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "arch/sanitizer.h"
#include "arch/test_fiber.h"

namespace weft::arch {
namespace {

constexpr int many = sanitizer::present ? 2'000 : 200'000;

// opaque: a value the compiler cannot compute or move over a switch.
template <class T>
T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

struct echo_side {
  context self;
  context owner;
  sanitizer::stack_range owner_range = sanitizer::thread_stack();
  void* owner_fiber = sanitizer::current_fiber();
};

echo_side echo;

void* echo_to_owner(void* value) {
  sanitizer::fiber_save save;
  sanitizer::before_switch(save, echo.owner_range.low, echo.owner_range.size, echo.owner_fiber,
                           false, false);
  void* next = switch_context(&echo.self, echo.owner, value);
  sanitizer::after_switch(save);
  return next;
}

void echo_entry(void* first) {
  sanitizer::after_switch({});
  auto value = reinterpret_cast<std::uintptr_t>(first);
  for (;;)
    value = reinterpret_cast<std::uintptr_t>(echo_to_owner(reinterpret_cast<void*>(value * 2)));
}

TEST(switch_context, a_value_travels_with_every_switch) {
  constexpr std::size_t bytes = 256 * 1024;
  auto memory = std::make_unique<char[]>(bytes + 16);
  char* high = memory.get() + bytes;
  high -= reinterpret_cast<std::uintptr_t>(high) % 16;
  const auto size = static_cast<std::size_t>(high - memory.get());
  echo.self = make_context(memory.get(), high, echo_entry);
  void* fiber = sanitizer::create_fiber();
  for (std::uintptr_t i = 1; i <= 1000; ++i) {
    sanitizer::fiber_save save;
    sanitizer::before_switch(save, memory.get(), size, fiber, false, false);
    void* answer = switch_context(&echo.owner, echo.self, reinterpret_cast<void*>(i));
    sanitizer::after_switch(save);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(answer), 2 * i);
  }
  sanitizer::destroy_fiber(fiber);
}

TEST(switch_context, many_stacks_keep_their_values_apart) {
  constexpr int fibers = 50;
  std::vector<std::unique_ptr<test_fiber>> all;
  std::vector<std::uint64_t> sums(fibers, 0);
  for (int id = 0; id < fibers; ++id) {
    all.push_back(std::make_unique<test_fiber>([id, &sums](test_fiber& self) {
      std::uint64_t sum = 0;
      for (int i = 0; i < many / fibers; ++i) {
        sum += static_cast<std::uint64_t>(id) * static_cast<std::uint64_t>(i);
        self.yield();
      }
      sums[static_cast<std::size_t>(id)] = sum;
    }));
  }
  for (bool alive = true; alive;) {
    alive = false;
    for (auto& f : all) alive = f->resume() || alive;
  }
  constexpr std::uint64_t rounds = many / fibers;
  for (std::uint64_t id = 0; id < fibers; ++id)
    EXPECT_EQ(sums[id], id * (rounds * (rounds - 1) / 2));
}

// pressure: keeps more integers and doubles alive over each switch than there are callee-saved
// registers, so that the compiler uses all of them.
template <class Pause>
[[gnu::noinline]] double pressure(std::uint64_t seed, int rounds, Pause pause) {
  std::uint64_t a = opaque(seed), b = opaque(seed + 1), c = opaque(seed + 2), d = opaque(seed + 3),
                e = opaque(seed + 4), f = opaque(seed + 5), g = opaque(seed + 6),
                h = opaque(seed + 7), i = opaque(seed + 8), j = opaque(seed + 9),
                k = opaque(seed + 10);
  auto real = [](std::uint64_t v) { return static_cast<double>(opaque(v)); };
  double p = real(seed + 1), q = real(seed + 2), r = real(seed + 3), s = real(seed + 4),
         t = real(seed + 5), u = real(seed + 6), v = real(seed + 7), w = real(seed + 8);
  for (int n = 0; n < rounds; ++n) {
    pause();
    a += b ^ 1, b += c ^ 3, c += d, d += e ^ 5, e += f, f += g, g += h ^ 7, h += i, i += j, j += k,
        k += a;
    p += q / 3, q += r / 5, r += s, s = s / 2 + t, t = t / 2 + u, u = u / 2 + v, v = v / 2 + w,
                                    w = w / 2 + 1;
  }
  return static_cast<double>((a + b + c + d + e + f + g + h + i + j + k) % 1'000'003) + p + q + r +
         s + t + u + v + w;
}

TEST(switch_context, callee_saved_registers_survive) {
  constexpr int rounds = 50;
  double in_first = 0;
  double in_second = 0;
  test_fiber first(
      [&](test_fiber& self) { in_first = pressure(11, rounds, [&] { self.yield(); }); });
  test_fiber second(
      [&](test_fiber& self) { in_second = pressure(77, rounds, [&] { self.yield(); }); });
  const double in_owner = pressure(555, rounds, [&] {
    first.resume();
    second.resume();
  });
  EXPECT_FALSE(first.resume());
  EXPECT_FALSE(second.resume());
  EXPECT_EQ(in_first, pressure(11, rounds, [] {}));
  EXPECT_EQ(in_second, pressure(77, rounds, [] {}));
  EXPECT_EQ(in_owner, pressure(555, rounds, [] {}));
}

// third: 1/3 as the current mode rounds it; what fegetround() says may be another control word.
double third() {
  volatile double one = 1.0, three = 3.0;
  return one / three;
}

TEST(switch_context, rounding_mode_belongs_to_the_context) {
  const double nearest = third();
  test_fiber up([nearest](test_fiber& self) {
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
    std::fesetround(FE_UPWARD);
    const double above = third();
    EXPECT_GT(above, nearest);
    self.yield();
    EXPECT_EQ(std::fegetround(), FE_UPWARD);
    EXPECT_EQ(third(), above);
    self.yield();
    EXPECT_EQ(std::fegetround(), FE_UPWARD);
    EXPECT_EQ(third(), above);
  });
  up.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  EXPECT_EQ(third(), nearest);
  up.resume();
  std::fesetround(FE_TOWARDZERO);
  EXPECT_FALSE(up.resume());
  EXPECT_EQ(std::fegetround(), FE_TOWARDZERO);
  std::fesetround(FE_TONEAREST);
}

TEST(switch_context, a_new_stack_starts_with_its_makers_rounding_mode) {
  std::fesetround(FE_DOWNWARD);
  test_fiber f([](test_fiber&) { EXPECT_EQ(std::fegetround(), FE_DOWNWARD); });
  std::fesetround(FE_TONEAREST);
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
}

TEST(switch_context, a_new_stack_is_aligned) {
  test_fiber f([](test_fiber&) {
    alignas(16) volatile char aligned[16] = {};
    EXPECT_EQ(opaque(reinterpret_cast<std::uintptr_t>(&aligned)) % 16, 0U);
    char text[64];
    // The C library uses aligned vector instructions on its frames here.
    std::snprintf(text, sizeof text, "%.3f %d", 1.5, 7);
    EXPECT_STREQ(text, "1.500 7");
  });
  EXPECT_FALSE(f.resume());
}

TEST(switch_context, a_stack_goes_on_upon_another_thread) {
  std::vector<std::thread::id> seen;
  test_fiber f([&](test_fiber& self) {
    for (int i = 0; i < 3; ++i) {
      std::thread([&] { seen.push_back(std::this_thread::get_id()); }).join();
      self.yield();
    }
  });
  for (int i = 0; i < 3; ++i) std::thread([&] { EXPECT_TRUE(f.resume()); }).join();
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(seen.size(), 3U);
}

// -- exceptions --

struct counts_down {
  explicit counts_down(int& n) : n_(n) {}
  ~counts_down() { --n_; }
  counts_down(const counts_down&) = delete;
  counts_down& operator=(const counts_down&) = delete;
  int& n_;
};

[[gnu::noinline]] void throw_below(int depth, int& alive) {
  ++alive;
  counts_down guard(alive);
  if (depth == 0) throw std::runtime_error("from the deep");
  throw_below(depth - 1, alive);
  asm volatile("");
}

TEST(exceptions, unwind_frames_of_a_new_stack_to_their_handler) {
  std::string caught;
  int alive = 0;
  test_fiber f([&](test_fiber& self) {
    self.yield();
    try {
      throw_below(20, alive);
    } catch (const std::exception& e) {
      caught = e.what();
    }
  });
  f.resume();
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(caught, "from the deep");
  EXPECT_EQ(alive, 0);
}

TEST(exceptions_DeathTest, one_that_nobody_catches_reaches_terminate) {
  EXPECT_EXIT(
      {
        std::set_terminate([] {
          std::fputs("terminate was reached\n", stderr);
          std::_Exit(7);
        });
        int alive = 0;
        test_fiber f([&](test_fiber&) { throw_below(3, alive); });
        f.resume();
      },
      testing::ExitedWithCode(7), "terminate was reached");
}

std::string rethrown() {
  try {
    throw;
  } catch (const std::string& text) {
    return text;
  }
}

test_fiber::body parks_in_catch(std::string text, std::string& result) {
  return [text, &result](test_fiber& self) {
    try {
      throw text;
    } catch (const std::string&) {
      self.yield();
      result = rethrown();
      self.yield();
    }
  };
}

TEST(exceptions, a_rethrow_after_a_park_inside_catch_delivers_ones_own) {
  std::string first;
  std::string second;
  test_fiber a(parks_in_catch("first", first));
  test_fiber b(parks_in_catch("second", second));
  try {
    throw std::string("owner");
  } catch (const std::string&) {
    a.resume();
    b.resume();
    a.resume();
    b.resume();
    EXPECT_EQ(rethrown(), "owner");
    // The blocks are left in the order they were entered, which no single thread's could be.
    EXPECT_FALSE(a.resume());
    EXPECT_FALSE(b.resume());
    EXPECT_EQ(rethrown(), "owner");
  }
  EXPECT_EQ(first, "first");
  EXPECT_EQ(second, "second");
  EXPECT_EQ(std::current_exception(), nullptr);
}

TEST(exceptions, a_rethrow_after_migration_delivers_ones_own) {
  std::string result;
  test_fiber a(parks_in_catch("wanderer", result));
  a.resume();
  std::thread([&] {
    try {
      throw std::string("resident");
    } catch (const std::string&) {
      a.resume();
      EXPECT_EQ(rethrown(), "resident");
    }
  }).join();
  EXPECT_EQ(result, "wanderer");
  EXPECT_FALSE(a.resume());
  EXPECT_EQ(std::current_exception(), nullptr);
}

struct yields_in_destructor {
  explicit yields_in_destructor(test_fiber& f) : fiber(f) {}
  ~yields_in_destructor() {
    EXPECT_EQ(std::uncaught_exceptions(), 1);
    fiber.yield();
    EXPECT_EQ(std::uncaught_exceptions(), 1);
  }
  yields_in_destructor(const yields_in_destructor&) = delete;
  yields_in_destructor& operator=(const yields_in_destructor&) = delete;
  test_fiber& fiber;
};

TEST(exceptions, a_destructor_may_switch_while_an_exception_unwinds) {
  std::string caught;
  test_fiber unwinding([&](test_fiber& self) {
    try {
      const yields_in_destructor guard(self);
      throw std::string("on its way");
    } catch (const std::string& text) {
      caught = text;
    }
  });
  test_fiber other([&](test_fiber& self) {
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    int alive = 0;
    EXPECT_THROW(throw_below(2, alive), std::runtime_error);
    self.yield();
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
  EXPECT_TRUE(unwinding.resume());
  EXPECT_EQ(std::uncaught_exceptions(), 0);
  EXPECT_TRUE(other.resume());
  // The exception goes on with its unwinding on another thread.
  std::thread([&] { EXPECT_FALSE(unwinding.resume()); }).join();
  EXPECT_FALSE(other.resume());
  EXPECT_EQ(caught, "on its way");
}

// -- unwinders --

struct walk {
  std::vector<std::uintptr_t> functions;
  _Unwind_Reason_Code end = _URC_NO_REASON;
};

_Unwind_Reason_Code note_frame(_Unwind_Context* at, void* to) {
  auto& functions = static_cast<walk*>(to)->functions;
  functions.push_back(_Unwind_GetRegionStart(at));
  return functions.size() < 1000 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

[[gnu::noinline]] walk walk_from(int depth) {
  walk w;
  if (depth > 0) {
    w = walk_from(depth - 1);
  } else {
    w.end = _Unwind_Backtrace(note_frame, &w);
  }
  asm volatile("");
  return w;
}

TEST(unwinder, stops_at_the_base_and_counts_every_frame) {
  walk shallow;
  walk deep;
  test_fiber f([&](test_fiber& self) {
    shallow = walk_from(0);
    self.yield();
    deep = walk_from(30);
  });
  f.resume();
  EXPECT_FALSE(f.resume());
  EXPECT_EQ(shallow.end, _URC_END_OF_STACK);
  EXPECT_EQ(deep.end, _URC_END_OF_STACK);
  EXPECT_EQ(deep.functions.size(), shallow.functions.size() + 30);
  EXPECT_LT(shallow.functions.size(), 12U);
  // Both reach the same function at the base, whose description they found.
  EXPECT_EQ(deep.functions.back(), shallow.functions.back());
  EXPECT_NE(deep.functions.back(), 0U);
}

TEST(unwinder, backtrace_of_the_c_library_ends) {
  int frames = 0;
  test_fiber f([&](test_fiber&) {
    void* addresses[100];
    frames = backtrace(addresses, 100);
  });
  EXPECT_FALSE(f.resume());
  EXPECT_GT(frames, 2);
  EXPECT_LT(frames, 14);
}

#if !defined(WEFT_SWITCH_UCONTEXT)
TEST(unwinder, frame_pointers_end_in_zero) {
  int frames = 0;
  // What stood here before must not look like a caller.
  constexpr std::size_t bytes = 256 * 1024;
  alignas(16) static char memory[bytes];
  std::memset(memory, 0x5a, bytes);
  test_fiber f(memory, bytes, [&](test_fiber&) {
    auto** frame = static_cast<void**>(__builtin_frame_address(0));
    for (; frame != nullptr && frames < 100; ++frames) frame = static_cast<void**>(*frame);
  });
  EXPECT_FALSE(f.resume());
  EXPECT_GT(frames, 1);
  EXPECT_LT(frames, 14);
}
#endif

}  // namespace
}  // namespace weft::arch
