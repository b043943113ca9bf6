package main

/*
#include <time.h>

// block: as long as asked for, even if a signal of Go's comes in between.
static void block(long ns) {
	struct timespec left = {0, ns};
	while (nanosleep(&left, &left) != 0) {
	}
}
*/
import "C"
import (
	"net"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func median(values []float64) float64 {
	sort.Float64s(values)
	return values[len(values)/2]
}

// besideSpin: how much longer than 1 ms sleeps take beside a goroutine that computes for 2 s.
func besideSpin(shape) {
	var over int32
	var spinner sync.WaitGroup
	spinner.Add(1)
	go func() {
		end := time.Now().Add(2 * time.Second)
		for time.Now().Before(end) {
			burn(1000)
		}
		atomic.StoreInt32(&over, 1)
		spinner.Done()
	}()
	worst, sum, slept := 0.0, 0.0, 0
	for atomic.LoadInt32(&over) == 0 {
		start := time.Now()
		time.Sleep(time.Millisecond)
		extra := milliseconds(time.Since(start) - time.Millisecond)
		if extra > worst {
			worst = extra
		}
		sum += extra
		slept++
	}
	spinner.Wait()
	require(slept > 0, "nobody slept")
	say("beside_spin_worst", worst, "ms")
	say("beside_spin_mean", sum/float64(slept), "ms")
}

// blocked: n goroutines make ten blocking calls of 50 ms each by cgo, and how late a goroutine is
// meanwhile that is due every millisecond.
func blocked(s shape) {
	var over int32
	var ticking, done sync.WaitGroup
	worst := 0.0
	ticking.Add(1)
	go func() {
		due := time.Now()
		for atomic.LoadInt32(&over) == 0 {
			due = due.Add(time.Millisecond)
			time.Sleep(time.Until(due))
			if late := milliseconds(time.Since(due)); late > worst {
				worst = late
			}
		}
		ticking.Done()
	}()
	done.Add(s.n)
	start := time.Now()
	for g := 0; g < s.n; g++ {
		go func() {
			for i := 0; i < 10; i++ {
				C.block(50_000_000)
			}
			done.Done()
		}()
	}
	done.Wait()
	total := milliseconds(time.Since(start))
	atomic.StoreInt32(&over, 1)
	ticking.Wait()
	say("blocked_total", total, "ms")
	say("blocked_tick_worst", worst, "ms")
}

// sleep50us: how long a sleep of 50 us takes where nothing else happens: the median.
func sleep50us(s shape) {
	var took []float64
	for i := 0; i < s.each(); i++ {
		start := time.Now()
		time.Sleep(50 * time.Microsecond)
		took = append(took, microseconds(time.Since(start)))
	}
	say("sleep_50us", median(took), "us")
}

// dialBesideSpin: a dial over loopback while a goroutine computes for each processor: the median.
func dialBesideSpin(s shape) {
	const warming = 100 * time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require(err == nil, "cannot listen")
	var over int32
	var others sync.WaitGroup
	others.Add(1 + runtime.GOMAXPROCS(0))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			conn.Close()
		}
		others.Done()
	}()
	for i := 0; i < runtime.GOMAXPROCS(0); i++ {
		go func() {
			for atomic.LoadInt32(&over) == 0 {
				burn(1000)
			}
			others.Done()
		}()
	}
	var took []float64
	begin := time.Now()
	for len(took) < s.each() {
		time.Sleep(time.Millisecond)
		start := time.Now()
		counts := start.Sub(begin) > warming
		conn, err := net.Dial("tcp", listener.Addr().String())
		require(err == nil, "cannot dial")
		if counts {
			took = append(took, milliseconds(time.Since(start)))
		}
		conn.Close()
	}
	atomic.StoreInt32(&over, 1)
	listener.Close()
	others.Wait()
	say("dial_beside_spin", median(took), "ms")
}
