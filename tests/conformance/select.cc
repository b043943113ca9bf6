// Select: Go spec (Select statements), runtime/select.go.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

using namespace std::chrono_literals;

// said: a function for a case that says what was received.
auto said(const char* where) {
  return [where](const result<int>& r) { say{where, r}; };
}

// --- choosing ------------------------------------------------------------------------------------

SCENARIO(select_takes_the_one_that_can_receive, "Go spec, Select statements") {
  const channel<int> a(1), b(1);
  b.send(7);
  select(recv(a, said("a")), recv(b, said("b")));
}

SCENARIO(select_takes_the_one_that_can_send, "Go spec, Select statements") {
  const channel<int> full(1), empty(1);
  full.send(1);
  select(send(full, 2, [] { say{"full"}; }), send(empty, 3, [] { say{"empty"}; }));
  say{full.size(), empty.recv()};
}

SCENARIO(select_default_when_none_can_go_on, "Go spec, Select statements") {
  const channel<int> a(0), b(0);
  select(recv(a, said("a")), send(b, 1), otherwise([] { say{"default"}; }));
}

SCENARIO(select_no_default_when_one_can_receive, "Go spec, Select statements") {
  const channel<int> a(1);
  a.send(1);
  select(recv(a, said("a")), otherwise([] { say{"default"}; }));
  select(recv(a, said("a")), otherwise([] { say{"default"}; }));
}

SCENARIO(select_no_default_when_one_can_send, "Go spec, Select statements") {
  const channel<int> a(1);
  for (int i = 0; i < 2; ++i) {
    select(send(a, 1, [] { say{"sent"}; }), otherwise([] { say{"default"}; }));
  }
}

SCENARIO(select_default_stands_anywhere, "Go spec, Select statements") {
  const channel<int> a(1);
  a.send(1);
  select(otherwise([] { say{"default"}; }), recv(a, said("a")));
  select(otherwise([] { say{"default"}; }), recv(a, said("a")));
}

SCENARIO(select_closed_can_be_received_from, "Go spec, Select statements; Receive operator") {
  const channel<int> a(0);
  a.close();
  select(recv(a, said("a")), otherwise([] { say{"default"}; }));
}

SCENARIO(select_receives_what_a_closed_one_still_holds, "Go spec, Close") {
  const channel<int> a(1);
  a.send(7);
  a.close();
  for (int i = 0; i < 2; ++i) select(recv(a, said("a")), otherwise([] { say{"default"}; }));
}

SCENARIO(select_takes_from_a_sender_that_waits, "Go spec, Select statements") {
  const channel<int> a(0), b(0);
  const task sender([=] { b.send(7); });
  select(recv(a, said("a")), recv(b, said("b")));
  say{sender.join()};
}

SCENARIO(select_gives_to_a_receiver_that_waits, "Go spec, Select statements") {
  const channel<int> a(0), b(0);
  const task receiver([=] { say{b.recv()}; });
  const auto index = select(send(a, 1), send(b, 2));
  receiver.join();
  say{index};
}

SCENARIO(select_choice_is_even, "Go spec, Select statements: uniform pseudo-random selection") {
  const channel<int> a(1), b(1);
  a.send(1);
  b.send(1);
  std::array<int, 2> chosen{};
  for (int i = 0; i < 4000; ++i) {
    select(recv(a, [&](int v) { ++chosen[0], a.send(v); }),
           recv(b, [&](int v) { ++chosen[1], b.send(v); }));
  }
  say{chosen[0] > 1700, chosen[1] > 1700};
}

SCENARIO(select_choice_is_even_among_the_ready,
         "Go spec, Select statements: uniform pseudo-random selection") {
  const channel<int> closed(0), never(0);
  closed.close();
  std::array<int, 3> chosen{};
  for (int i = 0; i < 6000; ++i) {
    select(recv(closed, [&] { ++chosen[0]; }), recv(never), recv(closed, [&] { ++chosen[1]; }),
           send(never, 1), recv(closed, [&] { ++chosen[2]; }));
  }
  say{chosen[0] > 1700, chosen[1] > 1700, chosen[2] > 1700};
}

