// Contexts: package context.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/select.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

using namespace std::chrono_literals;

// two causes, which are texts of the system.
const error refused(std::make_error_code(std::errc::connection_refused));
const error reset(std::make_error_code(std::errc::connection_reset));

// tell: what a context says of itself.
void tell(const char* name, const context& ctx) {
  say{name, ctx.done() ? "done" : "not done", ctx.err(), ctx.cause()};
}

// wait_for: a goroutine that waits for the end of a context.
task wait_for(const context& ctx) {
  return task([=] { ctx.wait().value(); });
}

// --- the background ------------------------------------------------------------------------------

SCENARIO(context_background_is_never_done, "context.Background") {
  tell("background", context::background());
  say{context::background().deadline().has_value()};
  say{wait_for(context::background()).blocks()};
}

SCENARIO(context_below_is_not_done_at_first, "context.WithCancel") {
  const auto [ctx, cancel] = with_cancel(context::background());
  tell("child", ctx);
  say{wait_for(ctx).blocks(), ctx.deadline().has_value()};
}

// --- cancelling ----------------------------------------------------------------------------------

SCENARIO(context_cancel_makes_it_done, "context.WithCancel") {
  const auto [ctx, cancel] = with_cancel(context::background());
  cancel();
  tell("child", ctx);
}

SCENARIO(context_cancel_again_does_nothing, "context.CancelFunc") {
  const auto [ctx, cancel] = with_cancel(context::background());
  cancel();
  cancel();
  tell("child", ctx);
}

SCENARIO(context_cancel_wakes_who_waits, "context.Context, Done") {
  const auto [ctx, cancel] = with_cancel(context::background());
  const task a = wait_for(ctx), b = wait_for(ctx), c = wait_for(ctx);
  cancel();
  say{a.join(), b.join(), c.join()};
}

SCENARIO(context_cancel_does_not_wait, "context.CancelFunc: does not wait for the work to stop") {
  const auto [ctx, cancel] = with_cancel(context::background());
  const channel<int> release(0);
  const task works([=, c = ctx] {
    c.wait().value();
    release.recv().value();
  });
  cancel();
  say{works.state()};
}

SCENARIO(context_cancel_reaches_all_below, "package context: cancelled, all derived from it too") {
  const auto [parent, cancel] = with_cancel(context::background());
  const auto child = with_cancel(parent), grandchild = with_cancel(child.ctx);
  cancel();
  tell("child", child.ctx);
  tell("grandchild", grandchild.ctx);
}

SCENARIO(context_cancel_wakes_who_waits_below,
         "package context: cancelled, all derived from it too") {
  const auto [parent, cancel] = with_cancel(context::background());
  const auto child = with_cancel(parent), grandchild = with_timeout(child.ctx, 1h);
  const task waits = wait_for(grandchild.ctx);
  cancel();
  say{waits.join(), grandchild.ctx.err()};
}

SCENARIO(context_cancel_does_not_reach_above_or_beside, "context.WithCancel") {
  const auto parent = with_cancel(context::background());
  const auto child = with_cancel(parent.ctx), sibling = with_cancel(parent.ctx);
  child.cancel();
  tell("parent", parent.ctx);
  tell("child", child.ctx);
  tell("sibling", sibling.ctx);
}

SCENARIO(context_below_a_done_one_is_done, "context.WithCancel") {
  const auto parent = with_cancel(context::background());
  parent.cancel();
  const auto child = with_cancel(parent.ctx), timed = with_timeout(parent.ctx, 1h);
  tell("child", child.ctx);
  tell("timed", timed.ctx);
}

SCENARIO(context_cancelled_from_many, "context.CancelFunc: called by multiple goroutines") {
  const auto [ctx, cancel] = with_cancel(context::background());
  wait_group all;
  for (int i = 0; i < 8; ++i) all.go([c = cancel] { c(); });
  all.wait().value();
  tell("child", ctx);
}

SCENARIO(context_done_ends_many_selects, "context.Context, Done") {
  const auto [ctx, cancel] = with_cancel(context::background());
  const channel<int> never(0);
  std::atomic<int> ended{0};
  wait_group all;
  for (int i = 0; i < 20; ++i) {
    all.go([&ended, never, c = ctx] { select(recv(never), done(c, [&] { ++ended; })); });
  }
  cancel();
  all.wait().value();
  say{ended.load()};
}

// --- deadlines -----------------------------------------------------------------------------------

SCENARIO(context_timeout_passes, "context.WithTimeout") {
  const auto [ctx, cancel] = with_timeout(context::background(), 1ms);
  ctx.wait().value();
  tell("timed", ctx);
}

SCENARIO(context_timeout_of_nothing_is_done_at_once, "context.WithTimeout") {
  tell("zero", with_timeout(context::background(), 0ms).ctx);
  tell("negative", with_timeout(context::background(), -1h).ctx);
}

SCENARIO(context_deadline_in_the_past_is_done_at_once, "context.WithDeadline") {
  const auto past = context::clock::now() - 1s;
  tell("past", with_deadline(context::background(), past).ctx);
}

