package main

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// fired: "fired", or why nothing came.
func fired(word string) string {
	if word == "would block" || word == "closed" {
		return word
	}
	return "fired"
}

func waitUntilDue() { time.Sleep(5 * time.Millisecond) }

// --- sleep

var _ = scenario("time_sleep_of_nothing_does_not_wait", func() {
	say(start(func() {
		time.Sleep(0)
		time.Sleep(-time.Hour)
	}).state())
})

var _ = scenario("time_sleep_waits", func() {
	say(start(func() { time.Sleep(time.Hour) }).state())
})

var _ = scenario("time_sleep_is_not_too_short", func() {
	enough := true
	for _, d := range []time.Duration{1000, 100000, 1000000, 3000000} {
		before := time.Now()
		time.Sleep(d)
		enough = enough && time.Since(before) >= d
	}
	say(enough)
})

var _ = scenario("time_sleep_of_the_longest_does_not_end", func() {
	say(start(func() { time.Sleep(math.MaxInt64) }).state())
})

var _ = scenario("time_sleepers_wake_in_order", func() {
	woken, start := make(chan int, 3), time.Now()
	for _, n := range []int{3, 1, 2} {
		go func() {
			time.Sleep(time.Until(start.Add(time.Duration(n) * 60 * time.Millisecond)))
			woken <- n
		}()
	}
	say(recv(woken), recv(woken), recv(woken))
})

var _ = scenario("time_many_sleepers_all_wake", func() {
	var woken atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			time.Sleep(time.Duration(i%10) * 100 * time.Microsecond)
			woken.Add(1)
		})
	}
	all.Wait()
	say(woken.Load())
})

// --- timers

var _ = scenario("timer_fires_once", func() {
	t := time.NewTimer(time.Millisecond)
	say(fired(recv(t.C)))
	say(fired(tryRecv(t.C)))
})

var _ = scenario("timer_does_not_fire_early", func() {
	before := time.Now()
	<-time.NewTimer(3 * time.Millisecond).C
	say(time.Since(before) >= 3*time.Millisecond)
})

var _ = scenario("timer_of_nothing_fires_at_once", func() {
	zero, negative := time.NewTimer(0), time.NewTimer(-time.Hour)
	say(fired(recv(zero.C)), fired(recv(negative.C)))
})

var _ = scenario("timer_that_is_not_due_has_nothing", func() {
	t := time.NewTimer(time.Hour)
	say(fired(tryRecv(t.C)))
	say(start(func() { <-t.C }).state())
})

var _ = scenario("timer_channel_looks_unbuffered", func() {
	t := time.NewTimer(time.Millisecond)
	say(len(t.C), cap(t.C))
	waitUntilDue()
	say(len(t.C), cap(t.C))
})

var _ = scenario("timer_of_the_longest_never_fires", func() {
	t := time.NewTimer(math.MaxInt64)
	say(start(func() { <-t.C }).state())
})

var _ = scenario("timer_stop_of_a_running_one", func() {
	t := time.NewTimer(time.Hour)
	say(t.Stop(), t.Stop())
	say(fired(tryRecv(t.C)))
})

var _ = scenario("timer_stop_after_its_value_was_taken", func() {
	t := time.NewTimer(time.Millisecond)
	<-t.C
	say(t.Stop())
})

var _ = scenario("timer_stop_leaves_no_stale_value", func() {
	t := time.NewTimer(time.Millisecond)
	waitUntilDue()
	say(t.Stop())
	say(fired(tryRecv(t.C)))
})

var _ = scenario("timer_stop_does_not_wake_who_waits", func() {
	t := time.NewTimer(time.Hour)
	waits := start(func() { <-t.C })
	say(t.Stop())
	say(waits.state())
})

var _ = scenario("timer_reset_of_a_running_one", func() {
	t := time.NewTimer(time.Hour)
	say(t.Reset(time.Millisecond))
	say(fired(recv(t.C)))
})

var _ = scenario("timer_reset_of_a_stopped_one", func() {
	t := time.NewTimer(time.Hour)
	t.Stop()
	say(t.Reset(time.Millisecond))
	say(fired(recv(t.C)))
})

var _ = scenario("timer_reset_of_one_that_fired", func() {
	t := time.NewTimer(time.Millisecond)
	<-t.C
	say(t.Reset(time.Millisecond))
	say(fired(recv(t.C)))
})

var _ = scenario("timer_reset_leaves_no_stale_value", func() {
	t := time.NewTimer(time.Millisecond)
	waitUntilDue()
	say(t.Reset(time.Hour))
	say(fired(tryRecv(t.C)))
})

var _ = scenario("timer_reset_to_nothing_fires_at_once", func() {
	t := time.NewTimer(time.Hour)
	say(t.Reset(0))
	say(fired(recv(t.C)))
})

var _ = scenario("timer_reset_wakes_who_waits", func() {
	t := time.NewTimer(time.Hour)
	waits := start(func() { say(fired(recv(t.C))) })
	t.Reset(time.Millisecond)
	say(waits.join())
})

