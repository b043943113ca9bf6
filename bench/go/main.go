// weftbench: the Go side of ./dev bench. One row a process: weftbench [-p N] ROW prints
// "ROW VALUE UNIT". bench/weft_bench.cc asks the same questions of weft, in the same order.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

type row struct {
	name string
	unit string
	run  func() float64
}

var rows = []row{
	{"yield", "ns", yield},
	{"spawn_join", "ns", spawnJoin},
	{"spawn_1m", "ns", spawnMillion},
	{"channel_unbuffered", "ns", func() float64 { return channel(0, 1_000_000) }},
	{"channel_128", "ns", func() float64 { return channel(128, 5_000_000) }},
	{"mutex_1", "ns", func() float64 { return mutex(1, 20_000_000) }},
	{"mutex_8", "ns", func() float64 { return mutex(8, 1_000_000) }},
	{"skynet", "ms", skynet},
	{"parked_bytes", "B", parkedBytes},
	{"wake", "ns", wake},
	{"select_ready_2", "ns", selectReady2},
	{"select_ready_4", "ns", selectReady4},
	{"select_blocking_2", "ns", selectBlocking2},
	{"select_blocking_4", "ns", selectBlocking4},
	{"timer_start_stop", "ns", timerStartStop},
	{"sleepers_1m", "s", sleepersWall},
	{"sleepers_1m_cpu", "s", sleepersCPU},
	{"c_call", "ns", cCall},
}

func perItem(start time.Time, items int) float64 {
	return float64(time.Since(start).Nanoseconds()) / float64(items)
}

// yield: two goroutines take turns.
func yield() float64 {
	const each = 2_000_000
	var done sync.WaitGroup
	done.Add(2)
	start := time.Now()
	for g := 0; g < 2; g++ {
		go func() {
			for i := 0; i < each; i++ {
				runtime.Gosched()
			}
			done.Done()
		}()
	}
	done.Wait()
	return perItem(start, 2*each)
}

func spawn(batches, size int) float64 {
	start := time.Now()
	for b := 0; b < batches; b++ {
		var done sync.WaitGroup
		done.Add(size)
		for i := 0; i < size; i++ {
			go func() { done.Done() }()
		}
		done.Wait()
	}
	return perItem(start, batches*size)
}

func spawnJoin() float64    { return spawn(1000, 1000) }
func spawnMillion() float64 { return spawn(1, 1_000_000) }

// channel: one sender, one receiver.
func channel(capacity, items int) float64 {
	ch := make(chan int, capacity)
	start := time.Now()
	go func() {
		for i := 0; i < items; i++ {
			ch <- i
		}
		close(ch)
	}()
	sum := 0
	for v := range ch {
		sum += v
	}
	if sum != items*(items-1)/2 {
		panic("lost an item")
	}
	return perItem(start, items)
}

