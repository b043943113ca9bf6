package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

// --- once_func, once_value

var _ = scenario("once_func_calls_it_once", func() {
	calls := 0
	f := sync.OnceFunc(func() { calls++ })
	say(calls)
	f()
	f()
	say(calls)
})

var _ = scenario("once_func_panics_each_time_alike", func() {
	calls := 0
	f := sync.OnceFunc(func() {
		calls++
		panic(errors.New("boom"))
	})
	say(attempt(f))
	say(attempt(f))
	say(calls)
})

var _ = scenario("once_func_others_wait_until_it_has_returned", func() {
	goOn := make(chan int)
	f := sync.OnceFunc(func() { <-goOn })
	first, second := start(f), start(f)
	say(first.blocks(), second.blocks())
	goOn <- 1
	say(first.join(), second.join())
})

var _ = scenario("once_value_is_made_once", func() {
	calls := 0
	f := sync.OnceValue(func() int {
		calls++
		return calls
	})
	say(f(), f(), calls)
})

var _ = scenario("once_value_panics_each_time_alike", func() {
	calls := 0
	f := sync.OnceValue(func() int {
		calls++
		panic(errors.New("boom"))
	})
	call := func() { f() }
	say(attempt(call), attempt(call), calls)
})

var _ = scenario("once_value_of_many_goroutines", func() {
	var calls, sum atomic.Int64
	f := sync.OnceValue(func() int64 { return calls.Add(1) })
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { sum.Add(f()) })
	}
	all.Wait()
	say(calls.Load(), sum.Load())
})

// --- pool

var _ = scenario("pool_that_is_empty_makes_one", func() {
	made := 0
	p := sync.Pool{New: func() any {
		made++
		return made
	}}
	first, second := p.Get(), p.Get()
	say(first, second, made)
})

var _ = scenario("pool_gives_nothing_to_two_at_once", func() {
	var together atomic.Int64
	p := sync.Pool{New: func() any { return new(atomic.Int64) }}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				users := p.Get().(*atomic.Int64)
				if users.Add(1) != 1 {
					together.Add(1)
				}
				runtime.Gosched()
				users.Add(-1)
				p.Put(users)
			}
		})
	}
	all.Wait()
	say(together.Load())
})

// --- concurrent_map

// there: what is in the map, or nil.
func there(value any, ok bool) any {
	if !ok {
		return nil
	}
	return value
}

var _ = scenario("map_load_of_what_is_not_there", func() {
	var m sync.Map
	say(there(m.Load("ann")))
})

var _ = scenario("map_store_replaces", func() {
	var m sync.Map
	m.Store("ann", 1)
	m.Store("ann", 2)
	say(there(m.Load("ann")), there(m.Load("bob")))
})

var _ = scenario("map_load_or_store", func() {
	var m sync.Map
	first, loaded1 := m.LoadOrStore("ann", 1)
	second, loaded2 := m.LoadOrStore("ann", 2)
	say(first, loaded1, second, loaded2, there(m.Load("ann")))
})

var _ = scenario("map_load_and_delete", func() {
	var m sync.Map
	m.Store("ann", 1)
	say(there(m.LoadAndDelete("ann")), there(m.LoadAndDelete("ann")), there(m.Load("ann")))
})

var _ = scenario("map_delete", func() {
	var m sync.Map
	m.Store("ann", 1)
	m.Delete("ann")
	m.Delete("ann")
	say(there(m.Load("ann")))
})

var _ = scenario("map_swap", func() {
	var m sync.Map
	say(there(m.Swap("ann", 1)), there(m.Swap("ann", 2)), there(m.Load("ann")))
})

var _ = scenario("map_compare_and_swap", func() {
	var m sync.Map
	say(m.CompareAndSwap("ann", 0, 1))
	m.Store("ann", 1)
	say(m.CompareAndSwap("ann", 2, 3), there(m.Load("ann")))
	say(m.CompareAndSwap("ann", 1, 3), there(m.Load("ann")))
})

var _ = scenario("map_compare_and_delete", func() {
	var m sync.Map
	say(m.CompareAndDelete("ann", 1))
	m.Store("ann", 1)
	say(m.CompareAndDelete("ann", 2), there(m.Load("ann")))
	say(m.CompareAndDelete("ann", 1), there(m.Load("ann")))
})

