// weftbench: the Go side of ./dev bench, a row a process: weftbench ROW [n=N] [effort=F] prints
// "NAME VALUE UNIT", a line for each figure. bench/weft asks the same questions of weft, in the same
// order; bench/row.h says what n and effort are.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// shape: how large a row is measured; operations is the sum over all that take part.
type shape struct {
	n          int
	operations int
}

// each: operations of one of n, at least one.
func (s shape) each() int {
	if s.operations > s.n {
		return s.operations / s.n
	}
	return 1
}

type row struct {
	name  string
	usual shape
	run   func(shape)
}

const million = 1_000_000

var rows = []row{
	{"yield", shape{2, 4 * million}, yield},
	{"spawn_join", shape{1000, million}, spawnJoin},
	{"spawn_1m", shape{million, 0}, spawnMillion},
	{"channel_unbuffered", shape{1, million}, func(s shape) { channel("channel_unbuffered", s, 0) }},
	{"channel_128", shape{1, 5 * million}, func(s shape) { channel("channel_128", s, 128) }},
	{"channel_many", shape{8, million}, func(s shape) { channelMany("channel_many", s, 0) }},
	{"channel_many_128", shape{8, 2 * million}, func(s shape) { channelMany("channel_many_128", s, 128) }},
	{"select_ready_2", shape{1, 2 * million}, selectReady2},
	{"select_ready_4", shape{1, 2 * million}, selectReady4},
	{"select_blocking_2", shape{1, million}, selectBlocking2},
	{"select_blocking_4", shape{1, million}, selectBlocking4},
	{"select_stop_private", shape{1000, million}, func(s shape) { selectStop("select_stop_private", s, false) }},
	{"select_stop_shared", shape{1000, million}, func(s shape) { selectStop("select_stop_shared", s, true) }},
	{"mutex", shape{1, 20 * million}, mutex},
	{"rwmutex_read", shape{1, 20 * million}, rwmutexRead},
	{"skynet", shape{million, 0}, skynet},
	{"crowd", shape{million, 0}, crowd},
	{"spike", shape{million, 0}, spike},
	{"sleepers", shape{million, 0}, sleepers},
	{"timer_start_stop", shape{1, 2 * million}, timerStartStop},
	{"c_call", shape{1, 2 * million}, func(s shape) { cCall("c_call", s) }},
	{"cpu_tasks", shape{1000, 0}, cpuTasks},
	{"beside_spin", shape{1, 0}, besideSpin},
	{"blocked", shape{200, 0}, blocked},
	{"blocking_call", shape{1, 2 * million}, func(s shape) { cCall("blocking_call", s) }},
	{"sleep_50us", shape{1, 1000}, sleep50us},
	{"dial_beside_spin", shape{1, 50}, dialBesideSpin},
}

func say(name string, value float64, unit string) {
	fmt.Printf("%s %.3f %s\n", name, value, unit)
}

func perItem(start time.Time, items int) float64 {
	return float64(time.Since(start).Nanoseconds()) / float64(items)
}

func require(condition bool, text string) {
	if !condition {
		panic(text)
	}
}

// numberOf: what follows key among the arguments, or otherwise.
func numberOf(key string, otherwise float64) float64 {
	for _, word := range os.Args[1:] {
		if strings.HasPrefix(word, key) {
			value, err := strconv.ParseFloat(word[len(key):], 64)
			if err == nil {
				return value
			}
		}
	}
	return otherwise
}

func main() {
	what := ""
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	switch what {
	case "rows":
		for _, r := range rows {
			fmt.Println(r.name)
		}
		return
	case "echo":
		echo(os.Args[2])
	case "tails":
		tails(numberOf("load=", 0.5), int(numberOf("hogs=", 0)), numberOf("seconds=", 3))
		return
	}
	for _, r := range rows {
		if r.name == what {
			r.run(shape{int(numberOf("n=", float64(r.usual.n))),
				int(numberOf("effort=", 1) * float64(r.usual.operations))})
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: weftbench ROW [n=N] [effort=F] | rows | echo ADDRESS | tails ...")
	os.Exit(2)
}
