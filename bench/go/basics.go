package main

import (
	"runtime"
	"sync"
	"time"
)

// yield: n goroutines take turns.
func yield(s shape) {
	each := s.each()
	var done sync.WaitGroup
	done.Add(s.n)
	start := time.Now()
	for g := 0; g < s.n; g++ {
		go func() {
			for i := 0; i < each; i++ {
				runtime.Gosched()
			}
			done.Done()
		}()
	}
	done.Wait()
	say("yield", perItem(start, s.n*each), "ns")
}

func spawn(name string, batches, size int) {
	start := time.Now()
	for b := 0; b < batches; b++ {
		var done sync.WaitGroup
		done.Add(size)
		for i := 0; i < size; i++ {
			go func() { done.Done() }()
		}
		done.Wait()
	}
	say(name, perItem(start, batches*size), "ns")
}

func spawnJoin(s shape)    { spawn("spawn_join", s.each(), s.n) }
func spawnMillion(s shape) { spawn("spawn_1m", 1, s.n) }

// channel: n pairs of one sender and one receiver.
func channel(name string, s shape, capacity int) {
	each := s.each()
	var done sync.WaitGroup
	done.Add(s.n)
	start := time.Now()
	for pair := 0; pair < s.n; pair++ {
		ch := make(chan int, capacity)
		go func() {
			for i := 0; i < each; i++ {
				ch <- i
			}
			close(ch)
		}()
		go func() {
			sum := 0
			for v := range ch {
				sum += v
			}
			require(sum == each*(each-1)/2, "lost an item")
			done.Done()
		}()
	}
	done.Wait()
	say(name, perItem(start, s.n*each), "ns")
}

// mutex: n goroutines and one lock.
func mutex(s shape) {
	each := s.each()
	var mu sync.Mutex
	var done sync.WaitGroup
	counter := 0
	done.Add(s.n)
	start := time.Now()
	for l := 0; l < s.n; l++ {
		go func() {
			for i := 0; i < each; i++ {
				mu.Lock()
				counter++
				mu.Unlock()
			}
			done.Done()
		}()
	}
	done.Wait()
	require(counter == s.n*each, "lost an increment")
	say("mutex", perItem(start, counter), "ns")
}

// rwmutexRead: n goroutines read under one lock.
func rwmutexRead(s shape) {
	each := s.each()
	var mu sync.RWMutex
	var done sync.WaitGroup
	shared := 1
	done.Add(s.n)
	start := time.Now()
	for l := 0; l < s.n; l++ {
		go func() {
			sum := 0
			for i := 0; i < each; i++ {
				mu.RLock()
				sum += shared
				mu.RUnlock()
			}
			require(sum == each, "a reader read something else")
			done.Done()
		}()
	}
	done.Wait()
	say("rwmutex_read", perItem(start, s.n*each), "ns")
}

// timerStartStop: n goroutines start and stop timers of an hour.
func timerStartStop(s shape) {
	each := s.each()
	var done sync.WaitGroup
	done.Add(s.n)
	start := time.Now()
	for g := 0; g < s.n; g++ {
		go func() {
			for i := 0; i < each; i++ {
				require(time.NewTimer(time.Hour).Stop(), "a timer of an hour has ended")
			}
			done.Done()
		}()
	}
	done.Wait()
	say("timer_start_stop", perItem(start, s.n*each), "ns")
}

var burned uint64

// burn: computes for a while and touches no memory; 1,000 steps are about a microsecond.
func burn(steps int) {
	x := uint64(88172645463325252)
	for i := 0; i < steps; i++ {
		x ^= x << 7
		x ^= x >> 9
	}
	if x == 0 {
		burned++ // never: x stays away from 0, which the compiler cannot know
	}
}

// burnSteps: how many take d on this machine when nothing is in the way: the best of nine.
func burnSteps(d time.Duration) int {
	const tried = 200_000
	best := time.Hour
	for i := 0; i < 9; i++ {
		start := time.Now()
		burn(tried)
		if took := time.Since(start); took < best {
			best = took
		}
	}
	return int(float64(d) * tried / float64(best))
}

// cpuTasks: n goroutines compute for 100 microseconds each.
func cpuTasks(s shape) {
	steps := burnSteps(100 * time.Microsecond)
	var done sync.WaitGroup
	done.Add(s.n)
	start := time.Now()
	for g := 0; g < s.n; g++ {
		go func() {
			burn(steps)
			done.Done()
		}()
	}
	done.Wait()
	say("cpu_tasks", perItem(start, s.n)/1000, "us")
}

// skynet: a tree of goroutines, ten to a node, n leaves (a power of ten), that add up their numbers.
func skynetNode(result chan<- int, number, size int) {
	if size == 1 {
		result <- number
		return
	}
	children := make(chan int)
	for i := 0; i < 10; i++ {
		go skynetNode(children, number+i*(size/10), size/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-children
	}
	result <- sum
}

func skynet(s shape) {
	result := make(chan int)
	start := time.Now()
	go skynetNode(result, 0, s.n)
	require(<-result == s.n*(s.n-1)/2, "skynet added wrongly")
	say("skynet", float64(time.Since(start).Microseconds())/1000, "ms")
}
