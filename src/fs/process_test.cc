#include "fs/process.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/context.h>
#include <weft/process.h>
#include <weft/scope.h>
#include <weft/wait_group.h>

#include <csignal>
#include <string>

#include "sync/sync_test.h"

namespace weft::process {
namespace {

using sync_test::in_weft;
using sync_test::scaled;
using sync_test::wait_until;
using namespace std::chrono_literals;

std::size_t open_descriptors() {
  std::size_t n = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++n;
  ::closedir(dir);
  return n;
}

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

command shell(const char* script) { return {.args = {"sh", "-c", script}}; }

// in_ways: with a pidfd and as without; nothing is left of it.
class in_ways : public testing::TestWithParam<bool> {
 protected:
  template <class F>
  void run_it(F&& f) {
    wait_by_pidfd(GetParam());
    in_weft([&] {
      static_cast<void>(run(shell(":")));  // what is opened once
      const auto before = open_descriptors();
      f();
      wait_until([] { return !has_children(); });
      wait_until([&] { return open_descriptors() == before; });
    });
    wait_by_pidfd(true);
  }
};
INSTANTIATE_TEST_SUITE_P(process, in_ways, testing::Bool());

TEST_P(in_ways, the_status_is_what_it_returned_or_the_signal_that_ended_it) {
  run_it([] {
    EXPECT_TRUE(run(shell("exit 0"))->success());
    const auto three = run(shell("exit 3")).value();
    EXPECT_EQ(three.code(), 3);
    EXPECT_EQ(three.text(), "exit status 3");
    const auto killed = run(shell("kill -9 $$")).value();
    EXPECT_EQ(killed.signal(), SIGKILL);
    EXPECT_EQ(killed.code(), -1);
    EXPECT_EQ(killed.text(), "signal: killed");
  });
}

TEST_P(in_ways, output_collects_both_streams_while_it_feeds_the_third) {
  run_it([] {
    auto what = shell("cat; echo oops >&2; exit 2");
    what.err = stream::pipe;
    const std::string input(500'000, 'x');
    const auto o = output(what, {}, input).value();
    EXPECT_EQ(o.out, input);
    EXPECT_EQ(o.err, "oops\n");
    EXPECT_EQ(o.status.code(), 2);
    EXPECT_EQ(output(shell("exit 0"), {}, input)->out, "");
  });
}

TEST_P(in_ways, environment_and_directory_are_what_was_asked_for) {
  run_it([] {
    auto what = shell("echo $KEY; pwd");
    what.env = {{"KEY=value"}};
    what.dir = "/";
    EXPECT_EQ(output(what)->out, "value\n/\n");
    ::setenv("WEFT_PROCESS_TEST", "inherited", 1);
    EXPECT_EQ(output(shell("echo $WEFT_PROCESS_TEST"))->out, "inherited\n");
  });
}

TEST_P(in_ways, what_cannot_start_says_why) {
  run_it([] {
    EXPECT_EQ(run({.args = {"/no/such/program"}}).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(run({.args = {"/etc/passwd"}}).error(), std::errc::permission_denied);
    EXPECT_EQ(run({.args = {"true"}, .dir = "/no/such/dir"}).error(),
              std::errc::no_such_file_or_directory);
    EXPECT_THROW(static_cast<void>(run({})), misuse_error);
  });
}

TEST_P(in_ways, its_streams_are_files) {
  run_it([] {
    auto c = start({.args = {"cat"}, .in = stream::pipe, .out = stream::pipe}).value();
    char buffer[16];
    for (int i = 0; i < 10; ++i) {
      c.in().write("ping").value();
      EXPECT_EQ(c.out().read(buffer), 4u);
    }
    c.in().close().value();
    EXPECT_EQ(c.out().read(buffer).error(), errc::eof);
    EXPECT_TRUE(c.finish()->success());
    EXPECT_EQ(c.wait(), c.finish());
  });
}

TEST_P(in_ways, a_limit_leaves_wait_and_the_child_goes_on) {
  run_it([] {
    auto c = start({.args = {"cat"}, .in = stream::pipe}).value();
    EXPECT_EQ(c.wait(1ms).error(), errc::timeout);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_EQ(c.wait(ctx).error(), errc::cancelled);
    EXPECT_TRUE(c.signal(0));
    c.in().close().value();
    EXPECT_TRUE(c.wait()->success());
    EXPECT_EQ(c.signal(SIGKILL).error(), std::errc::no_such_process);
  });
}

TEST_P(in_ways, cancelling_a_run_kills_it) {
  run_it([] {
    const auto both = with_cancel({});
    wait_group all;
    all.go([&] { EXPECT_EQ(run({.args = {"sleep", "1000"}}, both.ctx).error(), errc::cancelled); });
    all.go(
        [&] { EXPECT_EQ(output({.args = {"sleep", "1000"}}, both.ctx).error(), errc::cancelled); });
    wait_until([] { return has_children(); });
    both.cancel();
    all.wait().value();
    EXPECT_EQ(run({.args = {"sleep", "1000"}}, 1ms).error(), errc::timeout);
  });
}

TEST_P(in_ways, the_end_of_a_scope_kills_what_runs_in_it) {
  run_it([] {
    scope all;
    all.go([] { EXPECT_EQ(run({.args = {"sleep", "1000"}}).error(), errc::cancelled); });
    all.go([] { EXPECT_EQ(output({.args = {"sleep", "1000"}}).error(), errc::cancelled); });
    wait_until([] { return has_children(); });
    all.cancel();
    all.join().value();
  });
}

TEST_P(in_ways, a_chosen_signal_comes_first_and_sigkill_after_the_delay) {
  run_it([] {
    auto polite = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    polite.kill_signal = SIGTERM;
    polite.out = stream::pipe;
    char buffer[16];
    auto c = start(polite).value();
    EXPECT_EQ(c.out().read(buffer), 6u);
    EXPECT_EQ(c.finish(0s).error(), errc::timeout);
    EXPECT_EQ(c.wait()->code(), 7);

    auto deaf = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    deaf.kill_signal = SIGTERM;
    deaf.wait_delay = 1ms;
    deaf.out = stream::pipe;
    auto d = start(deaf).value();
    EXPECT_EQ(d.out().read(buffer), 6u);
    EXPECT_EQ(d.finish(0s).error(), errc::timeout);
    EXPECT_EQ(d.wait()->signal(), SIGKILL);
  });
}

TEST_P(in_ways, output_does_not_wait_for_ever_for_who_inherited_the_pipe) {
  run_it([] { EXPECT_EQ(output(shell("sleep 5 &"), 200ms).error(), errc::timeout); });
}

TEST_P(in_ways, more_output_than_allowed_kills_it) {
  run_it([] {
    auto what = shell("yes");
    what.output_max = 100'000;
    EXPECT_EQ(output(what).error(), std::errc::file_too_large);
  });
}

TEST_P(in_ways, a_child_that_is_dropped_is_killed_and_leaves_no_zombie) {
  run_it([] {
    for (int i = 0; i < 3; ++i) static_cast<void>(start({.args = {"sleep", "1000"}}).value());
  });
}

TEST_P(in_ways, gets_no_descriptor_but_its_three_and_no_blocked_signal) {
  run_it([] {
    const int leaky = ::dup2(0, 77);  // not close-on-exec
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &some, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(output({.args = {"ls", "/proc/self/fd"}})->out, "0\n1\n2\n3\n");  // 3 is ls's own
    const auto status = output({.args = {"grep", "-E", "SigBlk|SigIgn", "/proc/self/status"}})->out;
    EXPECT_EQ(status.find("SigBlk:\t0000000000000000\n"), 0u) << status;
    const auto ignored = std::stoull(status.substr(status.rfind('\t')), nullptr, 16);
    EXPECT_EQ(ignored & (1u << (SIGPIPE - 1)), 0u) << status;
    ::signal(SIGPIPE, SIG_DFL);
    ::pthread_sigmask(SIG_UNBLOCK, &some, nullptr);
    ::close(leaky);
  });
}

TEST_P(in_ways, many_at_once) {
  run_it([] {
    wait_group all;
    for (int i = 0; i < scaled(100); ++i) {
      all.go([i] {
        const auto n = std::to_string(i);
        const auto o = output({.args = {"echo", n}}).value();
        EXPECT_EQ(o.out, n + "\n");
      });
    }
    all.wait().value();
  });
}

TEST_P(in_ways, a_plain_thread_may_start_and_wait_while_a_runtime_runs) {
  run_it([] {
    std::thread other([] {
      EXPECT_EQ(output(shell("echo thread"), 60s)->out, "thread\n");
      EXPECT_EQ(run({.args = {"sleep", "1000"}}, 1ms).error(), errc::timeout);
    });
    sync_test::join_from_goroutine(other);
  });
}

}  // namespace
}  // namespace weft::process
