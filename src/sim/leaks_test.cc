#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/cond.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/gtest.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/rwmutex.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/test.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <mutex>
#include <optional>
#include <thread>

#include "arch/sanitizer.h"

namespace weft::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// patient: for those who will end, on a busy machine.
constexpr leak_options patient{.settle = 20ms, .patience = 60s};
// brief: for those who will not.
constexpr leak_options brief{.settle = 5ms, .patience = 50ms};

// only_leak: of goroutines that `f` has started: of which there is one.
leak only_leak(const std::function<void()>& f, const leak_options& options = patient) {
  leak found;
  weft::run([&] {
    leak_check check({}, options);
    f();
    const auto all = check.find();
    ASSERT_EQ(all.size(), 1U) << text_of(all);
    found = all[0];
  });
  return found;
}

TEST(leaks, a_receiver_whose_last_sender_has_gone_is_proven) {
  const auto l = only_leak([] {
    std::optional<sender<int>> s;
    {
      const channel<int> c(1);
      s.emplace(c);
      go({.name = "reader"}, [r = receiver<int>(c)] {
        while (r.recv()) {
        }
      });
    }
    s->send(1);
    s.reset();
  });
  EXPECT_EQ(l.how, certainty::proven);
  EXPECT_EQ(l.name, "reader");
  EXPECT_EQ(l.state, "chan receive");
  EXPECT_EQ(l.why, "the channel's last sender has gone");
  EXPECT_THAT(l.origin, HasSubstr("leaks_test.cc:"));
}

TEST(leaks, a_sender_whose_last_receiver_has_gone_is_suspect) {
  const auto l = only_leak([] {
    const channel<int> c(1);
    go([s = sender<int>(c)] {
      s.send(1);
      s.send(2);
    });
  });
  EXPECT_EQ(l.how, certainty::suspect);
  EXPECT_EQ(l.why, "the channel's last receiver has gone: only a close wakes it");
}

TEST(leaks, who_waits_for_nothing_is_proven) {
  EXPECT_EQ(only_leak([] { go([] { channel<int>().recv(); }); }).how, certainty::proven);
  EXPECT_EQ(only_leak([] { go([] { channel<int>().send(1); }); }).how, certainty::proven);
  EXPECT_EQ(only_leak([] { go([] { select(); }); }).how, certainty::proven);
}

TEST(leaks, who_waits_for_what_others_hold_is_suspect) {
  // What a dropped goroutine waited on is not used again: a channel for each.
  const auto of = [](void (*f)(const channel<int>&)) {
    const channel<int> kept(0);
    return only_leak([&] { go([kept, f] { f(kept); }); }).how;
  };
  EXPECT_EQ(of([](const channel<int>& c) { c.recv(); }), certainty::suspect);
  EXPECT_EQ(of([](const channel<int>& c) { c.send(1); }), certainty::suspect);
  EXPECT_EQ(of([](const channel<int>& c) { receiver<int>(c).recv(); }), certainty::suspect);
  EXPECT_EQ(of([](const channel<int>& c) { select(recv(c), send(c, 1)); }), certainty::suspect);
  static mutex m;
  const auto l = only_leak([] {
    m.lock();
    go([] { m.lock(); });
  });
  EXPECT_EQ(l.how, certainty::suspect);
  EXPECT_EQ(l.state, "sync.Mutex.Lock");
  static wait_group never;
  never.add(1);
  EXPECT_EQ(only_leak([] { go([] { never.wait().value(); }); }).how, certainty::suspect);
}

TEST(leaks, whose_wait_can_end_is_unknown) {
  const auto unknown = [](void (*f)()) {
    const auto l = only_leak([f] { go(f); }, brief);
    EXPECT_EQ(l.how, certainty::unknown) << text_of({l});
    return l;
  };
  unknown([] { static_cast<void>(sleep_for(1h)); });
  unknown([] { static_cast<void>(channel<int>().recv(1h)); });
  unknown([] { static_cast<void>(channel<int>(0).recv(1h)); });
  unknown([] {
    const auto [ctx, cancel] = with_cancel({});
    static_cast<void>(channel<int>().recv(ctx));
  });
  unknown([] { select(after(1h, [] {})); });
  unknown([] { static_cast<void>(net::listen("tcp", "127.0.0.1:0").value().accept()); });
  const auto runs = unknown([] {
    for (;;) yield();
  });
  EXPECT_NE(runs.why, "");
}