SCENARIO(context_timeout_wakes_who_waits, "context.WithTimeout") {
  const auto [ctx, cancel] = with_timeout(context::background(), 2ms);
  const task waits = wait_for(ctx);
  say{waits.join(), ctx.err()};
}

SCENARIO(context_timeout_passes_below, "context.WithTimeout") {
  const auto parent = with_timeout(context::background(), 1ms);
  const auto child = with_cancel(parent.ctx);
  child.ctx.wait().value();
  tell("child", child.ctx);
}

SCENARIO(context_cancelled_before_its_deadline, "context.WithTimeout") {
  const auto [ctx, cancel] = with_timeout(context::background(), 1h);
  cancel();
  tell("timed", ctx);
}

SCENARIO(context_cancelled_after_its_deadline,
         "context.Context, Err: successive calls return the same") {
  const auto [ctx, cancel] = with_timeout(context::background(), 0s);
  cancel();
  tell("timed", ctx);
}

SCENARIO(context_earlier_deadline_wins, "context.WithDeadline") {
  const auto near = context::clock::now() + 1h, far = near + 1h;
  const auto first = with_deadline(context::background(), near),
             below = with_deadline(first.ctx, far);
  const auto other = with_deadline(context::background(), far),
             nearer = with_deadline(other.ctx, near);
  say{below.ctx.deadline() == near, nearer.ctx.deadline() == near, other.ctx.deadline() == far};
}

SCENARIO(context_deadline_is_inherited, "context.Context, Deadline") {
  const auto when = context::clock::now() + 1h;
  const auto parent = with_deadline(context::background(), when), child = with_cancel(parent.ctx);
  say{parent.ctx.deadline() == when, child.ctx.deadline() == when};
}

SCENARIO(context_huge_timeout_never_passes, "context.WithTimeout") {
  const auto [ctx, cancel] = with_timeout(context::background(), std::chrono::nanoseconds::max());
  tell("huge", ctx);
}

// --- causes --------------------------------------------------------------------------------------

SCENARIO(context_cause_of_a_cancel, "context.WithCancelCause") {
  const auto [ctx, cancel] = with_cancel(context::background());
  tell("before", ctx);
  cancel(refused);
  tell("after", ctx);
}

SCENARIO(context_first_cause_stays, "context.CancelCauseFunc") {
  const auto [ctx, cancel] = with_cancel(context::background());
  cancel(refused);
  cancel(reset);
  cancel();
  tell("child", ctx);
}

SCENARIO(context_cause_passes_down, "context.Cause") {
  const auto parent = with_cancel(context::background());
  const auto child = with_cancel(parent.ctx), timed = with_timeout(child.ctx, 1h);
  parent.cancel(refused);
  tell("child", child.ctx);
  tell("timed", timed.ctx);
}

SCENARIO(context_cause_does_not_pass_up, "context.Cause") {
  const auto parent = with_cancel(context::background()), child = with_cancel(parent.ctx);
  child.cancel(refused);
  tell("child", child.ctx);
  tell("parent", parent.ctx);
}

SCENARIO(context_own_cause_came_before_the_parents, "context.Cause") {
  const auto parent = with_cancel(context::background()), child = with_cancel(parent.ctx);
  child.cancel(refused);
  parent.cancel(reset);
  tell("child", child.ctx);
}

SCENARIO(context_own_cause_comes_after_the_parents, "context.Cause") {
  const auto parent = with_cancel(context::background()), child = with_cancel(parent.ctx);
  parent.cancel(reset);
  child.cancel(refused);
  tell("child", child.ctx);
}

SCENARIO(context_below_a_done_one_has_its_cause, "context.Cause") {
  const auto parent = with_cancel(context::background());
  parent.cancel(refused);
  tell("child", with_cancel(parent.ctx).ctx);
}

SCENARIO(context_cause_of_a_timeout, "context.WithTimeoutCause") {
  const auto [ctx, cancel] = with_timeout(context::background(), 1ms, refused);
  ctx.wait().value();
  tell("timed", ctx);
}

SCENARIO(context_cause_of_a_timeout_that_was_cancelled, "context.WithTimeoutCause") {
  const auto [ctx, cancel] = with_timeout(context::background(), 1h, refused);
  cancel();
  tell("timed", ctx);
}

SCENARIO(context_cause_of_a_deadline_in_the_past, "context.WithDeadlineCause") {
  const auto past = context::clock::now() - 1s;
  tell("past", with_deadline(context::background(), past, refused).ctx);
}

SCENARIO(context_cause_of_a_timeout_passes_down, "context.WithTimeoutCause") {
  const auto parent = with_timeout(context::background(), 0s, refused);
  tell("child", with_cancel(parent.ctx).ctx);
}

SCENARIO(context_cause_of_a_later_deadline_is_not_used, "context.WithDeadlineCause") {
  const auto parent = with_timeout(context::background(), 1ms);
  const auto later = with_timeout(parent.ctx, 1h, refused);
  later.ctx.wait().value();
  tell("later", later.ctx);
}

// --- values --------------------------------------------------------------------------------------

const context_key<std::string> user;
const context_key<std::string> place;

