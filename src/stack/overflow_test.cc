#include "stack/overflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "arch/test_fiber.h"
#include "base/assert.h"
#include "stack/pages.h"
#include "stack/stack.h"

// The handler is installed once in a process and never removed, so everything here happens in a
// child.

namespace weft::stack {
namespace {

const stack* running = nullptr;

bool describe(const void* address, void*) noexcept {
  if (running == nullptr || !guard_contains(*running, address)) return false;
  base::write_stderr("the describer knows this stack\n");
  return true;
}

// begin: as the process begins in a runtime, whatever a sanitizer had installed.
void begin(void (*before)(int) = SIG_DFL) {
  ::signal(SIGSEGV, before);
  ::signal(SIGBUS, before);
  set_overflow_describer(describe);
  install_overflow_handler();
}

// endless: recursion whose end the compiler cannot prove either way.
[[gnu::noinline]] int endless(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  asm volatile("" : : "r"(frame) : "memory");  // a frame for each depth, and no loop
  if (depth < 0) return 0;
  return endless(depth + 1) + frame[0];
}

// overflow: an endless recursion on a stack of the best kind there is.
void overflow() {
  const alternate_stack alternate;
  // Only a guard that faults has anything to describe.
  const auto guard = chosen_guard() == guard_kind::canary ? guard_kind::mprotect : chosen_guard();
  allocator* a = create(guard);
  const stack* s = allocate(*a, default_size);
  running = s;
  arch::test_fiber fiber(s->low, static_cast<std::size_t>(s->high - s->low),
                         [](arch::test_fiber&) { endless(0); });
  fiber.resume();
}

void fault_elsewhere() {
  char* page = map_pages(guard_size);
  WEFT_ASSERT(protect_guard(page, guard_size), "mprotect failed");
  *const_cast<volatile char*>(page) = 1;
}

// prints_only: that exactly `expected` was written; an emulator's own last words do not count.
testing::Matcher<const std::string&> prints_only(const std::string& expected) {
  return testing::Truly([expected](const std::string& output) {
    return output.substr(0, output.find("qemu: ")) == expected;
  });
}

void say(const char* text) { base::write_stderr(text); }

TEST(overflow_DeathTest, is_described_and_dies_of_the_signal) {
  EXPECT_EXIT(
      {
        begin();
        overflow();
      },
      testing::KilledBySignal(SIGSEGV), "the describer knows this stack");
}

TEST(overflow_DeathTest, another_fault_is_not_described_and_dies_of_the_signal) {
  EXPECT_EXIT(
      {
        begin();
        fault_elsewhere();
      },
      testing::KilledBySignal(SIGSEGV), prints_only(""));
}

TEST(overflow_DeathTest, then_reaches_the_handler_that_was_there_before) {
  EXPECT_EXIT(
      {
        begin([](int signal) {
          say("the old handler\n");
          std::_Exit(signal == SIGSEGV ? 3 : 4);
        });
        overflow();
      },
      testing::ExitedWithCode(3), "knows this stack\nthe old handler");
}

TEST(overflow_DeathTest, an_earlier_handler_with_information_gets_it) {
  EXPECT_EXIT(
      {
        ::signal(SIGSEGV, SIG_DFL);
        struct sigaction action{};
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = [](int, siginfo_t* info, void* context) {
          sigset_t blocked;
          ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
          const bool right = guard_contains(*running, info->si_addr) && context != nullptr &&
                             sigismember(&blocked, SIGUSR1) == 1;
          std::_Exit(right ? 5 : 6);
        };
        sigemptyset(&action.sa_mask);
        sigaddset(&action.sa_mask, SIGUSR1);
        ::sigaction(SIGSEGV, &action, nullptr);
        set_overflow_describer(describe);
        install_overflow_handler();
        overflow();
      },
      testing::ExitedWithCode(5), "");
}

TEST(overflow_DeathTest, installing_twice_does_nothing) {
  EXPECT_EXIT(
      {
        begin();
        // A second installation that took hold would find itself as the previous handler, for ever.
        install_overflow_handler();
        overflow();
      },
      testing::KilledBySignal(SIGSEGV), prints_only("the describer knows this stack\n"));
}

TEST(overflow_DeathTest, a_sent_signal_dies_as_it_would_have) {
  EXPECT_EXIT(
      {
        begin();
        ::raise(SIGBUS);
      },
      testing::KilledBySignal(SIGBUS), prints_only(""));
}

TEST(overflow_DeathTest, a_sent_signal_that_was_ignored_stays_ignored) {
  EXPECT_EXIT(
      {
        begin(SIG_IGN);
        ::raise(SIGSEGV);
        ::raise(SIGBUS);
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), prints_only(""));
}

TEST(overflow_DeathTest, a_handler_for_one_time_is_called_one_time) {
  EXPECT_EXIT(
      {
        ::signal(SIGSEGV, SIG_DFL);
        struct sigaction action{};
        action.sa_handler = [](int) { say("once\n"); };
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        ::sigaction(SIGSEGV, &action, nullptr);
        install_overflow_handler();
        ::raise(SIGSEGV);
        ::raise(SIGSEGV);
      },
      testing::KilledBySignal(SIGSEGV), prints_only("once\n"));
}

TEST(alternate_stack, gives_the_previous_one_back) {
  stack_t before{};
  stack_t during{};
  stack_t inner{};
  stack_t after{};
  ::sigaltstack(nullptr, &before);
  {
    const alternate_stack outer_stack;
    ::sigaltstack(nullptr, &during);
    {
      const alternate_stack inner_stack;
      ::sigaltstack(nullptr, &inner);
    }
    ::sigaltstack(nullptr, &after);
  }
  EXPECT_EQ(during.ss_size, alternate_stack::size);
  EXPECT_NE(during.ss_sp, before.ss_sp);
  EXPECT_NE(during.ss_sp, inner.ss_sp);
  EXPECT_EQ(after.ss_sp, during.ss_sp);
  ::sigaltstack(nullptr, &after);
  EXPECT_EQ(after.ss_flags & SS_DISABLE, before.ss_flags & SS_DISABLE);
  if ((before.ss_flags & SS_DISABLE) == 0) {
    EXPECT_EQ(after.ss_sp, before.ss_sp);
  }
}

}  // namespace
}  // namespace weft::stack
