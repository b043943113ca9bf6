package main

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	refused = syscall.ECONNREFUSED
	reset   = syscall.ECONNRESET
)

// tell: what a context says of itself.
func tell(name string, ctx context.Context) {
	state := "not done"
	select {
	case <-ctx.Done():
		state = "done"
	default:
	}
	say(name, state, ctx.Err(), context.Cause(ctx))
}

// waitFor: a goroutine that waits for the end of a context.
func waitFor(ctx context.Context) *task { return start(func() { <-ctx.Done() }) }

func hasDeadline(ctx context.Context) bool {
	_, has := ctx.Deadline()
	return has
}

func due(ctx context.Context, when time.Time) bool {
	deadline, has := ctx.Deadline()
	return has && deadline.Equal(when)
}

var background = context.Background()

// --- the background

var _ = scenario("context_background_is_never_done", func() {
	tell("background", background)
	say(hasDeadline(background))
	say(waitFor(background).blocks())
})

var _ = scenario("context_below_is_not_done_at_first", func() {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	tell("child", ctx)
	say(waitFor(ctx).blocks(), hasDeadline(ctx))
})

// --- cancelling

var _ = scenario("context_cancel_makes_it_done", func() {
	ctx, cancel := context.WithCancel(background)
	cancel()
	tell("child", ctx)
})

var _ = scenario("context_cancel_again_does_nothing", func() {
	ctx, cancel := context.WithCancel(background)
	cancel()
	cancel()
	tell("child", ctx)
})

var _ = scenario("context_cancel_wakes_who_waits", func() {
	ctx, cancel := context.WithCancel(background)
	a, b, c := waitFor(ctx), waitFor(ctx), waitFor(ctx)
	cancel()
	say(a.join(), b.join(), c.join())
})

var _ = scenario("context_cancel_does_not_wait", func() {
	ctx, cancel := context.WithCancel(background)
	release := make(chan int)
	works := start(func() {
		<-ctx.Done()
		<-release
	})
	cancel()
	say(works.state())
})

var _ = scenario("context_cancel_reaches_all_below", func() {
	parent, cancel := context.WithCancel(background)
	child, cancelChild := context.WithCancel(parent)
	defer cancelChild()
	grandchild, cancelGrandchild := context.WithCancel(child)
	defer cancelGrandchild()
	cancel()
	tell("child", child)
	tell("grandchild", grandchild)
})

var _ = scenario("context_cancel_wakes_who_waits_below", func() {
	parent, cancel := context.WithCancel(background)
	child, cancelChild := context.WithCancel(parent)
	defer cancelChild()
	grandchild, cancelGrandchild := context.WithTimeout(child, time.Hour)
	defer cancelGrandchild()
	waits := waitFor(grandchild)
	cancel()
	say(waits.join(), grandchild.Err())
})

var _ = scenario("context_cancel_does_not_reach_above_or_beside", func() {
	parent, cancel := context.WithCancel(background)
	defer cancel()
	child, cancelChild := context.WithCancel(parent)
	sibling, cancelSibling := context.WithCancel(parent)
	defer cancelSibling()
	cancelChild()
	tell("parent", parent)
	tell("child", child)
	tell("sibling", sibling)
})

var _ = scenario("context_below_a_done_one_is_done", func() {
	parent, cancel := context.WithCancel(background)
	cancel()
	child, cancelChild := context.WithCancel(parent)
	defer cancelChild()
	timed, cancelTimed := context.WithTimeout(parent, time.Hour)
	defer cancelTimed()
	tell("child", child)
	tell("timed", timed)
})

var _ = scenario("context_cancelled_from_many", func() {
	ctx, cancel := context.WithCancel(background)
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Go(cancel)
	}
	all.Wait()
	tell("child", ctx)
})

var _ = scenario("context_done_ends_many_selects", func() {
	ctx, cancel := context.WithCancel(background)
	never := make(chan int)
	var ended atomic.Int64
	var all sync.WaitGroup
	for i := 0; i < 20; i++ {
		all.Go(func() {
			select {
			case <-never:
			case <-ctx.Done():
				ended.Add(1)
			}
		})
	}
	cancel()
	all.Wait()
	say(ended.Load())
})

// --- deadlines

var _ = scenario("context_timeout_passes", func() {
	ctx, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	<-ctx.Done()
	tell("timed", ctx)
})

// timed and timedCause: contexts whose cancel function nobody needs.
func timed(parent context.Context, d time.Duration) context.Context {
	ctx, _ := context.WithTimeout(parent, d)
	return ctx
}