var _ = scenario("timer_serves_one_of_those_who_wait", func() {
	t := time.NewTimer(time.Millisecond)
	served := make(chan int, 2)
	for range 2 {
		go func() {
			<-t.C
			served <- 1
		}()
	}
	say(recv(served))
	say(tryRecv(served))
})

var _ = scenario("timers_fire_in_order", func() {
	late, early := time.NewTimer(200*time.Millisecond), time.NewTimer(time.Millisecond)
	for range 2 {
		select {
		case <-late.C:
			say("late")
		case <-early.C:
			say("early")
		}
	}
})

var _ = scenario("timer_in_a_select_with_default", func() {
	t := time.NewTimer(time.Millisecond)
	waitUntilDue()
	for range 2 {
		select {
		case <-t.C:
			say("fired")
		default:
			say("default")
		}
	}
})

// --- functions

var _ = scenario("time_after_func_calls_it", func() {
	called := make(chan int, 1)
	t := time.AfterFunc(time.Millisecond, func() { called <- 7 })
	say(recv(called), t.Stop())
})

var _ = scenario("time_after_func_stopped_does_not_call_it", func() {
	called := make(chan int, 1)
	t := time.AfterFunc(200*time.Millisecond, func() { called <- 7 })
	say(t.Stop(), t.Stop())
	time.Sleep(210 * time.Millisecond)
	say(tryRecv(called))
})

var _ = scenario("time_after_func_stop_does_not_wait_for_it", func() {
	started, release, ended := make(chan int), make(chan int), make(chan int)
	t := time.AfterFunc(time.Millisecond, func() {
		started <- 1
		<-release
		ended <- 1
	})
	<-started
	say(t.Stop())
	release <- 1
	say(recv(ended))
})

var _ = scenario("time_after_func_reset_calls_it_later", func() {
	called := make(chan int, 2)
	t := time.AfterFunc(time.Hour, func() { called <- 7 })
	say(t.Reset(time.Millisecond), recv(called))
	say(t.Reset(time.Millisecond), recv(called))
})

var _ = scenario("time_after_func_reset_may_overlap", func() {
	started, release := make(chan int), make(chan int)
	t := time.AfterFunc(time.Millisecond, func() {
		started <- 1
		<-release
	})
	<-started
	say(t.Reset(time.Millisecond))
	say(recv(started))
})

var _ = scenario("time_after_func_of_nothing_calls_it_at_once", func() {
	called := make(chan int, 1)
	time.AfterFunc(-time.Second, func() { called <- 7 })
	say(recv(called))
})

// --- tickers

var _ = scenario("ticker_ticks_again_and_again", func() {
	every := time.NewTicker(time.Millisecond)
	for range 3 {
		say(fired(recv(every.C)))
	}
})

var _ = scenario("ticker_does_not_tick_early", func() {
	before := time.Now()
	every := time.NewTicker(2 * time.Millisecond)
	for range 3 {
		<-every.C
	}
	say(time.Since(before) >= 6*time.Millisecond)
})

var _ = scenario("ticker_has_nothing_at_first", func() {
	every := time.NewTicker(time.Hour)
	say(fired(tryRecv(every.C)), len(every.C), cap(every.C))
})

var _ = scenario("ticker_of_nothing_panics", func() {
	say(attempt(func() { time.NewTicker(0) }))
	say(attempt(func() { time.NewTicker(-time.Second) }))
})

var _ = scenario("ticker_reset_to_nothing_panics", func() {
	every := time.NewTicker(time.Hour)
	say(attempt(func() { every.Reset(0) }))
})

var _ = scenario("ticker_drops_ticks_for_who_is_slow", func() {
	every := time.NewTicker(time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	atOnce := 0
	for tryRecv(every.C) != "would block" {
		atOnce++
	}
	say(atOnce >= 1, atOnce < 25)
})

var _ = scenario("ticker_stop_leaves_no_tick", func() {
	every := time.NewTicker(time.Millisecond)
	waitUntilDue()
	every.Stop()
	say(fired(tryRecv(every.C)))
	waitUntilDue()
	say(fired(tryRecv(every.C)))
})

var _ = scenario("ticker_stop_does_not_close_the_channel", func() {
	every := time.NewTicker(time.Hour)
	waits := start(func() { <-every.C })
	every.Stop()
	say(waits.state())
})

var _ = scenario("ticker_reset_of_a_stopped_one", func() {
	every := time.NewTicker(time.Hour)
	every.Stop()
	every.Reset(time.Millisecond)
	say(fired(recv(every.C)), fired(recv(every.C)))
})

var _ = scenario("ticker_reset_leaves_no_stale_tick", func() {
	every := time.NewTicker(time.Millisecond)
	waitUntilDue()
	every.Reset(time.Hour)
	say(fired(tryRecv(every.C)))
})