SCENARIO(select_choice_is_even_between_directions,
         "Go spec, Select statements: uniform pseudo-random selection") {
  const channel<int> a(2);
  a.send(1);
  int sends = 0, receives = 0;
  for (int i = 0; i < 4000; ++i) {
    select(send(a, 1, [&] { ++sends, a.recv().value(); }),
           recv(a, [&](int v) { ++receives, a.send(v); }));
  }
  say{sends > 1700, receives > 1700};
}

// --- waiting -------------------------------------------------------------------------------------

SCENARIO(select_waits_when_none_can_go_on, "Go spec, Select statements") {
  const channel<int> a(0), b(0);
  const task waiting([=] { select(recv(a, said("a")), recv(b, said("b"))); });
  say{waiting.state()};
  b.send(7);
  say{waiting.join()};
}

SCENARIO(select_is_woken_by_a_receiver, "runtime/select.go, pass 3") {
  const channel<int> a(0), b(0);
  const task waiting([=] { select(send(a, 1, [] { say{"a"}; }), send(b, 2, [] { say{"b"}; })); });
  say{waiting.state()};
  const auto got = b.recv();
  say{waiting.join(), got};
}

SCENARIO(select_is_woken_by_a_buffer_with_room, "runtime/select.go, pass 3") {
  const channel<int> a(1), b(0);
  a.send(1);
  const task waiting([=] { select(send(a, 2, [] { say{"a"}; }), recv(b)); });
  const auto before = waiting.state();
  const auto first = a.recv();
  const auto end = waiting.join();
  say{before, first};
  say{end, a.recv()};
}

SCENARIO(select_is_woken_by_a_close, "runtime/chan.go, closechan") {
  const channel<int> a(0), b(0);
  const task waiting([=] { select(recv(a, said("a")), recv(b, said("b"))); });
  a.close();
  say{waiting.join()};
}

SCENARIO(select_close_wakes_all_who_wait, "runtime/chan.go, closechan") {
  const channel<int> a(0), b(0);
  std::vector<task> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([=] { select(recv(a, said("a")), recv(b, said("b"))); });
  }
  b.close();
  for (const auto& w : waiting) w.join();
}

SCENARIO(select_of_nothing_blocks_for_ever, "Go spec, Select statements") {
  say{task([] { select(); }).state()};
}

SCENARIO(select_of_default_alone_takes_it, "Go spec, Select statements") {
  select(otherwise([] { say{"default"}; }));
}

SCENARIO(select_of_one_receive_waits_like_it, "Go spec, Select statements") {
  const channel<int> a(0);
  const task waiting([=] { select(recv(a, said("a"))); });
  say{waiting.blocks()};
  a.send(1);
  say{waiting.join()};
}

SCENARIO(select_of_one_send_waits_like_it, "Go spec, Select statements") {
  const channel<int> a(0);
  const task waiting([=] { select(send(a, 7)); });
  say{waiting.blocks(), a.recv()};
  say{waiting.join()};
}

SCENARIO(select_waiters_stand_in_line_with_receivers, "runtime/chan.go, recvq") {
  const channel<int> a(0), b(0);
  const task first([=] { select(recv(a, said("select")), recv(b, said("b"))); });
  const task second([=] { say{"receiver", a.recv()}; });
  a.send(1);
  first.join();
  a.send(2);
  second.join();
}

SCENARIO(select_waits_behind_receivers_that_came_first, "runtime/chan.go, recvq") {
  const channel<int> a(0), b(0);
  const task first([=] { say{"receiver", a.recv()}; });
  const task second([=] { select(recv(a, said("select")), recv(b, said("b"))); });
  a.send(1);
  first.join();
  a.send(2);
  second.join();
}

SCENARIO(select_two_waiting_are_served_in_order, "runtime/chan.go, sendq") {
  const channel<int> a(0), b(0);
  const task first([=] { select(send(a, 1), send(b, 1)); });
  const task second([=] { select(send(a, 2), send(b, 2)); });
  say{b.recv(), a.recv()};
}

SCENARIO(select_two_meet_each_other, "runtime/select.go") {
  const channel<int> a(0), b(0);
  const task left([=] { select(send(a, 1), recv(b)); });
  select(recv(a, said("a")));
  say{left.join()};
}

