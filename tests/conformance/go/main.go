// weftconformance: the scenarios of weft-conformance, in Go. ../run records what they say.
//
//	weftconformance list
//	weftconformance run NAME...
package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"sync/atomic"
)

type kind string

type entry struct {
	what kind
	run  func()
}

var scenarios = map[string]entry{}

func add(name string, what kind, f func()) bool {
	if _, twice := scenarios[name]; twice {
		panic("two scenarios are called " + name)
	}
	scenarios[name] = entry{what, f}
	return true
}

// scenario: called in a goroutine, many in a process.
func scenario(name string, f func()) bool { return add(name, "goroutine", f) }

// program: the main function of a process of its own.
func program(name string, f func()) bool { return add(name, "program", f) }

// task: a goroutine under observation.
type task struct {
	id    atomic.Int64
	ended atomic.Bool
	end   string
}

// start: starts f and lets it run until it has ended or is parked.
func start(f func()) *task {
	t := &task{}
	go func() {
		t.id.Store(ownID())
		t.end = attempt(f)
		t.ended.Store(true)
	}()
	t.state()
	return t
}

var header = regexp.MustCompile(`(?m)^goroutine (\d+) \[([^],]+)`)

// passing: states in which a goroutine is on its way.
var passing = map[string]bool{
	"running": true, "runnable": true, "syscall": true, "copystack": true, "preempted": true, "idle": true,
	"waiting": true, "GC assist marking": true, "GC assist wait": true, "GC sweep wait": true,
}

func stacks(all bool) []byte {
	for size := 1 << 16; ; size *= 2 {
		buffer := make([]byte, size)
		if n := runtime.Stack(buffer, all); n < size {
			return buffer[:n]
		}
	}
}

func ownID() int64 {
	id, _ := strconv.ParseInt(string(header.FindSubmatch(stacks(false))[1]), 10, 64)
	return id
}

// state: lets it run until it has ended or is parked.
func (t *task) state() string {
	for ; ; runtime.Gosched() {
		if t.ended.Load() {
			return t.end
		}
		id := t.id.Load()
		if id == 0 {
			continue
		}
		for _, found := range header.FindAllSubmatch(stacks(true), -1) {
			if string(found[1]) == strconv.FormatInt(id, 10) && !passing[string(found[2])] {
				return "blocks: " + string(found[2])
			}
		}
	}
}

// blocks: the same without the reason.
func (t *task) blocks() string {
	if now := t.state(); now[:6] != "blocks" {
		return now
	}
	return "blocks"
}

// join: how it ended, whatever it has to wait for before.
func (t *task) join() string {
	for !t.ended.Load() {
		runtime.Gosched()
	}
	return t.end
}

func main() {
	debug.SetGCPercent(-1)
	if len(os.Args) == 2 && os.Args[1] == "list" {
		names := []string{}
		for name := range scenarios {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Printf("%s\t%s\n", name, scenarios[name].what)
		}
		return
	}
	for _, name := range os.Args[2:] {
		s, known := scenarios[name]
		if !known {
			fmt.Fprintln(os.Stderr, "weftconformance: no scenario is called", name)
			os.Exit(2)
		}
		fmt.Println("==", name)
		if s.what == "program" {
			s.run()
			return
		}
		done := make(chan struct{})
		go func() {
			s.run()
			close(done)
		}()
		<-done
	}
}
