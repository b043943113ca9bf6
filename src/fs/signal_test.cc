#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/go.h>
#include <weft/signal.h>
#include <weft/wait_group.h>

#include <csignal>
#include <string>
#include <thread>

#include "arch/sanitizer.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using sync_test::in_both;
using sync_test::in_weft;
using sync_test::scaled;
using namespace std::chrono_literals;

void* handler_of(int s) {
  struct sigaction now{};
  ::sigaction(s, nullptr, &now);
  return reinterpret_cast<void*>(now.sa_handler);
}

TEST(signal, arrives_in_the_channel_that_asked) {
  in_both([] {
    channel<int> to(2);
    signal::notify(to, {SIGUSR1, SIGUSR2});
    ::raise(SIGUSR1);
    EXPECT_EQ(to.recv(), SIGUSR1);
    ::raise(SIGUSR2);
    EXPECT_EQ(to.recv(), SIGUSR2);
    signal::stop(to);
  });
}

TEST(signal, arrives_in_every_channel_that_asked_whatever_its_runtime) {
  channel<int> outside(1);
  signal::notify(outside, {SIGUSR1});
  std::thread other([] {
    weft::run([] {
      channel<int> to(1);
      signal::notify(to, {SIGUSR1});
      ::raise(SIGUSR1);
      EXPECT_EQ(to.recv(), SIGUSR1);
      signal::stop(to);
    });
  });
  weft::run([&] {
    channel<int> to(2);  // a full one would drop the second
    signal::notify(to, {SIGUSR2, SIGUSR1});
    EXPECT_EQ(outside.recv(), SIGUSR1);
    ::raise(SIGUSR2);
    int got = 0;
    while (got != SIGUSR2) got = to.recv().value();
    signal::stop(to);
  });
  other.join();
  signal::stop(outside);
}

TEST(signal, a_full_channel_drops_and_never_waits) {
  in_both([] {
    channel<int> full(1);
    channel<int> wide(100);
    full.send(0);
    signal::notify(full, {SIGUSR1});
    signal::notify(wide, {SIGUSR1});
    for (int i = 0; i < 10; ++i) {
      ::raise(SIGUSR1);
      EXPECT_EQ(wide.recv(), SIGUSR1);
    }
    signal::stop(full);
    signal::stop(wide);
    EXPECT_EQ(full.recv(), 0);
    EXPECT_FALSE(full.try_recv());
  });
}

TEST(signal, nothing_arrives_after_stop_and_what_arrived_before_does) {
  in_both([] {
    for (int i = 0; i < scaled(200); ++i) {
      channel<int> keeps(1);  // so that the signal does not end the process
      channel<int> to(1);
      signal::notify(keeps, {SIGUSR1});
      signal::notify(to, {SIGUSR1});
      ::raise(SIGUSR1);
      signal::stop(to);
      EXPECT_EQ(to.size(), 1u);
      static_cast<void>(to.recv());
      ::raise(SIGUSR1);
      EXPECT_EQ(keeps.recv(), SIGUSR1);
      EXPECT_EQ(to.size(), 0u);
      signal::stop(keeps);
    }
  });
}

// status_of_child: of a child that was forked, and sends itself the signal.
int status_of_child(int s) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::raise(s);
    ::_exit(3);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(signal, in_a_child_that_was_forked_they_do_what_they_did_before_weft) {
  if (WEFT_TSAN != 0) GTEST_SKIP() << "ThreadSanitizer calls handlers later";
  ::signal(SIGUSR2, [](int) { ::_exit(9); });
  in_both([] {
    channel<int> to(1);
    signal::notify(to, {SIGUSR1, SIGUSR2});
    const int ended = status_of_child(SIGUSR1);
    EXPECT_TRUE(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGUSR1) << ended;
    const int handled = status_of_child(SIGUSR2);
    EXPECT_TRUE(WIFEXITED(handled) && WEXITSTATUS(handled) == 9) << handled;
    ::raise(SIGUSR1);  // here all is as it was
    EXPECT_EQ(to.recv(), SIGUSR1);
    signal::stop(to);
    EXPECT_EQ(to.size(), 0u);
  });
  ::signal(SIGUSR2, SIG_DFL);
}