// fill: with ten values.
func fill(m *sync.Map) {
	for i := range 10 {
		m.Store(fmt.Sprint("key ", i), i)
	}
}

var _ = scenario("map_range_sees_each_once", func() {
	var m sync.Map
	fill(&m)
	seen, sum := 0, 0
	m.Range(func(_, value any) bool {
		seen++
		sum += value.(int)
		return true
	})
	say(seen, sum)
})

var _ = scenario("map_range_ends_when_told", func() {
	var m sync.Map
	fill(&m)
	seen := 0
	m.Range(func(_, _ any) bool {
		seen++
		return seen < 3
	})
	say(seen)
})

var _ = scenario("map_range_may_use_the_map", func() {
	var m sync.Map
	fill(&m)
	seen := 0
	m.Range(func(key, value any) bool {
		seen++
		if there(m.Load(key)) == value {
			say("there")
		} else {
			say("not there")
		}
		m.Delete(key)
		return true
	})
	left := 0
	m.Range(func(_, _ any) bool {
		left++
		return true
	})
	say(seen, left)
})

var _ = scenario("map_clear", func() {
	var m sync.Map
	fill(&m)
	m.Clear()
	found := there(m.Load("key 1"))
	_, loaded := m.LoadOrStore("key 1", 5)
	say(found, loaded)
})

var _ = scenario("map_one_of_many_stores_first", func() {
	var m sync.Map
	var stored, different atomic.Int64
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			value, loaded := m.LoadOrStore("ann", i)
			if !loaded {
				stored.Add(1)
			}
			if there(m.Load("ann")) != value {
				different.Add(1)
			}
		})
	}
	all.Wait()
	say(stored.Load(), different.Load())
})

// --- error_group

func timeout() error { return context.DeadlineExceeded }
func eof() error     { return io.EOF }
func succeed() error { return nil }

var _ = scenario("error_group_of_nothing", func() {
	var all errgroup.Group
	say(ok(all.Wait()))
})

var _ = scenario("error_group_waits_for_all", func() {
	var all errgroup.Group
	goOn := make(chan int)
	ran := 0
	all.Go(func() error {
		<-goOn
		ran++
		return nil
	})
	waiter := start(func() { say(ok(all.Wait())) })
	say(waiter.blocks())
	goOn <- 1
	say(waiter.join(), ran)
})

var _ = scenario("error_group_returns_the_first_error", func() {
	all, ctx := errgroup.WithContext(background)
	failed := make(chan int)
	all.Go(func() error {
		<-failed
		return eof()
	})
	all.Go(timeout)
	<-ctx.Done()
	failed <- 1
	say(ok(all.Wait()))
})

var _ = scenario("error_group_error_cancels_the_others", func() {
	all, ctx := errgroup.WithContext(background)
	all.Go(func() error {
		<-ctx.Done()
		say(ctx.Err(), context.Cause(ctx))
		return nil
	})
	all.Go(eof)
	say(ok(all.Wait()))
})

var _ = scenario("error_group_wait_cancels", func() {
	all, ctx := errgroup.WithContext(background)
	all.Go(succeed)
	say(ctx.Err())
	say(ok(all.Wait()))
	say(ctx.Err())
})

var _ = scenario("error_group_parent_is_cancelled", func() {
	parent, cancel := context.WithCancel(background)
	all, ctx := errgroup.WithContext(parent)
	all.Go(func() error {
		<-ctx.Done()
		return nil
	})
	cancel()
	say(ok(all.Wait()), ctx.Err())
})

var _ = scenario("error_group_runs_those_that_come_after_a_failure", func() {
	all, ctx := errgroup.WithContext(background)
	all.Go(timeout)
	<-ctx.Done()
	ran := 0
	all.Go(func() error {
		ran++
		return nil
	})
	say(ok(all.Wait()))
	say(ran)
})

var _ = scenario("error_group_wait_again_says_the_same", func() {
	var all errgroup.Group
	all.Go(timeout)
	say(ok(all.Wait()))
	say(ok(all.Wait()))
})

var _ = scenario("error_group_limit_holds", func() {
	var all errgroup.Group
	all.SetLimit(3)
	var atOnce, most atomic.Int64
	for range 30 {
		all.Go(func() error {
			now := atOnce.Add(1)
			for seen := most.Load(); seen < now && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			runtime.Gosched()
			atOnce.Add(-1)
			return nil
		})
	}
	say(ok(all.Wait()), most.Load() <= 3)
})

