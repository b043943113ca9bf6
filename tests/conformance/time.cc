// Time: package time, by the rules that hold since Go 1.23. Nothing here measures: what is asked is
// order, and "not before".

#include <weft/channel.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <chrono>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

using namespace std::chrono_literals;
using clock = limit::clock;
using at = clock::time_point;

// fired: "fired", or why nothing came; when it came is never the same twice.
std::string fired(const result<at>& r) { return r ? "fired" : text(r.error()); }

// wait_until_due: sleeps as long as a timer that was set before needs.
void wait_until_due() { sleep_for(5ms).value(); }

// --- sleep ---------------------------------------------------------------------------------------

SCENARIO(time_sleep_of_nothing_does_not_wait, "time.Sleep") {
  say{task([] {
        sleep_for(0s).value();
        sleep_for(-1h).value();
      }).state()};
}

SCENARIO(time_sleep_waits, "time.Sleep") {
  say{task([] { sleep_for(1h).value(); }).state()};
}

SCENARIO(time_sleep_is_not_too_short, "time.Sleep: at least the duration d") {
  bool enough = true;
  for (const auto d : {1us, 100us, 1000us, 3000us}) {
    const auto before = clock::now();
    sleep_for(d).value();
    enough = enough && clock::now() - before >= d;
  }
  say{enough};
}

SCENARIO(time_sleep_of_the_longest_does_not_end, "time.Sleep; runtime/time.go, when: overflow") {
  say{task([] { sleep_for(std::chrono::nanoseconds::max()).value(); }).state()};
}

SCENARIO(time_sleepers_wake_in_order, "time.Sleep") {
  const channel<int> woken(3);
  const auto start = clock::now();
  for (const int n : {3, 1, 2}) {
    go([=] {
      sleep_until(start + n * 60ms).value();
      woken.send(n);
    });
  }
  say{woken.recv(), woken.recv(), woken.recv()};
}

SCENARIO(time_many_sleepers_all_wake, "time.Sleep") {
  std::atomic<int> woken{0};
  wait_group all;
  for (int i = 0; i < 200; ++i) {
    all.go([&woken, i] {
      sleep_for(i % 10 * 100us).value();
      ++woken;
    });
  }
  all.wait().value();
  say{woken.load()};
}

// --- timers --------------------------------------------------------------------------------------

SCENARIO(timer_fires_once, "time.NewTimer") {
  timer t(1ms);
  say{fired(t.channel().recv())};
  say{fired(t.channel().try_recv())};
}

SCENARIO(timer_does_not_fire_early, "time.NewTimer: after at least duration d") {
  const auto before = clock::now();
  const timer t(3ms);
  t.channel().recv().value();
  say{clock::now() - before >= 3ms};
}

SCENARIO(timer_of_nothing_fires_at_once, "time.NewTimer") {
  const timer zero(0s), negative(-1h);
  say{fired(zero.channel().recv()), fired(negative.channel().recv())};
}

SCENARIO(timer_that_is_not_due_has_nothing, "time.Timer") {
  const timer t(1h);
  say{fired(t.channel().try_recv())};
  say{task([&] { t.channel().recv().value(); }).state()};
}

SCENARIO(timer_channel_looks_unbuffered, "time.NewTimer: since 1.23 synchronous (unbuffered)") {
  const timer t(1ms);
  say{t.channel().size(), t.channel().capacity()};
  wait_until_due();
  say{t.channel().size(), t.channel().capacity()};
}

SCENARIO(timer_of_the_longest_never_fires, "runtime/time.go, when: overflow") {
  const timer t(std::chrono::nanoseconds::max());
  say{task([&] { t.channel().recv().value(); }).state()};
}

SCENARIO(timer_stop_of_a_running_one, "time.Timer, Stop") {
  timer t(1h);
  say{t.stop(), t.stop()};
  say{fired(t.channel().try_recv())};
}

SCENARIO(timer_stop_after_its_value_was_taken, "time.Timer, Stop") {
  timer t(1ms);
  t.channel().recv().value();
  say{t.stop()};
}

SCENARIO(timer_stop_leaves_no_stale_value, "time.Timer, Stop: since 1.23 no stale value") {
  timer t(1ms);
  wait_until_due();
  say{t.stop()};
  say{fired(t.channel().try_recv())};
}

SCENARIO(timer_stop_does_not_wake_who_waits, "time.Timer, Stop: does not close the channel") {
  timer t(1h);
  const task waits([&] { t.channel().recv().value(); });
  say{t.stop()};
  say{waits.state()};
}

SCENARIO(timer_reset_of_a_running_one, "time.Timer, Reset") {
  timer t(1h);
  say{t.reset(1ms)};
  say{fired(t.channel().recv())};
}

SCENARIO(timer_reset_of_a_stopped_one, "time.Timer, Reset") {
  timer t(1h);
  t.stop();
  say{t.reset(1ms)};
  say{fired(t.channel().recv())};
}

SCENARIO(timer_reset_of_one_that_fired, "time.Timer, Reset") {
  timer t(1ms);
  t.channel().recv().value();
  say{t.reset(1ms)};
  say{fired(t.channel().recv())};
}

SCENARIO(timer_reset_leaves_no_stale_value, "time.Timer, Reset: since 1.23 no stale value") {
  timer t(1ms);
  wait_until_due();
  say{t.reset(1h)};
  say{fired(t.channel().try_recv())};
}

SCENARIO(timer_reset_to_nothing_fires_at_once, "time.Timer, Reset") {
  timer t(1h);
  say{t.reset(0s)};
  say{fired(t.channel().recv())};
}

