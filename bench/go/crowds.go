package main

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func residentBytes() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(statm)[1]), 10, 64)
	if err != nil {
		panic(err)
	}
	return pages * int64(os.Getpagesize())
}

// park: n goroutines that wait for one channel to close. release wakes them and waits until all have
// ended.
func park(n int) (release func()) {
	gate := make(chan struct{})
	var begun, ended sync.WaitGroup
	begun.Add(n)
	ended.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			begun.Done()
			<-gate
			ended.Done()
		}()
	}
	begun.Wait()
	return func() {
		close(gate)
		ended.Wait()
	}
}

// crowd: resident bytes of a parked goroutine, and what waking it costs, to its end.
func crowd(s shape) {
	before := residentBytes()
	release := park(s.n)
	grown := residentBytes() - before
	start := time.Now()
	release()
	woken := perItem(start, s.n)
	say("parked_bytes", float64(grown)/float64(s.n), "B")
	say("wake", woken, "ns")
	say("how_many", float64(s.n), "n")
}

// spike: resident memory five seconds after n goroutines have come and gone, in per cent of before.
func spike(s shape) {
	park(1000)() // what a program that has done something holds
	before := residentBytes()
	park(s.n)()
	time.Sleep(5 * time.Second)
	after := residentBytes()
	say("spike_left", 100*float64(after)/float64(before), "%")
	say("spike_left_mb", float64(after-before)/1e6, "MB")
}

// sleepers: n goroutines sleep for a second: the whole, and the CPU time of the process.
func sleepers(s shape) {
	start := time.Now()
	var all sync.WaitGroup
	all.Add(s.n)
	for i := 0; i < s.n; i++ {
		go func() {
			time.Sleep(time.Second)
			all.Done()
		}()
	}
	all.Wait()
	say("sleepers", time.Since(start).Seconds(), "s")
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	say("sleepers_cpu", float64(used.Utime.Nano()+used.Stime.Nano())/1e9, "s")
}
