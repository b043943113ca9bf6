// Whether a debugger understands our stacks: gdb runs this very binary, stops in a fibre, and walks
// it; then it single-steps through switches and walks the stack at every instruction. Only where
// the CFI is ours.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "arch/test_fiber.h"

namespace weft::arch {
namespace {

volatile std::size_t some_size = 48;

void keep(void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

// The functions below are what gdb sees: named, not inlined, and not left by a jump.
extern "C" {
[[gnu::noinline]] void gdb_probe_here() { asm volatile(""); }

[[gnu::noinline]] void gdb_probe_fiber_leaf(test_fiber& self) {
  gdb_probe_here();
  self.yield();
  asm volatile("");
}

// The roots have frames of variable size, which can only be left by a right frame pointer.
[[gnu::noinline]] void gdb_probe_fiber_root(test_fiber& self) {
  keep(__builtin_alloca(some_size));
  for (int i = 0; i < 3; ++i) gdb_probe_fiber_leaf(self);
  asm volatile("");
}

[[gnu::noinline]] void gdb_probe_owner(test_fiber& f) {
  keep(__builtin_alloca(some_size));
  while (f.resume()) asm volatile("");
}
}

TEST(gdb_probe, switches) {
  test_fiber f(gdb_probe_fiber_root);
  gdb_probe_owner(f);
}

// gdb: what it prints for these commands when it has loaded this binary.
std::string gdb(const std::vector<std::string>& commands) {
  std::array<char, 4096> self{};
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
  EXPECT_GT(length, 0);
  std::string line =
      "env -u DEBUGINFOD_URLS gdb -nx -batch -ex 'set pagination off' -ex 'set width 0'";
  for (const auto& c : commands) line += " -ex '" + c + "'";
  line += " --args '" + std::string(self.data()) + "' --gtest_filter=gdb_probe.* 2>&1 </dev/null";
  FILE* pipe = ::popen(line.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> chunk{};
  while (const std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe))
    output.append(chunk.data(), n);
  ::pclose(pipe);
  return output;
}

// broken: gdb's ways to say that it lost its way.
testing::Matcher<const std::string&> broken() {
  using testing::HasSubstr;
  return testing::AnyOf(HasSubstr("?? ()"), HasSubstr("corrupt stack"),
                        HasSubstr("Backtrace stopped"), HasSubstr("Cannot access memory"));
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size()))
    ++n;
  return n;
}

TEST(gdb, walks_a_fibre_from_leaf_to_base) {
  const std::string output = gdb({"break gdb_probe_here", "run", "bt"});
  EXPECT_THAT(output, testing::ContainsRegex("#0 .*gdb_probe_here"));
  EXPECT_THAT(output, testing::ContainsRegex("#1 .*gdb_probe_fiber_leaf"));
  EXPECT_THAT(output, testing::ContainsRegex("#2 .*gdb_probe_fiber_root"));
  EXPECT_EQ(count(output, "weft_stack_base"), 1U) << output;
  EXPECT_THAT(output, testing::Not(broken()));
}

TEST(gdb, walks_the_stack_at_every_instruction_of_a_switch) {
  // Two switches: the first onto the new stack, the second back to its owner, each stepped to its
  // end.
  constexpr int steps = 50;
  std::vector<std::string> commands = {"break weft_switch_context", "run"};
  for (int entered = 0; entered < 2; ++entered) {
    for (int i = 0; i < steps; ++i) {
      commands.emplace_back("echo @@\\n");
      commands.emplace_back("bt");
      commands.emplace_back("stepi");
    }
    commands.emplace_back("continue");
  }
  const std::string output = gdb(commands);
  int owner = 0;
  int fiber = 0;
  int inside = 0;
  for (auto at = output.find("@@"); at != std::string::npos;) {
    const auto end = output.find("@@", at + 2);
    const std::string one = output.substr(at, end - at);
    at = end;
    ASSERT_THAT(one, testing::Not(broken()));
    // One stack or the other, from end to end, and never a mixture.
    const bool in_owner = one.find("gdb_probe_owner") != std::string::npos;
    const bool in_fiber = one.find("weft_stack_base") != std::string::npos;
    ASSERT_NE(in_owner, in_fiber) << one;
    if (in_owner) {
      ASSERT_NE(one.find(" main "), std::string::npos) << one;
    }
    owner += in_owner ? 1 : 0;
    fiber += in_fiber ? 1 : 0;
    inside += one.find("weft_switch_context") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(owner + fiber, 2 * steps) << output;
  EXPECT_GT(owner, 20);
  EXPECT_GT(fiber, 20);
  EXPECT_GT(inside, 50);
}

}  // namespace
}  // namespace weft::arch
