package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// --- rwmutex

var _ = scenario("rwmutex_is_made_unlocked", func() {
	var m sync.RWMutex
	say(m.TryRLock())
	m.RUnlock()
	say(m.TryLock())
})

var _ = scenario("rwmutex_readers_share", func() {
	var m sync.RWMutex
	m.RLock()
	reader := start(func() {
		m.RLock()
		m.RUnlock()
	})
	say(reader.state(), m.TryRLock())
})

var _ = scenario("rwmutex_writer_waits_for_readers", func() {
	var m sync.RWMutex
	m.RLock()
	m.RLock()
	writer := start(m.Lock)
	say(writer.state())
	m.RUnlock()
	say(writer.state())
	m.RUnlock()
	say(writer.join())
})

var _ = scenario("rwmutex_reader_waits_for_the_writer", func() {
	var m sync.RWMutex
	m.Lock()
	reader := start(m.RLock)
	say(reader.state())
	m.Unlock()
	say(reader.join())
})

var _ = scenario("rwmutex_writers_exclude_each_other", func() {
	var m sync.RWMutex
	m.Lock()
	writer := start(func() {
		m.Lock()
		m.Unlock()
	})
	say(writer.blocks())
	m.Unlock()
	say(writer.join())
})

var _ = scenario("rwmutex_waiting_writer_stops_new_readers", func() {
	var m sync.RWMutex
	m.RLock()
	writer := start(func() {
		m.Lock()
		say("writer")
		m.Unlock()
	})
	say(m.TryRLock())
	reader := start(func() {
		m.RLock()
		say("reader")
		m.RUnlock()
	})
	say(reader.state())
	m.RUnlock()
	say(writer.join(), reader.join())
})

var _ = scenario("rwmutex_queued_readers_pass_before_the_next_writer", func() {
	var m sync.RWMutex
	release := make(chan int)
	m.Lock()
	read := func() {
		m.RLock()
		<-release
		m.RUnlock()
	}
	a, b := start(read), start(read)
	writer := start(func() {
		m.Lock()
		say("writer")
		m.Unlock()
	})
	m.Unlock()
	say(a.state(), b.state(), writer.blocks())
	release <- 1
	release <- 1
	say(writer.join())
})

var _ = scenario("rwmutex_reading_again_behind_a_writer_waits_for_ever", func() {
	var m sync.RWMutex
	goOn := make(chan int)
	reader := start(func() {
		m.RLock()
		<-goOn
		m.RLock()
	})
	writer := start(m.Lock)
	goOn <- 1
	say(reader.state(), writer.state())
})

var _ = scenario("rwmutex_try_lock", func() {
	var m sync.RWMutex
	m.RLock()
	say(m.TryLock())
	m.RUnlock()
	say(m.TryLock(), m.TryLock(), m.TryRLock())
	m.Unlock()
	say(m.TryRLock())
})

var _ = scenario("rwmutex_read_lock_is_given_back_by_another", func() {
	var m sync.RWMutex
	m.RLock()
	other := start(m.RUnlock)
	say(other.state(), m.TryLock())
})

var _ = program("rwmutex_unlock_of_unlocked", func() {
	var m sync.RWMutex
	m.Unlock()
})

var _ = program("rwmutex_runlock_of_unlocked", func() {
	var m sync.RWMutex
	m.RUnlock()
})

var _ = program("rwmutex_runlock_of_a_write_lock", func() {
	var m sync.RWMutex
	m.Lock()
	m.RUnlock()
})

var _ = program("rwmutex_unlock_of_a_read_lock", func() {
	var m sync.RWMutex
	m.RLock()
	m.Unlock()
})

var _ = program("deadlock_on_a_rwmutex", func() {
	var m sync.RWMutex
	m.Lock()
	go m.RLock()
	select {}
})

var _ = scenario("memory_a_reader_sees_what_writers_did", func() {
	var m sync.RWMutex
	a, b := 0, 0
	var torn atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				m.Lock()
				a++
				b++
				m.Unlock()
			}
		})
		all.Go(func() {
			for range 50 {
				m.RLock()
				if a != b {
					torn.Add(1)
				}
				m.RUnlock()
			}
		})
	}
	all.Wait()
	say(torn.Load(), a)
})

// --- cond

// waiter: a goroutine that waits for a condition, then calls f with the lock held.
func waiter(c *sync.Cond, f func()) *task {
	return start(func() {
		c.L.Lock()
		c.Wait()
		f()
		c.L.Unlock()
	})
}

func nothing() {}

var _ = scenario("cond_wait_gives_the_lock_away", func() {
	var m sync.Mutex
	waits := waiter(sync.NewCond(&m), nothing)
	say(waits.state(), m.TryLock())
})

var _ = scenario("cond_signal_wakes_one", func() {
	c := sync.NewCond(&sync.Mutex{})
	a, b := waiter(c, nothing), waiter(c, nothing)
	c.Signal()
	say(a.join(), b.blocks())
})

var _ = scenario("cond_signal_wakes_in_order", func() {
	c := sync.NewCond(&sync.Mutex{})
	waiting := []*task{}
	for i := 1; i <= 3; i++ {
		waiting = append(waiting, waiter(c, func() { say(i) }))
	}
	for _, w := range waiting {
		c.Signal()
		w.join()
	}
})