SCENARIO(select_two_opposite_pass_exactly_one_value, "runtime/select.go, selectDone") {
  for (int round = 0; round < 100; ++round) {
    const channel<int> a(0), b(0);
    std::atomic<int> sent{0}, received{0};
    const auto either = [&] {
      select(send(a, 1, [&] { ++sent; }), recv(b, [&](int) { ++received; }));
    };
    const auto other = [&] {
      select(recv(a, [&](int) { ++received; }), send(b, 1, [&] { ++sent; }));
    };
    wait_group both;
    both.go(either);
    both.go(other);
    both.wait().value();
    if (sent != 1 || received != 1) say{"sent", sent.load(), "received", received.load()};
  }
  say{"end"};
}

// --- losers --------------------------------------------------------------------------------------

SCENARIO(select_losers_send_nothing, "Go spec, Select statements: exactly one") {
  const channel<int> a(1), b(0);
  const task receiver([=] { say{"b", b.recv()}; });
  a.send(1);
  select(send(a, 2), send(b, 3));
  receiver.join();
  say{a.recv(), a.try_recv()};
}

SCENARIO(select_losers_take_nothing, "Go spec, Select statements: exactly one") {
  const channel<int> a(1), b(1);
  a.send(1);
  b.send(1);
  select(recv(a), recv(b));
  say{a.size() + b.size()};
}

SCENARIO(select_losers_leave_the_queues,
         "runtime/select.go, pass 3: dequeue from unsuccessful chans") {
  const channel<int> a(0), b(0);
  const task waiting([=] { select(recv(a, said("a")), recv(b, said("b"))); });
  a.send(1);
  waiting.join();
  say{b.try_send(2)};
}

SCENARIO(select_losers_leave_the_queues_of_senders,
         "runtime/select.go, pass 3: dequeue from unsuccessful chans") {
  const channel<int> a(0), b(0);
  const task waiting([=] { select(send(a, 1), send(b, 2)); });
  say{b.recv()};
  waiting.join();
  say{a.try_recv()};
}

SCENARIO(select_loser_is_not_hurt_by_a_close,
         "runtime/select.go, pass 3: dequeue from unsuccessful chans") {
  const channel<int> a(0), b(0);
  const task waiting([=] { select(recv(a, said("a")), send(b, 2)); });
  a.send(1);
  b.close();
  say{waiting.join()};
}

// --- nil and closed ------------------------------------------------------------------------------

SCENARIO(select_never_chooses_nil, "Go spec, Select statements; Receive operator") {
  const channel<int> nil;
  select(recv(nil, said("nil")), send(nil, 1), otherwise([] { say{"default"}; }));
}

SCENARIO(select_of_nil_alone_blocks_for_ever, "Go spec, Select statements") {
  const channel<int> nil;
  say{task([=] { select(recv(nil), send(nil, 1)); }).blocks()};
}

SCENARIO(select_beside_nil_another_is_chosen, "Go spec, Select statements") {
  const channel<int> nil, a(0);
  const task waiting([=] { select(recv(nil, said("nil")), recv(a, said("a"))); });
  say{waiting.state()};
  a.send(7);
  say{waiting.join()};
}

SCENARIO(select_nil_switches_a_case_off, "Go spec, Select statements") {
  channel<int> a(2), b(2);
  for (int i = 1; i <= 2; ++i) a.send(i), b.send(10 * i);
  a.close();
  b.close();
  int sum = 0;
  while (a || b) {
    const auto take = [&](channel<int>& from) {
      return [&](const result<int>& r) { r ? void(sum += *r) : void(from = {}); };
    };
    select(recv(a, take(a)), recv(b, take(b)));
  }
  say{sum};
}

SCENARIO(select_send_on_closed_panics, "Go spec, Select statements; Send statements") {
  const channel<int> a(0), b(0);
  a.close();
  say{attempt([=] { select(send(a, 1), recv(b)); })};
}

SCENARIO(select_send_on_closed_counts_as_ready, "Go spec, Select statements; Send statements") {
  const channel<int> a(0);
  a.close();
  say{attempt([=] { select(send(a, 1), otherwise([] { say{"default"}; })); })};
}

