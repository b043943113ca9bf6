#pragma once

// metrics: what the scheduler counts: for a page of figures, or a test that wants to know what a
// program does. Where Go's package runtime/metrics has the same, its name stands in brackets.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft {

// metrics: of one runtime. What is counted since it began says so; the rest is as it was when it
// was read. Each figure is right by itself; together they are no snapshot, since nobody is stopped.
struct metrics {
  std::uint64_t goroutines = 0;       // that live [/sched/goroutines:goroutines]
  std::uint64_t created = 0;          // since it began [/sched/goroutines-created:goroutines]
  std::uint64_t processors = 0;       // [/sched/gomaxprocs:threads]
  std::uint64_t idle_processors = 0;  // that nobody has work for
  std::uint64_t machines = 0;         // threads that run goroutines [/sched/threads/total:threads]

  // Since it began.
  std::uint64_t dispatches = 0;  // a goroutine went on
  std::uint64_t parks = 0;       // it went on no more, since it waited
  std::uint64_t yields = 0;      // or to let others go first
  std::uint64_t steals = 0;      // a processor without work took from another's queue
  std::uint64_t retakes = 0;     // a processor was taken from a goroutine that blocked or computed
  std::uint64_t handoffs = 0;    // a processor went on to another machine, for any reason
  std::uint64_t timers = 0;      // that were due
  std::uint64_t polls = 0;       // looks of machines at the network

  // Goroutines that are ready and wait for a processor; [/sched/goroutines/runnable:goroutines] is
  // the sum of all.
  std::vector<std::size_t> queued;  // by processor: in its own queues
  std::size_t queued_globally = 0;  // in the queue of all
  std::size_t queued_high = 0;      // of high priority
  std::size_t queued_background = 0;

  // Stacks, of whatever size: how many. Those of goroutines that run or wait, and up to 64 that
  // each processor keeps; and those that the runtime keeps for others.
  std::size_t stacks_in_use = 0;
  std::size_t stacks_cached = 0;
};

// read_metrics: of the caller's runtime; from a plain thread of the only one that runs; all zeros
// when there is none, or more than one. Never waits for a goroutine; takes two short locks, goes
// through machines and processors, and allocates. Any thread, at any time.
[[nodiscard]] metrics read_metrics();

}  // namespace weft
