package main

/*
#include <stdint.h>

static __attribute__((noinline)) int c_function(int n) {
	__asm__ volatile("" : "+r"(n));
	return n;
}

// plain_calls: what the calls cost where no Go is involved.
static void plain_calls(int64_t times) {
	for (int64_t i = 0; i < times; i++) c_function((int)i);
}
*/
import "C"
import "time"

// cCall: how much more a call of a C function costs in a goroutine than in C. cgo marks each as one
// that may block, so this is also what marking costs.
func cCall(name string, s shape) {
	inGoroutine, inC := 1e9, 1e9
	for try := 0; try < 5; try++ {
		start := time.Now()
		for i := 0; i < s.operations; i++ {
			C.c_function(C.int(i))
		}
		inGoroutine = min64(inGoroutine, perItem(start, s.operations))
		start = time.Now()
		C.plain_calls(C.int64_t(s.operations))
		inC = min64(inC, perItem(start, s.operations))
	}
	say(name, inGoroutine-inC, "ns")
}

func min64(a, b float64) float64 {
	if a < b {
		return a
	}
	return b
}
