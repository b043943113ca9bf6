#pragma once

// environment: all that the scheduler takes from outside itself: time, randomness, threads, the
// poller. Nothing else in sched or above asks the system for these, so that a simulation can answer
// instead.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "poll/poller.h"

namespace weft::sched {

// now_ns: the monotonic clock. Never negative, never steps back.
[[nodiscard]] std::int64_t now_ns() noexcept;

// coarse_now_ns: the same clock, up to a few milliseconds behind, for a quarter of the cost.
[[nodiscard]] std::int64_t coarse_now_ns() noexcept;

// simulate_clock: both clocks are `*clock` for the calling thread from now on; null: the system's.
void simulate_clock(const std::int64_t* clock) noexcept;

// random_seed: a fresh seed for a machine's generator.
[[nodiscard]] std::uint64_t random_seed() noexcept;

// start_thread: a detached thread that runs `body(argument)`, with a stack of its own for the
// scheduler's code. 0 or an errno.
[[nodiscard]] int start_thread(void (*body)(void*), void* argument) noexcept;

// take_no_signals: the calling thread from now on takes only those that its own faults send.
void take_no_signals() noexcept;

// thread_id: the calling thread's number in /proc; 0 where there is none.
[[nodiscard]] int thread_id() noexcept;

// thread_blocks: whether that thread waits in a system call now, as opposed to computing, or
// waiting for a CPU. Unknown without /proc, or a descriptor for it.
enum class blocks : std::uint8_t { no, yes, unknown };
[[nodiscard]] blocks thread_blocks(int thread_id) noexcept;

// cpu_clock: of the calling thread, for cpu_ns().
[[nodiscard]] int cpu_clock() noexcept;

// cpu_ns: how long the thread of that clock has had a CPU.
[[nodiscard]] std::int64_t cpu_ns(int cpu_clock) noexcept;

// lower_priority: of that thread: nice(2) by 10.
void lower_priority(int thread_id) noexcept;

// thread_count: threads of this process, to tell whether somebody foreign could still wake a
// goroutine; 0 if unknown.
[[nodiscard]] std::size_t thread_count() noexcept;

// usable_cpus: processors this process may use: its affinity, and the quota of its control group
// rounded up.
[[nodiscard]] unsigned usable_cpus() noexcept;

// quota_cpus: the least quota of the control groups that the file `membership` names below
// `mount`, in CPUs rounded up; 0 if there is none.
[[nodiscard]] unsigned quota_cpus(const char* mount, const char* membership);

}  // namespace weft::sched