var _ = scenario("error_group_go_waits_at_the_limit", func() {
	var all errgroup.Group
	all.SetLimit(1)
	goOn := make(chan int)
	all.Go(func() error {
		<-goOn
		return nil
	})
	second := start(func() {
		all.Go(func() error {
			say("second")
			return nil
		})
	})
	say(second.blocks())
	goOn <- 1
	second.join()
	say(ok(all.Wait()))
})

var _ = scenario("error_group_try_go_at_the_limit", func() {
	var all errgroup.Group
	all.SetLimit(1)
	goOn := make(chan int)
	say(all.TryGo(func() error {
		<-goOn
		return nil
	}))
	say(all.TryGo(succeed))
	goOn <- 1
	say(ok(all.Wait()))
	say(all.TryGo(succeed))
	say(ok(all.Wait()))
})

var _ = scenario("error_group_limit_of_nothing", func() {
	var all errgroup.Group
	all.SetLimit(0)
	say(all.TryGo(succeed))
	all.SetLimit(-1)
	say(all.TryGo(succeed))
	say(ok(all.Wait()))
})

var _ = scenario("error_group_limit_is_not_moved_while_any_run", func() {
	var all errgroup.Group
	all.SetLimit(2)
	goOn := make(chan int)
	all.Go(func() error {
		<-goOn
		return nil
	})
	say(attempt(func() { all.SetLimit(3) }))
	goOn <- 1
	say(ok(all.Wait()))
})

// --- singleflight

// words: what a call came to.
func words(v any, err error, shared bool) string {
	if shared {
		return or(v, err) + " shared"
	}
	return or(v, err) + " alone"
}

// returns: a function that returns n.
func returns(n int) func() (any, error) { return func() (any, error) { return n, nil } }

var _ = scenario("singleflight_alone", func() {
	var f singleflight.Group
	first := words(f.Do("a", returns(1)))
	say(first, words(f.Do("a", returns(2))))
})

var _ = scenario("singleflight_one_calls_the_others_wait", func() {
	var f singleflight.Group
	goOn := make(chan int)
	calls := 0
	first := start(func() {
		say(words(f.Do("a", func() (any, error) {
			calls++
			return <-goOn, nil
		})))
	})
	second := start(func() { say(words(f.Do("a", returns(2)))) })
	third := start(func() { say(words(f.Do("a", returns(3)))) })
	say(first.blocks(), second.blocks(), third.blocks())
	goOn <- 7
	say(first.join(), second.join(), third.join(), calls)
})

var _ = scenario("singleflight_shares_errors", func() {
	var f singleflight.Group
	goOn := make(chan int)
	first := start(func() {
		say(words(f.Do("a", func() (any, error) {
			<-goOn
			return nil, timeout()
		})))
	})
	second := start(func() { say(words(f.Do("a", returns(2)))) })
	goOn <- 1
	say(first.join(), second.join())
})

var _ = scenario("singleflight_keys_are_apart", func() {
	var f singleflight.Group
	goOn := make(chan int)
	first := start(func() {
		say(words(f.Do("a", func() (any, error) { return <-goOn, nil })))
	})
	say(words(f.Do("b", returns(2))))
	goOn <- 1
	say(first.join())
})

var _ = scenario("singleflight_forgotten_begins_anew", func() {
	var f singleflight.Group
	goOn := make(chan int)
	first := start(func() {
		say(words(f.Do("a", func() (any, error) { return <-goOn, nil })))
	})
	f.Forget("a")
	say(words(f.Do("a", returns(2))))
	goOn <- 1
	say(first.join())
})

// firstLine: a panic of singleflight's goes on with a stack.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

var _ = scenario("singleflight_panic_reaches_all", func() {
	var f singleflight.Group
	goOn := make(chan int)
	first := start(func() {
		f.Do("a", func() (any, error) {
			<-goOn
			panic("boom")
		})
	})
	second := start(func() { f.Do("a", returns(2)) })
	say(second.blocks())
	goOn <- 1
	say(firstLine(first.join()), firstLine(second.join()))
	say(words(f.Do("a", returns(3))))
})
