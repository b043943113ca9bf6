package main

import (
	"errors"
	"sync"
	"time"
)

func waitForEver() { time.Sleep(time.Hour) }

// --- panics that are recovered

var _ = scenario("panic_is_recovered", func() {
	say(attempt(func() { panic(errors.New("boom")) }))
	say(attempt(func() { panic("boom") }))
	say(attempt(func() {}))
})

var _ = scenario("panic_runs_what_was_deferred_last_first", func() {
	say(attempt(func() {
		defer say("first")
		defer say("second")
		panic(errors.New("boom"))
	}))
})

var _ = scenario("panic_leaves_the_calls_between", func() {
	var dive func(int)
	dive = func(depth int) {
		if depth == 0 {
			panic(errors.New("at the bottom"))
		}
		dive(depth - 1)
		say("not here")
	}
	say(attempt(func() { dive(10) }))
})

var _ = scenario("panic_after_a_recovered_one", func() {
	say(attempt(func() {
		say(attempt(func() { panic(errors.New("first")) }))
		panic(errors.New("second"))
	}))
})

var _ = scenario("panic_replaces_the_one_before", func() {
	say(attempt(func() {
		defer func() { panic(errors.New("second")) }()
		panic(errors.New("first"))
	}))
})

var _ = scenario("panic_in_one_goroutine_is_not_seen_by_another", func() {
	goOn := make(chan int)
	panics := start(func() {
		<-goOn
		panic(errors.New("boom"))
	})
	other := start(func() {
		<-goOn
		say("goes on")
	})
	goOn <- 1
	say(panics.join())
	goOn <- 1
	say(other.join())
})

var _ = scenario("panic_waits_while_it_unwinds", func() {
	c := make(chan int)
	panics := start(func() {
		defer func() { say(recv(c)) }()
		panic(errors.New("boom"))
	})
	say(panics.state())
	c <- 7
	say(panics.join())
})

// --- panics that are not

var _ = program("panic_in_main_ends_the_process", func() { panic(errors.New("boom")) })

var _ = program("panic_with_a_text", func() { panic("boom") })

var _ = program("panic_with_a_string", func() { panic("bo" + string([]byte("om"))) })

var _ = program("panic_with_a_number", func() { panic(42) })

var _ = program("panic_in_a_goroutine_ends_the_process", func() {
	go func() { panic(errors.New("boom")) }()
	waitForEver()
})

var _ = program("panic_does_not_wait_for_others", func() {
	start(func() {
		defer say("deferred")
		waitForEver()
	})
	panic(errors.New("boom"))
})

var _ = program("panic_uncaught_runs_what_was_deferred", func() {
	defer say("deferred")
	panic(errors.New("boom"))
})

var _ = program("panic_caught_and_thrown_again", func() {
	defer func() { panic(recover()) }()
	panic(errors.New("boom"))
})

var _ = program("panic_while_another_is_handled", func() {
	defer func() { panic(errors.New("second")) }()
	panic(errors.New("first"))
})

var _ = program("panic_of_send_on_closed", func() {
	c := make(chan int, 1)
	close(c)
	c <- 1
})

var _ = program("panic_of_close_of_closed", func() {
	c := make(chan int, 1)
	close(c)
	close(c)
})

var _ = program("panic_of_close_of_nil", func() {
	var c chan int
	close(c)
})

var _ = program("panic_of_a_negative_wait_group", func() {
	var all sync.WaitGroup
	all.Done()
})

var _ = program("panic_in_a_wait_group_comes_before_done", func() {
	var all sync.WaitGroup
	all.Go(func() { panic(errors.New("boom")) })
	all.Wait()
	say("waited")
	waitForEver()
})

var _ = program("go_of_nil", func() {
	var f func()
	go f()
	waitForEver()
})

// --- the end of main

var _ = program("main_returns", func() { say("main") })

var _ = program("main_does_not_wait_for_others", func() {
	waits := start(func() {
		defer say("deferred")
		waitForEver()
	})
	say(waits.state())
})

var _ = program("main_does_not_wait_for_who_computes", func() {
	started := make(chan int)
	go func() {
		started <- 1
		for {
		}
	}()
	say(recv(started))
})

// --- fatal errors

var _ = program("deadlock_of_main", func() {
	say("before")
	<-make(chan int)
})

var _ = program("deadlock_of_two", func() {
	a, b := make(chan int), make(chan int)
	go func() { a <- <-b }()
	b <- <-a
})

var _ = program("deadlock_on_nil", func() {
	var c chan int
	go func() { c <- 1 }()
	<-c
})

var _ = program("deadlock_of_an_empty_select", func() { select {} })

var _ = program("deadlock_on_a_mutex", func() {
	var m sync.Mutex
	m.Lock()
	m.Lock()
})

var _ = program("deadlock_on_a_wait_group", func() {
	var all sync.WaitGroup
	all.Add(1)
	all.Wait()
})

var _ = program("deadlock_is_no_panic", func() {
	say(attempt(func() { select {} }))
})

var _ = program("deadlock_when_the_last_who_could_ends", func() {
	c := make(chan int)
	go func() { say("not sending") }()
	<-c
})

var _ = program("deadlock_is_none_while_one_sleeps", func() {
	c := make(chan int)
	go func() {
		time.Sleep(20 * time.Millisecond)
		c <- 7
	}()
	say(recv(c))
})

var _ = program("fatal_unlock_of_unlocked_mutex", func() {
	var m sync.Mutex
	m.Unlock()
})

var _ = program("fatal_unlock_is_no_panic", func() {
	say(attempt(func() {
		var m sync.Mutex
		m.Unlock()
	}))
})

var _ = program("mutex_may_be_unlocked_by_another", func() {
	var m sync.Mutex
	m.Lock()
	var other sync.WaitGroup
	other.Go(func() { m.Unlock() })
	other.Wait()
	say(m.TryLock())
})