func timedCause(parent context.Context, d time.Duration, cause error) context.Context {
	ctx, _ := context.WithTimeoutCause(parent, d, cause)
	return ctx
}

func below(parent context.Context) context.Context {
	ctx, _ := context.WithCancel(parent)
	return ctx
}

func until(parent context.Context, when time.Time) context.Context {
	ctx, _ := context.WithDeadline(parent, when)
	return ctx
}

var _ = scenario("context_timeout_of_nothing_is_done_at_once", func() {
	tell("zero", timed(background, 0))
	tell("negative", timed(background, -time.Hour))
})

var _ = scenario("context_deadline_in_the_past_is_done_at_once", func() {
	tell("past", until(background, time.Now().Add(-time.Second)))
})

var _ = scenario("context_timeout_wakes_who_waits", func() {
	ctx := timed(background, 2*time.Millisecond)
	waits := waitFor(ctx)
	say(waits.join(), ctx.Err())
})

var _ = scenario("context_timeout_passes_below", func() {
	child := below(timed(background, time.Millisecond))
	<-child.Done()
	tell("child", child)
})

var _ = scenario("context_cancelled_before_its_deadline", func() {
	ctx, cancel := context.WithTimeout(background, time.Hour)
	cancel()
	tell("timed", ctx)
})

var _ = scenario("context_cancelled_after_its_deadline", func() {
	ctx, cancel := context.WithTimeout(background, 0)
	cancel()
	tell("timed", ctx)
})

var _ = scenario("context_earlier_deadline_wins", func() {
	near := time.Now().Add(time.Hour)
	far := near.Add(time.Hour)
	later := until(until(background, near), far)
	other := until(background, far)
	say(due(later, near), due(until(other, near), near), due(other, far))
})

var _ = scenario("context_deadline_is_inherited", func() {
	when := time.Now().Add(time.Hour)
	parent := until(background, when)
	say(due(parent, when), due(below(parent), when))
})

var _ = scenario("context_huge_timeout_never_passes", func() {
	tell("huge", timed(background, math.MaxInt64))
})

// --- causes

var _ = scenario("context_cause_of_a_cancel", func() {
	ctx, cancel := context.WithCancelCause(background)
	tell("before", ctx)
	cancel(refused)
	tell("after", ctx)
})

var _ = scenario("context_first_cause_stays", func() {
	ctx, cancel := context.WithCancelCause(background)
	cancel(refused)
	cancel(reset)
	cancel(nil)
	tell("child", ctx)
})

var _ = scenario("context_cause_passes_down", func() {
	parent, cancel := context.WithCancelCause(background)
	child := below(parent)
	under := timed(child, time.Hour)
	cancel(refused)
	tell("child", child)
	tell("timed", under)
})

var _ = scenario("context_cause_does_not_pass_up", func() {
	parent := below(background)
	child, cancel := context.WithCancelCause(parent)
	cancel(refused)
	tell("child", child)
	tell("parent", parent)
})

func parentAndChild() (context.CancelCauseFunc, context.Context, context.CancelCauseFunc) {
	parent, cancelParent := context.WithCancelCause(background)
	child, cancelChild := context.WithCancelCause(parent)
	return cancelParent, child, cancelChild
}

var _ = scenario("context_own_cause_came_before_the_parents", func() {
	cancelParent, child, cancelChild := parentAndChild()
	cancelChild(refused)
	cancelParent(reset)
	tell("child", child)
})

var _ = scenario("context_own_cause_comes_after_the_parents", func() {
	cancelParent, child, cancelChild := parentAndChild()
	cancelParent(reset)
	cancelChild(refused)
	tell("child", child)
})

var _ = scenario("context_below_a_done_one_has_its_cause", func() {
	parent, cancel := context.WithCancelCause(background)
	cancel(refused)
	tell("child", below(parent))
})

var _ = scenario("context_cause_of_a_timeout", func() {
	ctx := timedCause(background, time.Millisecond, refused)
	<-ctx.Done()
	tell("timed", ctx)
})

var _ = scenario("context_cause_of_a_timeout_that_was_cancelled", func() {
	ctx, cancel := context.WithTimeoutCause(background, time.Hour, refused)
	cancel()
	tell("timed", ctx)
})

var _ = scenario("context_cause_of_a_deadline_in_the_past", func() {
	ctx, cancel := context.WithDeadlineCause(background, time.Now().Add(-time.Second), refused)
	defer cancel()
	tell("past", ctx)
})

var _ = scenario("context_cause_of_a_timeout_passes_down", func() {
	tell("child", below(timedCause(background, 0, refused)))
})

