#pragma once

// rows: the rows of weft-bench, by file. bench/go asks the same questions of Go, in the same order.

#include <chrono>

#include "row.h"

namespace bench {

// basics.cc: switching, starting, channels, locks, timers, calls
void yield(const shape& s);
void spawn_join(const shape& s);
void spawn_1m(const shape& s);
void channel_unbuffered(const shape& s);
void channel_128(const shape& s);
void mutex(const shape& s);
void rwmutex_read(const shape& s);
void timer_start_stop(const shape& s);
void c_call(const shape& s);
void cpu_tasks(const shape& s);
void skynet(const shape& s);

// contended.cc: several at one channel, select
void channel_many(const shape& s);
void channel_many_128(const shape& s);
void select_ready_2(const shape& s);
void select_ready_4(const shape& s);
void select_blocking_2(const shape& s);
void select_blocking_4(const shape& s);
void select_stop_private(const shape& s);
void select_stop_shared(const shape& s);

// crowds.cc: a million at once
void crowd(const shape& s);
void sleepers(const shape& s);
void spike(const shape& s);

// nothing_blocks.cc: beside what computes or blocks
void beside_spin(const shape& s);
void blocked(const shape& s);
void blocking_call(const shape& s);
void sleep_50us(const shape& s);
void dial_beside_spin(const shape& s);

// echo.cc: servers for ever
enum class buffer_kind { on_stack, lent };
int echo(const char* address, buffer_kind kind);

// tails.cc
struct tails_options {
  double load = 0.5;  // share of the processors that the work takes
  int hogs = 0;       // goroutines that compute all the time
  double seconds = 3;
};
void tails(const tails_options& options);

}  // namespace bench