std::string look_up(const context& ctx, const context_key<std::string>& key) {
  const auto* found = ctx.value(key);
  return found == nullptr ? "nil" : *found;
}

SCENARIO(context_value_is_found_below, "context.WithValue") {
  const context ctx = with_value(context::background(), user, "ada");
  const auto child = with_cancel(ctx);
  say{look_up(ctx, user), look_up(child.ctx, user)};
}

SCENARIO(context_value_that_nobody_set, "context.Context, Value") {
  const context ctx = with_value(context::background(), user, "ada");
  say{look_up(ctx, place), look_up(context::background(), user)};
}

SCENARIO(context_value_nearest_wins, "context.Context, Value") {
  const context above = with_value(context::background(), user, "ada");
  const context below = with_value(above, user, "grace");
  say{look_up(above, user), look_up(below, user)};
}

SCENARIO(context_values_of_several_keys, "context.WithValue") {
  const context ctx = with_value(with_value(context::background(), user, "ada"), place, "here");
  say{look_up(ctx, user), look_up(ctx, place)};
}

SCENARIO(context_value_context_is_done_with_its_parent, "context.WithValue") {
  const auto parent = with_cancel(context::background());
  const context ctx = with_value(parent.ctx, user, "ada");
  tell("before", ctx);
  parent.cancel(refused);
  tell("after", ctx);
  say{look_up(ctx, user)};
}

// --- without cancel ------------------------------------------------------------------------------

SCENARIO(context_without_cancel_goes_on, "context.WithoutCancel") {
  const auto parent = with_cancel(context::background());
  const context ctx = without_cancel(parent.ctx);
  parent.cancel();
  tell("parent", parent.ctx);
  tell("without", ctx);
  say{wait_for(ctx).blocks()};
}

SCENARIO(context_without_cancel_of_a_done_one, "context.WithoutCancel") {
  const auto parent = with_cancel(context::background());
  parent.cancel(refused);
  tell("without", without_cancel(parent.ctx));
}

SCENARIO(context_without_cancel_keeps_values, "context.WithoutCancel") {
  const auto parent = with_cancel(with_value(context::background(), user, "ada"));
  say{look_up(without_cancel(parent.ctx), user)};
}

SCENARIO(context_without_cancel_has_no_deadline, "context.WithoutCancel") {
  const auto parent = with_timeout(context::background(), 1h);
  say{parent.ctx.deadline().has_value(), without_cancel(parent.ctx).deadline().has_value()};
}

SCENARIO(context_below_without_cancel_has_its_own, "context.WithoutCancel") {
  const auto parent = with_cancel(context::background());
  const auto child = with_cancel(without_cancel(parent.ctx));
  parent.cancel();
  tell("child", child.ctx);
  child.cancel();
  tell("child", child.ctx);
}

// --- after_func ----------------------------------------------------------------------------------

SCENARIO(context_after_func_runs_when_done, "context.AfterFunc") {
  const auto [ctx, cancel] = with_cancel(context::background());
  const channel<int> ran(1);
  const auto stop = after_func(ctx, [=] { ran.send(7); });
  say{ran.try_recv()};
  cancel();
  say{ran.recv(), stop()};
}

SCENARIO(context_after_func_of_a_done_one_runs_at_once, "context.AfterFunc") {
  const auto [ctx, cancel] = with_cancel(context::background());
  cancel();
  const channel<int> ran(1);
  const auto stop = after_func(ctx, [=] { ran.send(7); });
  say{ran.recv(), stop()};
}

SCENARIO(context_after_func_runs_at_the_deadline, "context.AfterFunc") {
  const auto [ctx, cancel] = with_timeout(context::background(), 1ms);
  const channel<int> ran(1);
  const auto stop = after_func(ctx, [=] { ran.send(7); });
  say{ran.recv()};
}

SCENARIO(context_after_func_stopped_does_not_run, "context.AfterFunc") {
  const auto [ctx, cancel] = with_cancel(context::background());
  const channel<int> ran(2);
  const auto stop = after_func(ctx, [=] { ran.send(1); });
  say{stop(), stop()};
  cancel();
  const auto other = after_func(ctx, [=] { ran.send(2); });
  say{ran.recv(), ran.try_recv()};
}

SCENARIO(context_after_func_has_its_own_goroutine, "context.AfterFunc: in its own goroutine") {
  const auto [ctx, cancel] = with_cancel(context::background());
  const channel<int> release(0), ended(0);
  const auto stop = after_func(ctx, [=] {
    release.recv().value();
    ended.send(1);
  });
  cancel();
  say{stop()};
  release.send(1);
  say{ended.recv()};
}

SCENARIO(context_after_funcs_are_independent,
         "context.AfterFunc: multiple calls operate independently") {
  const auto [ctx, cancel] = with_cancel(context::background());
  const channel<int> ran(3);
  const auto a = after_func(ctx, [=] { ran.send(1); });
  const auto b = after_func(ctx, [=] { ran.send(10); });
  const auto c = after_func(ctx, [=] { ran.send(100); });
  say{b()};
  cancel();
  say{ran.recv().value() + ran.recv().value(), ran.try_recv()};
}

}  // namespace
}  // namespace weft::conformance
