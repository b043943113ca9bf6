package main

import (
	"errors"
	"sync"
	"sync/atomic"
)

// --- mutex

var _ = scenario("mutex_is_made_unlocked", func() {
	var m sync.Mutex
	say(m.TryLock())
})

var _ = scenario("mutex_try_lock_fails_while_held", func() {
	var m sync.Mutex
	say(m.TryLock(), m.TryLock())
	m.Unlock()
	say(m.TryLock())
})

var _ = scenario("mutex_lock_waits_while_held", func() {
	var m sync.Mutex
	m.Lock()
	waits := start(func() {
		m.Lock()
		m.Unlock()
	})
	say(waits.state())
	m.Unlock()
	say(waits.join(), m.TryLock())
})

var _ = scenario("mutex_waiters_come_in_order", func() {
	var m sync.Mutex
	m.Lock()
	waiting := []*task{}
	for i := 1; i <= 4; i++ {
		waiting = append(waiting, start(func() {
			m.Lock()
			defer m.Unlock()
			say(i)
		}))
	}
	m.Unlock()
	for _, w := range waiting {
		w.join()
	}
})

var _ = scenario("mutex_is_not_reentrant", func() {
	var m sync.Mutex
	waits := start(func() {
		m.Lock()
		m.Lock()
	})
	say(waits.state())
})

var _ = scenario("mutex_unlock_does_not_wait_for_who_comes_next", func() {
	var m sync.Mutex
	locked, release := make(chan int), make(chan int)
	holder := start(func() {
		m.Lock()
		<-release
		m.Unlock()
		say("unlocked")
	})
	next := start(func() {
		m.Lock()
		<-locked
	})
	release <- 1
	say(holder.join())
	say(next.state())
})

var _ = scenario("mutex_one_waiter_goes_on_for_each_unlock", func() {
	var m sync.Mutex
	m.Lock()
	release := make(chan int)
	hold := func() {
		m.Lock()
		<-release
		m.Unlock()
	}
	a, b := start(hold), start(hold)
	m.Unlock()
	say(a.state(), b.state())
	release <- 1
	say(a.join(), b.state())
})

var _ = scenario("memory_a_lock_sees_what_was_done_under_it", func() {
	var m sync.Mutex
	count := 0
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Go(func() {
			for n := 0; n < 200; n++ {
				m.Lock()
				count++
				m.Unlock()
			}
		})
	}
	all.Wait()
	say(count)
})

// --- wait group

var _ = scenario("wait_group_of_nothing_does_not_wait", func() {
	var all sync.WaitGroup
	say(start(all.Wait).state())
})

var _ = scenario("wait_group_waits_for_all", func() {
	var all sync.WaitGroup
	all.Add(2)
	waits := start(all.Wait)
	say(waits.state())
	all.Done()
	say(waits.state())
	all.Done()
	say(waits.join())
})

var _ = scenario("wait_group_wakes_all_who_wait", func() {
	var all sync.WaitGroup
	all.Add(1)
	waiting := []*task{start(all.Wait), start(all.Wait), start(all.Wait)}
	all.Done()
	for _, w := range waiting {
		say(w.join())
	}
})

var _ = scenario("wait_group_adds_and_takes_several", func() {
	var all sync.WaitGroup
	all.Add(5)
	all.Add(-3)
	waits := start(all.Wait)
	say(waits.state())
	all.Add(-2)
	say(waits.join())
})

var _ = scenario("wait_group_grows_while_one_waits", func() {
	var all sync.WaitGroup
	all.Add(1)
	waits := start(all.Wait)
	all.Add(1)
	all.Done()
	say(waits.state())
	all.Done()
	say(waits.join())
})

var _ = scenario("wait_group_below_zero_panics", func() {
	var all sync.WaitGroup
	say(attempt(all.Done))
})

var _ = scenario("wait_group_far_below_zero_panics", func() {
	var all sync.WaitGroup
	all.Add(1)
	say(attempt(func() { all.Add(-2) }))
})

var _ = scenario("wait_group_is_used_again", func() {
	var all sync.WaitGroup
	for round := 1; round <= 3; round++ {
		sum := 0
		all.Go(func() { sum += round })
		all.Wait()
		say(sum)
	}
})

var _ = scenario("wait_group_go_counts_and_is_done", func() {
	var all sync.WaitGroup
	release := make(chan int)
	all.Go(func() { <-release })
	waits := start(all.Wait)
	say(waits.state())
	release <- 1
	say(waits.join())
})

var _ = scenario("wait_group_go_from_within", func() {
	var all sync.WaitGroup
	var count atomic.Int64
	all.Go(func() {
		all.Go(func() {
			all.Go(func() { count.Add(1) })
			count.Add(1)
		})
		count.Add(1)
	})
	all.Wait()
	say(count.Load())
})

var _ = scenario("memory_a_wait_sees_what_was_done", func() {
	var all sync.WaitGroup
	var data [4]int
	for i := range data {
		all.Go(func() { data[i] = i + 1 })
	}
	all.Wait()
	say(data[0] + data[1] + data[2] + data[3])
})

// --- once

var _ = scenario("once_calls_the_first_function_only", func() {
	var o sync.Once
	o.Do(func() { say("first") })
	o.Do(func() { say("second") })
})

var _ = scenario("once_others_wait_until_it_has_returned", func() {
	var o sync.Once
	release := make(chan int)
	first := start(func() { o.Do(func() { <-release }) })
	second := start(func() { o.Do(func() { say("not called") }) })
	say(first.state(), second.blocks())
	release <- 1
	say(first.join(), second.join())
})

var _ = scenario("once_a_panic_counts_as_done", func() {
	var o sync.Once
	say(attempt(func() { o.Do(func() { panic(errors.New("boom")) }) }))
	say(attempt(func() { o.Do(func() { say("not called") }) }))
})

var _ = scenario("once_a_panic_lets_those_who_wait_go_on", func() {
	var o sync.Once
	release := make(chan int)
	first := start(func() {
		o.Do(func() {
			<-release
			panic(errors.New("boom"))
		})
	})
	second := start(func() { o.Do(func() { say("not called") }) })
	release <- 1
	say(first.join(), second.join())
})

var _ = scenario("once_from_within_waits_for_ever", func() {
	var o sync.Once
	say(start(func() { o.Do(func() { o.Do(func() {}) }) }).blocks())
})

var _ = scenario("once_of_many_goroutines", func() {
	var o sync.Once
	count := 0
	var all sync.WaitGroup
	for i := 0; i < 16; i++ {
		all.Go(func() { o.Do(func() { count++ }) })
	}
	all.Wait()
	say(count)
})

var _ = scenario("memory_a_once_is_seen_by_all_its_calls", func() {
	var o sync.Once
	data := 0
	var sum atomic.Int64
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Go(func() {
			o.Do(func() { data = 7 })
			sum.Add(int64(data))
		})
	}
	all.Wait()
	say(sum.Load())
})