func mutex(lockers, each int) float64 {
	var mu sync.Mutex
	var done sync.WaitGroup
	counter := 0
	done.Add(lockers)
	start := time.Now()
	for l := 0; l < lockers; l++ {
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
	if counter != lockers*each {
		panic("lost an increment")
	}
	return perItem(start, lockers*each)
}

// skynet: a tree of goroutines, ten to a node, a million leaves, that add up their numbers.
func skynetNode(result chan<- int64, number, size int64) {
	if size == 1 {
		result <- number
		return
	}
	children := make(chan int64)
	for i := int64(0); i < 10; i++ {
		go skynetNode(children, number+i*(size/10), size/10)
	}
	sum := int64(0)
	for i := 0; i < 10; i++ {
		sum += <-children
	}
	result <- sum
}

func skynet() float64 {
	result := make(chan int64)
	start := time.Now()
	go skynetNode(result, 0, 1_000_000)
	if <-result != 499_999_500_000 {
		panic("skynet added wrongly")
	}
	return float64(time.Since(start).Microseconds()) / 1000
}

const parkedCount = 1_000_000

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

// park: a million goroutines that wait for one channel to close. release wakes them and waits until
// all have ended.
func park() (release func()) {
	gate := make(chan struct{})
	var begun, ended sync.WaitGroup
	begun.Add(parkedCount)
	ended.Add(parkedCount)
	for i := 0; i < parkedCount; i++ {
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

func parkedBytes() float64 {
	before := residentBytes()
	release := park()
	grown := residentBytes() - before
	release()
	return float64(grown) / parkedCount
}

func wake() float64 {
	release := park()
	start := time.Now()
	release()
	return perItem(start, parkedCount)
}

const (
	readyRounds    = 2_000_000
	blockingRounds = 1_000_000
)

func channels(n, capacity int) []chan int {
	all := make([]chan int, n)
	for i := range all {
		all[i] = make(chan int, capacity)
	}
	return all
}

func require(condition bool, text string) {
	if !condition {
		panic(text)
	}
}

func sendTo(all []chan int, rounds int) {
	for i := 0; i < rounds; i++ {
		all[i%len(all)] <- 1
	}
}

// select2, select4: what one select receives.
func select2(a, b chan int) int {
	select {
	case n := <-a:
		return n
	case n := <-b:
		return n
	}
}

func select4(a, b, c, d chan int) int {
	select {
	case n := <-a:
		return n
	case n := <-b:
		return n
	case n := <-c:
		return n
	case n := <-d:
		return n
	}
}

func selectReady2() float64 {
	all := channels(2, 1)
	sum := 0
	start := time.Now()
	for i := 0; i < readyRounds; i++ {
		all[i%2] <- 1
		sum += select2(all[0], all[1])
	}
	require(sum == readyRounds, "a select lost a value")
	return perItem(start, readyRounds)
}

func selectReady4() float64 {
	all := channels(4, 1)
	sum := 0
	start := time.Now()
	for i := 0; i < readyRounds; i++ {
		all[i%4] <- 1
		sum += select4(all[0], all[1], all[2], all[3])
	}
	require(sum == readyRounds, "a select lost a value")
	return perItem(start, readyRounds)
}

func selectBlocking2() float64 {
	all := channels(2, 0)
	sum := 0
	start := time.Now()
	go sendTo(all, blockingRounds)
	for i := 0; i < blockingRounds; i++ {
		sum += select2(all[0], all[1])
	}
	require(sum == blockingRounds, "a select lost a value")
	return perItem(start, blockingRounds)
}

func selectBlocking4() float64 {
	all := channels(4, 0)
	sum := 0
	start := time.Now()
	go sendTo(all, blockingRounds)
	for i := 0; i < blockingRounds; i++ {
		sum += select4(all[0], all[1], all[2], all[3])
	}
	require(sum == blockingRounds, "a select lost a value")
	return perItem(start, blockingRounds)
}

func timerStartStop() float64 {
	const rounds = 2_000_000
	start := time.Now()
	for i := 0; i < rounds; i++ {
		require(time.NewTimer(time.Hour).Stop(), "a timer of an hour has ended")
	}
	return perItem(start, rounds)
}

func sleepers() {
	const count = 1_000_000
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			time.Sleep(time.Second)
			all.Done()
		}()
	}
	all.Wait()
}

func sleepersWall() float64 {
	start := time.Now()
	sleepers()
	return time.Since(start).Seconds()
}

func sleepersCPU() float64 {
	sleepers()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func main() {
	procs := flag.Int("p", 0, "GOMAXPROCS; 0 leaves the default")
	flag.Parse()
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	if flag.NArg() == 0 {
		fmt.Println("usage: weftbench [-p N] ROW | echo ADDRESS")
		for _, r := range rows {
			fmt.Println(r.name)
		}
		os.Exit(2)
	}
	if flag.Arg(0) == "echo" && flag.NArg() == 2 {
		echo(flag.Arg(1))
	}
	for _, r := range rows {
		if r.name == flag.Arg(0) {
			fmt.Printf("%s %.2f %s\n", r.name, r.run(), r.unit)
			return
		}
	}
	fmt.Fprintf(os.Stderr, "weftbench: no row %q\n", flag.Arg(0))
	os.Exit(2)
}