SCENARIO(timer_reset_wakes_who_waits, "time.Timer, Reset") {
  timer t(1h);
  const task waits([&] { say{fired(t.channel().recv())}; });
  t.reset(1ms);
  say{waits.join()};
}

SCENARIO(timer_serves_one_of_those_who_wait, "time.NewTimer") {
  const timer t(1ms);
  const channel<int> served(2);
  for (int i = 0; i < 2; ++i) {
    go([&t, served] {
      t.channel().recv().value();
      served.send(1);
    });
  }
  say{served.recv()};
  say{served.try_recv()};
}

SCENARIO(timers_fire_in_order, "time.NewTimer") {
  const timer late(200ms), early(1ms);
  for (int i = 0; i < 2; ++i) {
    select(recv(late.channel(), [] { say{"late"}; }), recv(early.channel(), [] { say{"early"}; }));
  }
}

SCENARIO(timer_in_a_select_with_default, "time.NewTimer") {
  const timer t(1ms);
  const auto look = [&] {
    select(recv(t.channel(), [] { say{"fired"}; }), otherwise([] { say{"default"}; }));
  };
  wait_until_due();
  look();
  look();
}

// --- functions -----------------------------------------------------------------------------------

SCENARIO(time_after_func_calls_it, "time.AfterFunc") {
  const channel<int> called(1);
  auto t = after_func(1ms, [=] { called.send(7); });
  say{called.recv(), t.stop()};
}

SCENARIO(time_after_func_stopped_does_not_call_it, "time.Timer, Stop") {
  const channel<int> called(1);
  auto t = after_func(200ms, [=] { called.send(7); });
  say{t.stop(), t.stop()};
  sleep_for(210ms).value();
  say{called.try_recv()};
}

SCENARIO(time_after_func_stop_does_not_wait_for_it,
         "time.Timer, Stop: does not wait for f to complete") {
  const channel<int> started(0), release(0), ended(0);
  auto t = after_func(1ms, [=] {
    started.send(1);
    release.recv().value();
    ended.send(1);
  });
  started.recv().value();
  say{t.stop()};
  release.send(1);
  say{ended.recv()};
}

SCENARIO(time_after_func_reset_calls_it_later, "time.Timer, Reset") {
  const channel<int> called(2);
  auto t = after_func(1h, [=] { called.send(7); });
  say{t.reset(1ms), called.recv()};
  say{t.reset(1ms), called.recv()};
}

SCENARIO(time_after_func_reset_may_overlap, "time.Timer, Reset: runs f in a new goroutine") {
  const channel<int> started(0), release(0);
  auto t = after_func(1ms, [=] {
    started.send(1);
    release.recv().value();
  });
  started.recv().value();
  say{t.reset(1ms)};
  say{started.recv()};
}

SCENARIO(time_after_func_of_nothing_calls_it_at_once, "time.AfterFunc") {
  const channel<int> called(1);
  auto t = after_func(-1s, [=] { called.send(7); });
  say{called.recv()};
}

// --- tickers -------------------------------------------------------------------------------------

SCENARIO(ticker_ticks_again_and_again, "time.NewTicker") {
  const ticker every(1ms);
  for (int i = 0; i < 3; ++i) say{fired(every.channel().recv())};
}

SCENARIO(ticker_does_not_tick_early, "time.NewTicker") {
  const auto before = clock::now();
  const ticker every(2ms);
  for (int i = 0; i < 3; ++i) every.channel().recv().value();
  say{clock::now() - before >= 6ms};
}

SCENARIO(ticker_has_nothing_at_first, "time.NewTicker") {
  const ticker every(1h);
  say{fired(every.channel().try_recv()), every.channel().size(), every.channel().capacity()};
}

SCENARIO(ticker_of_nothing_panics, "time.NewTicker") {
  say{attempt([] { const ticker every(0s); })};
  say{attempt([] { const ticker every(-1s); })};
}

SCENARIO(ticker_reset_to_nothing_panics, "time.Ticker, Reset") {
  ticker every(1h);
  say{attempt([&] { every.reset(0s); })};
}

SCENARIO(ticker_drops_ticks_for_who_is_slow, "time.NewTicker: drops ticks for slow receivers") {
  const ticker every(1ms);
  sleep_for(50ms).value();
  int at_once = 0;
  while (every.channel().try_recv()) ++at_once;
  say{at_once >= 1, at_once < 25};
}

SCENARIO(ticker_stop_leaves_no_tick, "time.Ticker, Stop") {
  ticker every(1ms);
  wait_until_due();
  every.stop();
  say{fired(every.channel().try_recv())};
  wait_until_due();
  say{fired(every.channel().try_recv())};
}

SCENARIO(ticker_stop_does_not_close_the_channel, "time.Ticker, Stop: does not close the channel") {
  ticker every(1h);
  const task waits([&] { every.channel().recv().value(); });
  every.stop();
  say{waits.state()};
}

SCENARIO(ticker_reset_of_a_stopped_one, "time.Ticker, Reset") {
  ticker every(1h);
  every.stop();
  every.reset(1ms);
  say{fired(every.channel().recv()), fired(every.channel().recv())};
}

SCENARIO(ticker_reset_leaves_no_stale_tick, "time.Ticker, Reset") {
  ticker every(1ms);
  wait_until_due();
  every.reset(1h);
  say{fired(every.channel().try_recv())};
}

}  // namespace
}  // namespace weft::conformance