var _ = scenario("cond_broadcast_wakes_all", func() {
	c := sync.NewCond(&sync.Mutex{})
	waiting := []*task{waiter(c, nothing), waiter(c, nothing), waiter(c, nothing)}
	c.Broadcast()
	for _, w := range waiting {
		say(w.join())
	}
})

var _ = scenario("cond_woken_waits_for_the_lock", func() {
	var m sync.Mutex
	c := sync.NewCond(&m)
	waits := waiter(c, nothing)
	m.Lock()
	c.Signal()
	say(waits.state())
	m.Unlock()
	say(waits.join())
})

var _ = scenario("cond_signal_that_nobody_waits_for_is_lost", func() {
	c := sync.NewCond(&sync.Mutex{})
	c.Signal()
	c.Broadcast()
	say(waiter(c, nothing).state())
})

var _ = scenario("cond_works_with_a_read_lock", func() {
	var m sync.RWMutex
	c := sync.NewCond(m.RLocker())
	waits := waiter(c, func() { say("woken") })
	m.Lock()
	c.Signal()
	m.Unlock()
	say(waits.join())
})

var _ = scenario("cond_queue_of_producers_and_consumers", func() {
	var m sync.Mutex
	changed := sync.NewCond(&m)
	queue, sum := []int{}, 0
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 25 {
				m.Lock()
				for len(queue) == 0 {
					changed.Wait()
				}
				sum += queue[len(queue)-1]
				queue = queue[:len(queue)-1]
				m.Unlock()
			}
		})
		all.Go(func() {
			for n := 1; n <= 25; n++ {
				m.Lock()
				queue = append(queue, n)
				changed.Signal()
				m.Unlock()
			}
		})
	}
	all.Wait()
	say(sum)
})

// --- semaphore

// acquired: "acquired" or "would block".
func acquired(done bool) string {
	if done {
		return "acquired"
	}
	return "would block"
}

var _ = scenario("semaphore_try_acquire_until_empty", func() {
	s := semaphore.NewWeighted(3)
	say(acquired(s.TryAcquire(2)), acquired(s.TryAcquire(2)), acquired(s.TryAcquire(1)))
	say(acquired(s.TryAcquire(1)))
	s.Release(3)
	say(acquired(s.TryAcquire(3)))
})

var _ = scenario("semaphore_acquire_waits", func() {
	s := semaphore.NewWeighted(1)
	s.Acquire(background, 1)
	waits := start(func() { say(ok(s.Acquire(background, 1))) })
	say(waits.blocks())
	s.Release(1)
	say(waits.join())
})

var _ = scenario("semaphore_serves_in_order", func() {
	s := semaphore.NewWeighted(1)
	s.Acquire(background, 1)
	waiting := []*task{}
	for i := 1; i <= 3; i++ {
		waiting = append(waiting, start(func() {
			s.Acquire(background, 1)
			say(i)
			s.Release(1)
		}))
	}
	s.Release(1)
	for _, w := range waiting {
		w.join()
	}
})

var _ = scenario("semaphore_a_large_request_holds_up_small_ones", func() {
	s := semaphore.NewWeighted(3)
	s.Acquire(background, 2)
	large := start(func() { s.Acquire(background, 3) })
	small := start(func() { s.Acquire(background, 1) })
	say(large.blocks(), small.blocks(), acquired(s.TryAcquire(1)))
	s.Release(2)
	say(large.join(), small.blocks())
	s.Release(3)
	say(small.join())
})

var _ = scenario("semaphore_acquire_is_cancelled", func() {
	s := semaphore.NewWeighted(1)
	s.Acquire(background, 1)
	ctx, cancel := context.WithCancel(background)
	waits := start(func() { say(ok(s.Acquire(ctx, 1))) })
	cancel()
	say(waits.join())
	s.Release(1)
	say(acquired(s.TryAcquire(1)))
})

var _ = scenario("semaphore_cancelled_head_lets_others_pass", func() {
	s := semaphore.NewWeighted(3)
	s.Acquire(background, 2)
	ctx, cancel := context.WithCancel(background)
	large := start(func() { say(ok(s.Acquire(ctx, 3))) })
	small := start(func() { s.Acquire(background, 1) })
	say(small.blocks())
	cancel()
	say(large.join(), small.join())
})

var _ = scenario("semaphore_more_than_there_ever_is_waits_for_its_context", func() {
	s := semaphore.NewWeighted(2)
	ctx, cancel := context.WithCancel(background)
	waits := start(func() { say(ok(s.Acquire(ctx, 3))) })
	say(waits.blocks(), acquired(s.TryAcquire(2)))
	cancel()
	say(waits.join())
})

var _ = scenario("semaphore_release_of_too_many_panics", func() {
	s := semaphore.NewWeighted(2)
	s.Acquire(background, 1)
	say(attempt(func() { s.Release(2) }))
})

var _ = scenario("semaphore_bounds_how_many_work", func() {
	s := semaphore.NewWeighted(3)
	var now, most atomic.Int32
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			s.Acquire(background, 1)
			n := now.Add(1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); {
				seen = most.Load()
			}
			runtime.Gosched()
			now.Add(-1)
			s.Release(1)
		})
	}
	all.Wait()
	say(most.Load() <= 3, now.Load())
})
