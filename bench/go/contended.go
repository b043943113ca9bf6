package main

import (
	"context"
	"sync"
	"time"
)

// channelMany: n senders, one receiver.
func channelMany(name string, s shape, capacity int) {
	each := s.each()
	ch := make(chan int, capacity)
	start := time.Now()
	for g := 0; g < s.n; g++ {
		go func() {
			for i := 0; i < each; i++ {
				ch <- 1
			}
		}()
	}
	sum := 0
	for i := 0; i < s.n*each; i++ {
		sum += <-ch
	}
	require(sum == s.n*each, "lost an item")
	say(name, perItem(start, sum), "ns")
}

func channels(n, capacity int) []chan int {
	all := make([]chan int, n)
	for i := range all {
		all[i] = make(chan int, capacity)
	}
	return all
}

// select2, select4: what one select receives.
func select2(all []chan int) int {
	select {
	case n := <-all[0]:
		return n
	case n := <-all[1]:
		return n
	}
}

func select4(all []chan int) int {
	select {
	case n := <-all[0]:
		return n
	case n := <-all[1]:
		return n
	case n := <-all[2]:
		return n
	case n := <-all[3]:
		return n
	}
}

// selectReady: one of the channels has a value; with the send that put it there. n goroutines do so,
// each with channels of its own.
func selectReady(name string, s shape, ways int, choose func([]chan int) int) {
	each := s.each()
	var done sync.WaitGroup
	done.Add(s.n)
	start := time.Now()
	for g := 0; g < s.n; g++ {
		go func() {
			all := channels(ways, 1)
			sum := 0
			for i := 0; i < each; i++ {
				all[i%ways] <- 1
				sum += choose(all)
			}
			require(sum == each, "a select lost a value")
			done.Done()
		}()
	}
	done.Wait()
	say(name, perItem(start, s.n*each), "ns")
}

// selectBlocking: the one who selects waits, the one who sends waits for it. n such pairs.
func selectBlocking(name string, s shape, ways int, choose func([]chan int) int) {
	each := s.each()
	var done sync.WaitGroup
	done.Add(s.n)
	start := time.Now()
	for g := 0; g < s.n; g++ {
		all := channels(ways, 0)
		go func() {
			for i := 0; i < each; i++ {
				all[i%ways] <- 1
			}
		}()
		go func() {
			sum := 0
			for i := 0; i < each; i++ {
				sum += choose(all)
			}
			require(sum == each, "a select lost a value")
			done.Done()
		}()
	}
	done.Wait()
	say(name, perItem(start, s.n*each), "ns")
}

func selectReady2(s shape)    { selectReady("select_ready_2", s, 2, select2) }
func selectReady4(s shape)    { selectReady("select_ready_4", s, 4, select4) }
func selectBlocking2(s shape) { selectBlocking("select_blocking_2", s, 2, select2) }
func selectBlocking4(s shape) { selectBlocking("select_blocking_4", s, 4, select4) }

// selectStop: n goroutines wait in a select for a channel of their own or for the word to stop, which
// is one context for all of them or one each. One goroutine sends to each in turn.
func selectStop(name string, s shape, shared bool) {
	rounds := s.each()
	one, cancelOne := context.WithCancel(context.Background())
	cancels := []context.CancelFunc{cancelOne}
	inboxes := channels(s.n, 0)
	var done sync.WaitGroup
	done.Add(s.n)
	for g := 0; g < s.n; g++ {
		word := one
		if !shared {
			var cancel context.CancelFunc
			word, cancel = context.WithCancel(context.Background())
			cancels = append(cancels, cancel)
		}
		inbox := inboxes[g]
		go func() {
			defer done.Done()
			for {
				select {
				case <-inbox:
				case <-word.Done():
					return
				}
			}
		}()
	}
	for _, inbox := range inboxes { // all have begun
		inbox <- 0
	}
	start := time.Now()
	for r := 0; r < rounds; r++ {
		for _, inbox := range inboxes {
			inbox <- 1
		}
	}
	each := perItem(start, s.n*rounds)
	for _, cancel := range cancels {
		cancel()
	}
	done.Wait()
	say(name, each, "ns")
}
