package main

import (
	"math/rand"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const (
	tailWorkers = 200
	tailService = 50 * time.Microsecond
	tailWarming = 500 * time.Millisecond
)

func sayQuantiles(name string, parts [][]float64) {
	var all []float64
	for _, part := range parts {
		all = append(all, part...)
	}
	require(len(all) > 1000, "too few samples for a tail")
	sort.Float64s(all)
	quantile := func(q float64) float64 { return all[int(q*float64(len(all)-1))] }
	say(name+"_p50", quantile(0.5), "us")
	say(name+"_p99", quantile(0.99), "us")
	say(name+"_p99.9", quantile(0.999), "us")
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// tails: how late goroutines run that were due, under load: bench/weft/tails.cc says how.
func tails(load float64, hogCount int, seconds float64) {
	steps := burnSteps(tailService)
	arrivals := load * float64(runtime.GOMAXPROCS(0)) / tailService.Seconds()
	meanGap := tailWorkers / arrivals
	timerDelays := make([][]float64, tailWorkers)
	channelDelays := make([][]float64, tailWorkers)
	var over int32
	var hogs, done sync.WaitGroup
	hogs.Add(hogCount)
	for i := 0; i < hogCount; i++ {
		go func() {
			for atomic.LoadInt32(&over) == 0 {
				burn(1000)
			}
			hogs.Done()
		}()
	}
	begin := time.Now()
	counted := begin.Add(tailWarming)
	end := counted.Add(time.Duration(seconds * float64(time.Second)))
	done.Add(2 * tailWorkers)
	for w := 0; w < tailWorkers; w++ {
		w := w
		jobs := make(chan time.Time, 4096)
		go func() {
			random := rand.New(rand.NewSource(int64(w + 1)))
			due := begin
			for {
				due = due.Add(time.Duration(random.ExpFloat64() * meanGap * float64(time.Second)))
				if due.After(end) {
					break
				}
				time.Sleep(time.Until(due))
				now := time.Now()
				if due.After(counted) {
					timerDelays[w] = append(timerDelays[w], microseconds(now.Sub(due)))
				}
				jobs <- now
			}
			close(jobs)
			done.Done()
		}()
		go func() {
			for sent := range jobs {
				if sent.After(counted) {
					channelDelays[w] = append(channelDelays[w], microseconds(time.Since(sent)))
				}
				burn(steps)
			}
			done.Done()
		}()
	}
	done.Wait()
	atomic.StoreInt32(&over, 1)
	hogs.Wait()
	sayQuantiles("timer", timerDelays)
	sayQuantiles("channel", channelDelays)
}
