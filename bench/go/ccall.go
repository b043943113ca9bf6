package main

/*
static __attribute__((noinline)) int c_function(int n) {
	__asm__ volatile("" : "+r"(n));
	return n;
}
*/
import "C"
import "time"

// cCall: a call of a C function, from a goroutine.
func cCall() float64 {
	const rounds = 5_000_000
	start := time.Now()
	for i := 0; i < rounds; i++ {
		C.c_function(C.int(i))
	}
	return perItem(start, rounds)
}