TEST(signal, a_handler_is_there_only_while_somebody_asks) {
  const auto mine = [](int) {};
  ::signal(SIGUSR2, mine);
  void* const before = handler_of(SIGUSR2);
  in_both([&] {
    channel<int> a(1);
    channel<int> b(1);
    signal::notify(a, {SIGUSR2});
    signal::notify(b, {SIGUSR2});
    EXPECT_NE(handler_of(SIGUSR2), before);
    signal::stop(a);
    EXPECT_NE(handler_of(SIGUSR2), before);
    signal::stop(b);
    EXPECT_EQ(handler_of(SIGUSR2), before);
    signal::notify(a, {SIGUSR2});
    signal::reset({SIGUSR2});
    EXPECT_EQ(handler_of(SIGUSR2), before);
  });
  ::signal(SIGUSR2, SIG_DFL);
}

TEST(signal, ignored_ones_are_until_reset_or_notify) {
  in_both([] {
    channel<int> to(1);
    signal::notify(to, {SIGUSR1});
    signal::ignore({SIGUSR1});
    EXPECT_TRUE(signal::ignored(SIGUSR1));
    ::raise(SIGUSR1);
    signal::notify(to, {SIGUSR1});
    EXPECT_FALSE(signal::ignored(SIGUSR1));
    ::raise(SIGUSR1);
    EXPECT_EQ(to.recv(), SIGUSR1);
    EXPECT_FALSE(to.try_recv());
    signal::ignore({SIGUSR1});
    signal::reset({SIGUSR1});
    EXPECT_FALSE(signal::ignored(SIGUSR1));
    EXPECT_EQ(handler_of(SIGUSR1), reinterpret_cast<void*>(SIG_DFL));
  });
}

TEST(signal, an_empty_list_means_all) {
  in_both([] {
    channel<int> to(4);
    signal::notify(to, {});
    ::raise(SIGTERM);
    EXPECT_EQ(to.recv(), SIGTERM);
    ::raise(SIGRTMAX);
    EXPECT_EQ(to.recv(), SIGRTMAX);
    signal::stop(to);
    EXPECT_EQ(handler_of(SIGTERM), reinterpret_cast<void*>(SIG_DFL));
  });
}

TEST(signal, what_cannot_be_caught_is_misuse) {
  in_both([] {
    channel<int> to(1);
    for (const int s : {0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV}) {
      EXPECT_THROW(signal::notify(to, {SIGUSR1, s}), misuse_error);
      EXPECT_THROW(signal::ignore({s}), misuse_error);
    }
    EXPECT_EQ(handler_of(SIGUSR1), reinterpret_cast<void*>(SIG_DFL));
    EXPECT_THROW(signal::notify(channel<int>(), {SIGUSR1}), misuse_error);
  });
}

TEST(notify_context, is_cancelled_by_the_first_signal_which_is_its_cause) {
  in_both([] {
    auto stopping = signal::notify_context({}, {SIGUSR1, SIGTERM});
    EXPECT_FALSE(stopping.context().done());
    ::raise(SIGTERM);
    stopping.context().wait().value();
    EXPECT_EQ(stopping.context().err(), errc::cancelled);
    EXPECT_EQ(stopping.context().cause()->op(), std::string("signal 15 (Terminated)"));
  });
  EXPECT_EQ(handler_of(SIGTERM), reinterpret_cast<void*>(SIG_DFL));
}

TEST(notify_context, is_cancelled_by_stop_and_by_its_parent) {
  in_both([] {
    auto stopping = signal::notify_context({}, {SIGUSR1});
    stopping.stop();
    EXPECT_TRUE(stopping.context().done());
    EXPECT_EQ(handler_of(SIGUSR1), reinterpret_cast<void*>(SIG_DFL));
    auto [parent, cancel] = with_cancel({});
    auto below = signal::notify_context(parent, {SIGUSR1});
    cancel();
    EXPECT_TRUE(below.context().done());
  });
}

TEST(signal, storms_from_many_threads_lose_no_last_one) {
#if WEFT_TSAN
  GTEST_SKIP() << "ThreadSanitizer holds a signal back while its thread sleeps in a system call";
#endif
  in_weft([] {
    channel<int> to(1);
    signal::notify(to, {SIGUSR1});
    std::thread sender([] {
      for (int i = 0; i < scaled(20'000); ++i) ::kill(::getpid(), SIGUSR1);
    });
    sync_test::join_from_goroutine(sender);
    EXPECT_EQ(to.recv(), SIGUSR1);
    signal::stop(to);
  });
}

}  // namespace
}  // namespace weft
