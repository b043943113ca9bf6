#pragma once

// machine and processor: M and P. A machine is an OS thread that runs goroutines; a processor is
// the right to run them. What code without a processor needs is per machine; what needs a processor
// is reached through one, by the machine that holds it.

#include <array>
#include <cstdint>

#include "arch/eh_globals.h"
#include "arch/sanitizer.h"
#include "arch/switch.h"
#include "base/atomic.h"
#include "sched/asymmetric.h"
#include "sched/goroutine.h"
#include "sched/run_queue.h"
#include "sched/timer.h"
#include "stack/stack.h"

namespace weft::sched {

class scheduler;
struct machine;

namespace trace {
struct ring;
}

// counter: counts for the thread that owns it, and is read by anybody.
class counter {
 public:
  void bump() noexcept { base::bump(value_); }
  void add(std::uint64_t n) noexcept {
    // relaxed: nobody else writes it, and it says nothing of anything else.
    value_.store(value_.load(base::relaxed) + n, base::relaxed);
  }
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(base::relaxed); }
  operator std::uint64_t() const noexcept { return get(); }

 private:
  base::atomic<std::uint64_t> value_{0};
};

inline constexpr std::size_t stack_cache_max = 64;
inline constexpr std::size_t record_cache_max = 128;

struct processor {
  // Constant after construction.
  std::uint32_t index = 0;

  // holder: who took it up last; for the monitor.
  base::atomic<machine*> holder{nullptr};

  young_queue young;
  root_queue roots;
  timer_heap timers;

  // Of the machine that holds the processor.
  std::uint32_t tick = 0;    // dispatches; every 61st looks elsewhere first
  bool passed_over = false;  // whoever has high priority, at the last fair turn
  std::uint32_t budget = 0;  // dispatches from young until the rest of it goes to the tail of roots
  std::array<stack::stack*, stack_cache_max> stacks{};  // default size, newest last
  std::size_t stack_count = 0;
  waiter* free_records = nullptr;  // linked by `link`
  std::size_t free_record_count = 0;

  // Guarded by the scheduler's lock.
  processor* next_idle = nullptr;
};

// deferred: what the next stack does for the one that was left: only there may others run the
// goroutine that left.
enum class deferred_action : std::uint8_t { none, park, yield, end };

struct machine {
  // Constant after start.
  scheduler* owner = nullptr;
  std::uint32_t index = 0;
  arch::eh_globals* eh = nullptr;
  void* home_fiber = nullptr;
  arch::sanitizer::stack_range home_stack;
  shown<int> thread_id = 0;  // as in /proc
  shown<int> cpu_clock = 0;  // of the thread (environment.h)

  // The gate (gate.h). seq: odd while inside; written by the machine only. revoked: by whoever
  // revokes, under the handoff lock.
  alignas(64) base::atomic<std::uint64_t> seq{1};
  base::atomic<bool> revoked{false};
  counter dispatches;                       // written by the machine only
  std::uint64_t spent_dispatch = 0;         // guarded by the handoff lock: it has used up its slice
  shown<std::uint64_t> asked_dispatch = 0;  // written by the monitor: which should give way
  // marked_dispatch: written by the machine only: which is in blocking(), with its processor.
  shown<std::uint64_t> marked_dispatch = 0;

  // Owner only: the machine's own thread. While seq is even and unchanged, the monitor under the
  // handoff lock (gate.h, I2) may write p, taken and worn.
  alignas(64) processor* p = nullptr;
  bool taken = false;     // p was: `current` runs on, as on a plain thread, until it would wait
  bool worn = false;      // it was taken while computing: the thread has a lower priority, and ends
  bool computes = false;  // it is worn, and has not come home since it was taken last
  goroutine* current = nullptr;
  arch::context home;
  std::uint32_t operations_left = 0;  // until `current` gives way (gate.h)
  deferred_action deferred = deferred_action::none;
  goroutine* deferred_goroutine = nullptr;
  // Of thread_lock.cc. locked: the only goroutine that runs here; others read whether there is one.
  shown<goroutine*> locked = nullptr;
  goroutine* handover = nullptr;  // dispatched here, and locked to another machine
  bool ends = false;              // so does the thread, when it comes home
  bool spinning = false;
  std::uint64_t random_state = 1;
  std::uint64_t next_id = 0;  // a batch of goroutine numbers
  std::uint64_t end_id = 0;
  std::uint64_t next_channel = 0;  // and one of channel numbers
  std::uint64_t end_channel = 0;

  // Counters: written by the machine only, read by anybody.
  base::atomic<std::int64_t> spawned{0};
  base::atomic<std::int64_t> ended{0};
  counter parks;
  counter yields;
  counter steals;  // successful ones
  counter polls;   // looks at the network
  counter timers;  // that were due

  trace::ring* ring = nullptr;  // the recorder's; owner only

  // Sleeping: `handed` is written by the waker before `awake`, which publishes it.
  base::atomic<std::uint32_t> awake{0};
  processor* handed = nullptr;
  bool handed_spinning = false;

  machine* next_idle = nullptr;  // guarded by the scheduler's lock
  base::atomic<bool> exited{false};

  // bound: a goroutine is locked to it, or it is about to end: it takes up no other.
  [[nodiscard]] bool bound() const noexcept { return locked != nullptr || ends; }

  // hold: takes up a processor, or null.
  void hold(processor* by) noexcept {
    p = by;
    // release: the monitor reads our sequence; pairs with its load.
    if (by != nullptr) by->holder.store(this, base::release);
  }

  [[nodiscard]] std::uint64_t random() noexcept {  // xorshift64*, Vigna 2016
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1dULL;
  }
};

// current_machine: the machine the caller runs on, or null on a plain thread. The only door to the
// thread-local; the compiler can neither inline it nor keep its answer over a switch.
[[nodiscard]] machine* current_machine() noexcept;

// set_current_machine: by a machine's own thread, at its start and end.
void set_current_machine(machine* m) noexcept;

// entered_revoked: the slow path of the gate: the machine's processor may be gone, or is given away
// here. Does not return when the scheduler has stopped.
void entered_revoked(machine& m) noexcept;

// give_way: the current goroutine has used up its operations, or lost its processor: whoever is
// ready goes first.
void give_way(machine& m) noexcept;

inline void enter_runtime(machine& m) noexcept {
  arch::sanitizer::enter_runtime();
  // relaxed: only this thread writes it; the barrier below orders it before the read of revoked
  // (gate.h, I2).
  const auto s = m.seq.load(base::relaxed);
  WEFT_ASSERT((s & 1) == 0, "gates do not nest");
  m.seq.store(s + 1, base::relaxed);
  light_barrier();
  // relaxed: whoever sees it set takes the slow path, which synchronises by a lock.
  if (m.revoked.load(base::relaxed)) [[unlikely]]
    entered_revoked(m);
}

inline void leave_runtime(machine& m) noexcept {
  const auto s = m.seq.load(base::relaxed);
  WEFT_ASSERT((s & 1) == 1, "left the runtime from outside");
  // release: what was done inside is visible to a monitor that then takes the processor.
  m.seq.store(s + 1, base::release);
  arch::sanitizer::leave_runtime();
}

}  // namespace weft::sched