TEST(leaks, a_limit_is_forgotten_with_its_wait) {
  const auto l = only_leak([] {
    go([] {
      const auto [ctx, cancel] = with_cancel({});
      static_cast<void>(channel<int>(0).recv({ctx, 1ms}));
      static_cast<void>(channel<int>().recv());
    });
  });
  EXPECT_EQ(l.how, certainty::proven);
}

TEST(leaks, who_was_there_before_or_has_ended_is_none) {
  weft::run([] {
    const channel<int> stop(0);
    go([stop] { stop.recv(); });
    leak_check check({}, patient);
    wait_group ended;
    ended.go([] { static_cast<void>(sleep_for(1ms)); });
    go([] { static_cast<void>(sleep_for(3ms)); });
    {
      scope s;
      s.go([] { yield(); });
    }
    EXPECT_EQ(text_of(check.find()), "");
    stop.close();
    ended.wait().value();
  });
}

TEST(leaks, a_plain_thread_may_ask) {
  weft::run([] {
    const channel<int> stop(0);
    blocking([&] {
      std::thread([&] {
        leak_check check({}, patient);
        go([stop] { stop.recv(); });
        EXPECT_EQ(check.find().size(), 1U);
      }).join();
    });
    stop.close();
  });
  EXPECT_EQ(text_of(leak_check().find()), "") << "there is no runtime";
}

TEST(leaks, the_destructor_reports_once) {
  std::vector<leak> reported;
  int reports = 0;
  const auto report = [&](const std::vector<leak>& l) {
    reported = l;
    ++reports;
  };
  weft::run([&] {
    {
      const leak_check check(report, patient);
      go([] { select(); });
    }
    EXPECT_EQ(reports, 1);
    EXPECT_EQ(reported.size(), 1U);
    {
      leak_check check(report, patient);
      go([] { select(); });
      EXPECT_EQ(check.find().size(), 1U);
    }
    {
      const leak_check check(report, patient);
    }
    EXPECT_EQ(reports, 1);
  });
}

TEST(leaks, a_run_reports_those_it_drops) {
  std::vector<leak> reported;
  report_leaks([&](const std::vector<leak>& l) { reported = l; }, patient);
  weft::run([] { go({.name = "lost"}, [] { select(); }); });
  EXPECT_THAT(text_of(reported), HasSubstr("\"lost\" [select (no cases)]: proven"));
  reported.clear();
  weft::run([] { go([] { static_cast<void>(sleep_for(2ms)); }); });
  EXPECT_EQ(text_of(reported), "") << "it had a moment to end";
  report_leaks({});
  weft::run([] { go([] { select(); }); });
  EXPECT_EQ(text_of(reported), "");
}

TEST(leaks, in_a_simulation_no_time_passes_for_it) {
  const auto o = simulate(
      [] {
        leak_check check;
        const channel<int> c(0);
        go([c] { c.recv(); });
        const auto all = check.find();
        if (all.size() != 1 || all[0].how != certainty::suspect)
          throw std::runtime_error(text_of(all));
        c.close();
      },
      {.schedule = "exact:"});
  EXPECT_TRUE(o.ok()) << o.text();
}

// Programs of the usual shapes: nothing of them is ever proven, and nothing of them stays.
TEST(leaks, right_programs_have_none) {
  for (int n = 0; n < (arch::sanitizer::present ? 3 : 30); ++n) {
    weft::run([n] {
      leak_check check({}, patient);
      const channel<int> c(n % 3);
      mutex m;
      rwmutex table;
      cond changed;
      int turns = 0;
      wait_group all;
      for (int i = 0; i < 4; ++i) {
        go([r = receiver(c)] {
          while (r.recv()) {
          }
        });
        all.go([&, s = sender(c), i] {
          for (int k = 0; k < 20; ++k) {
            s.send(k);
            const std::lock_guard hold(m);
            const std::lock_guard write(table);
            if (i == 0) changed.notify_all();
            ++turns;
          }
        });
        all.go([&] {
          std::unique_lock hold(m);
          changed.wait(hold, [&] { return turns > 40; }, 1ms);
        });
      }
      all.wait().value();
      c.close();
      EXPECT_EQ(text_of(check.find()), "");
    });
  }
}

TEST(leak_listener, makes_failures_of_what_is_left) {
  EXPECT_NONFATAL_FAILURE_ON_ALL_THREADS(weft::run([] {
                                           const expect_no_leaks none(brief);
                                           go({.name = "lost"}, [] { select(); });
                                         }),
                                         "\"lost\" [select (no cases)]: proven");
  weft::run([] {
    const expect_no_leaks none(brief);
    go([] { static_cast<void>(sleep_for(1h)); });  // unknown: no failure
  });
}

}  // namespace
}  // namespace weft::test