SCENARIO(select_send_on_closed_panics_only_if_chosen, "Go spec, Select statements") {
  const channel<int> closed(0), ready(1);
  closed.close();
  bool panicked = false, received = false;
  for (int i = 0; i < 1000; ++i) {
    ready.send(i);
    const auto end = attempt([&] { select(send(closed, 1), recv(ready)); });
    if (end == "returned") {
      received = true;
    } else {
      panicked = true;
      ready.recv().value();
    }
  }
  say{panicked, received, ready.size()};
}

SCENARIO(select_close_makes_a_waiting_send_panic, "runtime/select.go, sclose") {
  const channel<int> a(0), b(0);
  const task waiting([=] { select(send(a, 1), recv(b, said("b"))); });
  a.close();
  say{waiting.join()};
  say{b.try_send(1)};
}

// --- one channel in several cases ----------------------------------------------------------------

SCENARIO(select_same_channel_twice_fires_once, "Go spec, Select statements: exactly one") {
  const channel<int> a(0);
  int fired = 0;
  const task waiting([&fired, a] { select(recv(a, [&] { ++fired; }), recv(a, [&] { ++fired; })); });
  say{waiting.state()};
  a.send(1);
  waiting.join();
  say{fired, a.try_send(2)};
}

SCENARIO(select_same_channel_twice_both_are_chosen,
         "Go spec, Select statements: uniform pseudo-random selection") {
  const channel<int> a(1);
  std::array<bool, 2> chosen{};
  for (int i = 0; i < 200; ++i) {
    a.send(i);
    chosen[select(recv(a), recv(a))] = true;
  }
  say{chosen[0], chosen[1]};
}

SCENARIO(select_does_not_talk_to_itself, "runtime/select.go") {
  const channel<int> a(0);
  const task waiting([=] { select(send(a, 1, [] { say{"sent"}; }), recv(a, said("received"))); });
  say{waiting.state()};
  const auto got = a.try_recv();
  const auto end = waiting.join();
  say{got};
  say{end, a.try_recv()};
}

SCENARIO(select_both_directions_wait_for_either, "runtime/select.go") {
  const channel<int> a(0);
  const task waiting([=] { select(send(a, 1, [] { say{"sent"}; }), recv(a, said("received"))); });
  a.send(7);
  say{waiting.join(), a.try_send(8)};
}

SCENARIO(select_both_directions_of_a_buffer, "Go spec, Select statements") {
  const channel<int> a(1);
  for (int i = 1; i <= 3; ++i) {
    select(send(a, i, [] { say{"sent"}; }), recv(a, said("received")));
  }
}

// --- evaluation ----------------------------------------------------------------------------------

SCENARIO(select_evaluates_each_case_once, "Go spec, Select statements: evaluated exactly once") {
  const channel<int> a(1), b(0);
  int channels = 0, values = 0;
  const auto chan = [&](const channel<int>& c) -> const channel<int>& { return ++channels, c; };
  const auto value = [&](int v) { return ++values, v; };
  a.send(1);
  select(recv(chan(a)), send(chan(b), value(2)), recv(chan(b)));
  say{channels, values};
}

SCENARIO(select_evaluates_in_source_order, "Go spec, Select statements: in source order") {
  const channel<int> a(1), b(1);
  const auto at = [](const char* where, const auto& what) -> const auto& {
    say{where};
    return what;
  };
  b.send(0);
  select(send(at("channel 1", a), at("value 1", 1)), send(at("channel 2", b), at("value 2", 2)));
}

SCENARIO(select_evaluates_what_default_makes_needless,
         "Go spec, Select statements: evaluated exactly once") {
  const channel<int> a(0);
  int values = 0;
  select(send(a, ++values), otherwise([] { say{"default"}; }));
  say{values};
}

SCENARIO(select_value_is_taken_before_it_waits, "Go spec, Select statements") {
  const channel<int> a(0), b(0);
  int value = 1;
  const task waiting([&value, a, b] { select(send(a, value), recv(b)); });
  value = 2;
  say{a.recv(), value};
}

SCENARIO(select_body_runs_after_the_choice, "Go spec, Select statements") {
  const channel<int> a(1);
  select(send(a, 1, [&] {
    say{a.recv()};
    select(send(a, 2), otherwise());
    say{a.recv()};
  }));
}

SCENARIO(select_body_may_panic, "Go spec, Handling panics") {
  const channel<int> a(1);
  a.send(1);
  say{attempt([=] { select(recv(a, [] { throw std::runtime_error("in the body"); })); })};
  say{a.try_recv()};
}