var _ = scenario("context_cause_of_a_later_deadline_is_not_used", func() {
	later := timedCause(timed(background, time.Millisecond), time.Hour, refused)
	<-later.Done()
	tell("later", later)
})

// --- values

type userKey struct{}
type placeKey struct{}

var _ = scenario("context_value_is_found_below", func() {
	ctx := context.WithValue(background, userKey{}, "ada")
	say(ctx.Value(userKey{}), below(ctx).Value(userKey{}))
})

var _ = scenario("context_value_that_nobody_set", func() {
	ctx := context.WithValue(background, userKey{}, "ada")
	say(ctx.Value(placeKey{}), background.Value(userKey{}))
})

var _ = scenario("context_value_nearest_wins", func() {
	above := context.WithValue(background, userKey{}, "ada")
	below := context.WithValue(above, userKey{}, "grace")
	say(above.Value(userKey{}), below.Value(userKey{}))
})

var _ = scenario("context_values_of_several_keys", func() {
	ctx := context.WithValue(context.WithValue(background, userKey{}, "ada"), placeKey{}, "here")
	say(ctx.Value(userKey{}), ctx.Value(placeKey{}))
})

var _ = scenario("context_value_context_is_done_with_its_parent", func() {
	parent, cancel := context.WithCancelCause(background)
	ctx := context.WithValue(parent, userKey{}, "ada")
	tell("before", ctx)
	cancel(refused)
	tell("after", ctx)
	say(ctx.Value(userKey{}))
})

// --- without cancel

var _ = scenario("context_without_cancel_goes_on", func() {
	parent, cancel := context.WithCancel(background)
	ctx := context.WithoutCancel(parent)
	cancel()
	tell("parent", parent)
	tell("without", ctx)
	say(waitFor(ctx).blocks())
})

var _ = scenario("context_without_cancel_of_a_done_one", func() {
	parent, cancel := context.WithCancelCause(background)
	cancel(refused)
	tell("without", context.WithoutCancel(parent))
})

var _ = scenario("context_without_cancel_keeps_values", func() {
	parent := below(context.WithValue(background, userKey{}, "ada"))
	say(context.WithoutCancel(parent).Value(userKey{}))
})

var _ = scenario("context_without_cancel_has_no_deadline", func() {
	parent := timed(background, time.Hour)
	say(hasDeadline(parent), hasDeadline(context.WithoutCancel(parent)))
})

var _ = scenario("context_below_without_cancel_has_its_own", func() {
	parent, cancelParent := context.WithCancel(background)
	child, cancel := context.WithCancel(context.WithoutCancel(parent))
	cancelParent()
	tell("child", child)
	cancel()
	tell("child", child)
})

// --- after_func

var _ = scenario("context_after_func_runs_when_done", func() {
	ctx, cancel := context.WithCancel(background)
	ran := make(chan int, 1)
	stop := context.AfterFunc(ctx, func() { ran <- 7 })
	say(tryRecv(ran))
	cancel()
	say(recv(ran), stop())
})

var _ = scenario("context_after_func_of_a_done_one_runs_at_once", func() {
	ctx, cancel := context.WithCancel(background)
	cancel()
	ran := make(chan int, 1)
	stop := context.AfterFunc(ctx, func() { ran <- 7 })
	say(recv(ran), stop())
})

var _ = scenario("context_after_func_runs_at_the_deadline", func() {
	ran := make(chan int, 1)
	context.AfterFunc(timed(background, time.Millisecond), func() { ran <- 7 })
	say(recv(ran))
})

var _ = scenario("context_after_func_stopped_does_not_run", func() {
	ctx, cancel := context.WithCancel(background)
	ran := make(chan int, 2)
	stop := context.AfterFunc(ctx, func() { ran <- 1 })
	say(stop(), stop())
	cancel()
	context.AfterFunc(ctx, func() { ran <- 2 })
	say(recv(ran), tryRecv(ran))
})

var _ = scenario("context_after_func_has_its_own_goroutine", func() {
	ctx, cancel := context.WithCancel(background)
	release, ended := make(chan int), make(chan int)
	stop := context.AfterFunc(ctx, func() {
		<-release
		ended <- 1
	})
	cancel()
	say(stop())
	release <- 1
	say(recv(ended))
})

var _ = scenario("context_after_funcs_are_independent", func() {
	ctx, cancel := context.WithCancel(background)
	ran := make(chan int, 3)
	context.AfterFunc(ctx, func() { ran <- 1 })
	stop := context.AfterFunc(ctx, func() { ran <- 10 })
	context.AfterFunc(ctx, func() { ran <- 100 })
	say(stop())
	cancel()
	say(<-ran+<-ran, tryRecv(ran))
})