// --- with time and contexts ----------------------------------------------------------------------

SCENARIO(select_after_ends_the_wait, "time.After") {
  const channel<int> a(0);
  select(recv(a, said("a")), after(1ms, [] { say{"after"}; }));
}

SCENARIO(select_after_does_not_matter_when_another_is_ready, "time.After") {
  const channel<int> a(1);
  a.send(7);
  select(recv(a, said("a")), after(1h, [] { say{"after"}; }));
}

SCENARIO(select_shortest_time_wins, "time.After") {
  select(after(1h, [] { say{"an hour"}; }), after(1ms, [] { say{"a millisecond"}; }));
}

SCENARIO(select_done_is_chosen_when_cancelled_before, "context.Context, Done") {
  const channel<int> a(0);
  const auto [ctx, cancel] = with_cancel(context::background());
  cancel();
  select(recv(a, said("a")), done(ctx, [&] { say{"done", ctx.err()}; }));
}

SCENARIO(select_done_wakes_the_wait, "context.Context, Done") {
  const channel<int> a(0);
  const auto [ctx, cancel] = with_cancel(context::background());
  const task waiting(
      [a, c = ctx] { select(recv(a, said("a")), done(c, [&] { say{"done", c.err()}; })); });
  say{waiting.state()};
  cancel();
  say{waiting.join()};
}

SCENARIO(select_done_of_background_is_never_chosen, "context.Background") {
  const channel<int> a(0);
  select(done(context::background(), [] { say{"done"}; }), recv(a),
         otherwise([] { say{"default"}; }));
}

SCENARIO(select_two_contexts_the_done_one_is_chosen, "context.Context, Done") {
  const auto one = with_cancel(context::background()), other = with_cancel(context::background());
  const task waiting([a = one.ctx, b = other.ctx] {
    select(done(a, [] { say{"one"}; }), done(b, [] { say{"other"}; }));
  });
  other.cancel();
  say{waiting.join()};
}

// --- at work -------------------------------------------------------------------------------------

SCENARIO(select_many_lose_nothing, "Go's tests, runtime/chan_test.go: TestSelectStress") {
  const channel<int> a(0), b(1), c(5);
  std::atomic<long> sum{0};
  wait_group all;
  for (int n = 0; n < 4; ++n) {
    all.go([=] {
      for (int i = 1; i <= 100; ++i) select(send(a, i), send(b, i), send(c, i));
    });
    all.go([&sum, a, b, c] {
      const auto add = [&](int i) { sum += i; };
      for (int i = 1; i <= 100; ++i) select(recv(a, add), recv(b, add), recv(c, add));
    });
  }
  all.wait().value();
  say{sum.load(), b.size() + c.size()};
}

SCENARIO(select_eight_ways, "Go spec, Select statements") {
  std::array<channel<int>, 8> c;
  for (auto& one : c) one = channel<int>(0);
  const task waiting([=] {
    say{select(recv(c[0]), recv(c[1]), recv(c[2]), recv(c[3]), send(c[4], 1), send(c[5], 1),
               send(c[6], 1), send(c[7], 1))};
  });
  const auto got = c[6].recv();
  const auto end = waiting.join();
  say{got};
  say{end};
}

SCENARIO(select_prefers_with_two_in_a_row, "Go spec, Select statements") {
  const channel<int> urgent(4), rest(4);
  for (int i = 0; i < 3; ++i) urgent.send(i), rest.send(10 + i);
  for (int i = 0; i < 6; ++i) {
    select(recv(urgent, said("urgent")),
           otherwise([&] { select(recv(urgent, said("urgent")), recv(rest, said("rest"))); }));
  }
}

SCENARIO(select_quit_channel_ends_a_loop, "A Tour of Go, Select") {
  const channel<int> fibonacci(0), quit(0);
  const task generator([=] {
    int a = 0, b = 1;
    for (bool going = true; going;) {
      select(send(fibonacci, a, [&] { b = std::exchange(a, b) + b; }),
             recv(quit, [&] { going = false; }));
    }
  });
  for (int i = 0; i < 10; ++i) say{fibonacci.recv()};
  quit.close();
  say{generator.join()};
}

}  // namespace
}  // namespace weft::conformance
