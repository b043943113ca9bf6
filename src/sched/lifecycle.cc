// lifecycle: how a scheduler starts and ends.
//
// run() returns when its function does. After that no goroutine runs again: machines that are in
// the runtime leave their goroutine and end; machines in user code meet a revoked gate at their
// next entry, and end there. Those that do not come back within a short grace are "out": what they
// may still touch - the scheduler, its stacks - stays for ever.

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sched/calls.h"
#include "sched/environment.h"
#include "sched/inspect.h"
#include "sched/io.h"
#include "sched/labels.h"
#include "sched/lock_wait.h"
#include "sched/scheduler.h"
#include "sched/simulation.h"
#include "sched/thread_lock.h"
#include "stack/overflow.h"

namespace weft::sched {
namespace {

// stop_grace_ns: how long run() waits for machines in user code. They are computing, or blocked in
// a foreign call.
constexpr std::int64_t stop_grace_ns = 20'000'000;
constexpr std::int64_t stop_look_ns = 1'000'000;

thread_local machine* tls_machine [[gnu::tls_model("initial-exec")]] = nullptr;

test_modes choose_modes(const simulation* simulated) {
  test_modes modes;
  if (simulated != nullptr) {
    modes.yield = true;  // it is asked at each operation
    return modes;
  }
  const char* text = std::getenv("WEFT_TEST_MODE");
  if (text == nullptr) return modes;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto comma = std::min(rest.find(','), rest.size());
    const auto word = rest.substr(0, comma);
    if (word == "migrate") {
      modes.migrate = true;
    } else if (word == "shuffle") {
      modes.shuffle = true;
    } else if (word == "yield") {
      modes.yield = true;
    } else if (word == "retake") {
      modes.retake = true;
    } else if (!word.empty()) {
      base::fatal("WEFT_TEST_MODE: the modes are migrate, shuffle, yield and retake");
    }
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return modes;
}

std::uint32_t next_serial() noexcept {
  static base::atomic<std::uint32_t> last{0};
  return last.fetch_add(1, base::relaxed) + 1;  // relaxed: only uniqueness matters
}

}  // namespace

unsigned choose_max_procs(unsigned asked) noexcept {
  if (asked == 0) {
    if (const char* text = std::getenv("WEFT_MAXPROCS"); text != nullptr && *text != '\0') {
      char* end = nullptr;
      const unsigned long n = std::strtoul(text, &end, 10);
      if (*end != '\0' || n == 0 || n > max_procs_limit)
        base::fatal("WEFT_MAXPROCS: want a number from 1 to 1024");
      return static_cast<unsigned>(n);
    }
    return usable_cpus();
  }
  return std::min(asked, max_procs_limit);
}

[[gnu::noinline]] machine* current_machine() noexcept {
  asm volatile("" ::
                   : "memory");  // keeps interprocedural analysis from calling this a pure function
  return tls_machine;
}

[[gnu::noinline]] void set_current_machine(machine* m) noexcept {
  asm volatile("" ::: "memory");
  tls_machine = m;
}

goroutine* current_goroutine() noexcept {
  const machine* m = current_machine();
  return m != nullptr ? m->current : nullptr;
}

scheduler* current_scheduler() noexcept {
  const machine* m = current_machine();
  return m != nullptr ? m->owner : nullptr;
}

visit::visit() noexcept : target_(current_scheduler()) {
  if (target_ != nullptr) return;
  target_ = visit_only_scheduler();
  counted_ = target_;
}

scheduler::scheduler(const scheduler_options& options)
    : simulation_(options.simulated),
      modes_(choose_modes(options.simulated)),
      serial_(next_serial()),
      stacks_(stack::create()),
      machines_max_(options.max_threads != 0 ? options.max_threads : default_max_threads) {
  static const bool asked = (light_is_free = asymmetric_barrier_ready(), true);
  static_cast<void>(asked);
  auto poller = simulation_ != nullptr ? simulation_->make_poller() : poll::make_poller();
  if (poller == nullptr)
    base::fatal(std::string("runtime: no descriptor for the poller: ") + std::strerror(errno));
  poller_ = poller.get();
  home_ = std::make_shared<io_home>(*this, std::move(poller));
  if (stacks_ == nullptr) base::fatal("runtime: out of memory for goroutine stacks");
  machines_.reserve(machines_max_);  // so that no malloc happens under the lock
  const unsigned n = simulation_ != nullptr ? 1 : choose_max_procs(options.max_procs);
  processors_.reserve(n);
  for (unsigned i = 0; i < n; ++i) {
    processors_.push_back(std::make_unique<processor>());
    processors_.back()->index = i;
    put_idle_processor(*processors_.back());
  }
}

scheduler::~scheduler() {
  WEFT_ASSERT(out_after_stop_ == 0, "a scheduler with machines out is leaked, not destroyed");
  keep_unfinished();
  for_each_goroutine([](goroutine& g) {
    if (g.labels != nullptr) g.labels.get()->release();
  });
  stack::destroy(stacks_);
  for (const auto& m : machines_) {
    if (m->ring != nullptr) trace::listeners.give_back(*m->ring);
  }
}

// keep_unfinished: goroutines that never ended are dropped without unwinding, and their memory is
// unmapped. What they held is lost on purpose: LeakSanitizer gets a copy of their records and
// frames, in which it finds the pointers. (A root region for each is no alternative: the tool reads
// the process's map once for every region.)
void scheduler::keep_unfinished() const {
#if WEFT_ASAN
  struct copy {
    std::vector<std::byte> bytes;
    copy* next;
  };
  static base::lock<base::rank::leaf> lock;
  static copy* kept = nullptr;
  const auto keep = [](const void* from, std::size_t size) {
    auto* c = new copy{std::vector<std::byte>(size), nullptr};
    arch::sanitizer::forget_frames(from, size);  // a frame's poisoned edges may be read
    std::memcpy(c->bytes.data(), from, size);
    base::locked hold(lock);
    c->next = std::exchange(kept, c);
  };
  for_each_goroutine([&](const goroutine& g) {
    keep(g.closure, sizeof g.closure);
    keep(&g.inherited, sizeof g.inherited);
    keep(&g.inherited_values, sizeof g.inherited_values);
    keep(&g.locals, sizeof g.locals);
    if (g.stack == nullptr) return;
    const auto* used = static_cast<const char*>(g.context.sp);
    if (used >= g.stack->low && used < g.stack->high)
      keep(used, static_cast<std::size_t>(g.stack->high - used));
  });
#endif
}

void scheduler::leave_behind() noexcept {
  static base::atomic<scheduler*> last{nullptr};
  keep_unfinished();
  // acq_rel: a list that only grows; it is there to be found, by LeakSanitizer and in a debugger.
  left_before_ = last.exchange(this, base::acq_rel);
}

void scheduler::run(void (*invoke)(void*), void* closure, const spawn_request& request) {
  struct main_call {
    void (*invoke)(void*);
    void* closure;
    scheduler* self;
  };
  static_assert(sizeof(main_call) <= closure_size);
  inspect_enter(*this);
  goroutine* g = make(request);
  new (g->closure) main_call{invoke, closure, this};
  g->invoke = [](void* raw) {
    const auto call = *static_cast<main_call*>(raw);
    call.invoke(call.closure);
    call.self->main_returns();
    watched_end(*call.self);
    // release: what main wrote is seen by run()'s caller.
    call.self->main_done_.store(1, base::release);
    base::futex_wake(call.self->main_done_, 1);
  };
  main_ = g;
  if (simulation_ != nullptr) {
    monitor_state_.store(monitor_gone, base::seq_cst);  // seq_cst: as all writes of it
  } else if (const int error = start_thread(monitor_thread, this); error != 0) {
    base::fatal(std::string("runtime: failed to create a thread: ") + std::strerror(error));
  }
  start(*g);
  if (simulation_ != nullptr) start_machine(*take_idle_processor(), false);  // its only one
  // acquire: pairs with the store above.
  while (main_done_.load(base::acquire) == 0) base::futex_wait(main_done_, 0);
  stop_all();
  await_visitors();  // the last of those who came too late
  arch::sanitizer::take_over(&arch::sanitizer::all_left);
  forget_lock_waits(*this);
  if (goroutine_count() > 0) note_dropped(true);
  home_->end(out_after_stop_ == 0);
}

// await_visitors: a thread that woke the last goroutine, or started one, may still be in our code:
// for a moment.
void scheduler::await_visitors() noexcept {
  // seq_cst: behind the store of stopping_; acquires from end_visit().
  while (visitors_.load(base::seq_cst) != 0) ::sched_yield();
}

machine* scheduler::new_machine() {
  auto fresh = std::make_unique<machine>();
  fresh->owner = this;
  fresh->random_state = simulation_ == nullptr ? random_seed() : simulation_->seed;
  machine* m = nullptr;
  {
    base::locked hold(lock_);
    m = renewed_machine_locked();
    if (m == nullptr && machines_.size() < machines_max_) {
      m = fresh.get();
      m->index = static_cast<std::uint32_t>(machines_.size());
      machines_.push_back(std::move(fresh));
    }
  }
  if (m == nullptr) {
    base::fatal("runtime: program exceeds " + std::to_string(machines_max_) +
                "-thread limit (run_options::max_threads): work waits, and they are all busy: " +
                calls_of_machines());
  }
  if (const int error = start_clean_thread(machine_thread, m); error != 0) {
    base::fatal(std::string("runtime: failed to create a thread: ") + std::strerror(error) +
                " (the limits are ulimit -u, pids.max of the control group, and memory). "
                "What the others do: " +
                calls_of_machines());
  }
  return m;
}

// calls_of_machines: for whoever must find out why there are so many.
std::string scheduler::calls_of_machines() {
  std::vector<int> ids;
  {
    const base::locked hold(lock_);
    for (const auto& m : machines_) {
      // acquire: as in renewed_machine_locked(). Who has no number yet is just being made.
      if (!m->exited.load(base::acquire) && m->thread_id != 0) ids.push_back(m->thread_id);
    }
  }
  return calls_of(ids);
}

// renewed_machine_locked: a machine whose thread has ended, as if it were new; or null.
machine* scheduler::renewed_machine_locked() noexcept {
  if (machines_ended_ == 0) return nullptr;
  for (const auto& m : machines_) {
    // acquire: pairs with the store in machine_thread(); the thread is past its last touch.
    if (!m->exited.load(base::acquire)) continue;
    --machines_ended_;
    m->ends = false;
    m->exited.store(false, base::relaxed);  // relaxed: under lock_, where the counts are read
    return m.get();
  }
  return nullptr;
}

void scheduler::machine_thread(void* raw) noexcept {
  machine& m = *static_cast<machine*>(raw);
  scheduler& s = *m.owner;
  {
    const stack::alternate_stack overflow_stack;
    m.eh = arch::current_eh_globals();
    m.home_fiber = arch::sanitizer::current_fiber();
    m.home_stack = arch::sanitizer::thread_stack();
    m.thread_id = thread_id();
    m.cpu_clock = cpu_clock();
    arch::sanitizer::hand_over(&m);
    set_current_machine(&m);
    if (s.simulation_ != nullptr) {
      simulate_clock(&s.simulation_->now_ns);
      poll::simulate_sockets(s.simulation_->sockets());
    }
    while (m.awake.load(base::acquire) == 0)
      base::futex_wait(m.awake, 0);  // acquire: as in sleep_machine()
    {
      const arch::sanitizer::dispatching order_nothing;
      s.take_handed(m);
      s.machine_loop(m);
    }
    m.worn = false;
    simulate_clock(nullptr);
    poll::simulate_sockets(nullptr);
    set_current_machine(nullptr);
  }
  arch::sanitizer::hand_over(&arch::sanitizer::all_left);
  auto& word = s.exits_;
  word.fetch_add(1, base::relaxed);  // relaxed: only a futex word; `exited` publishes
  // release: our last touch of the machine and the scheduler; pairs with the load in stop_all().
  m.exited.store(true, base::release);
  base::futex_wake(word, 1);
}

void scheduler::stop_all() noexcept {
  if (simulation_ == nullptr) end_monitor();
  const auto give_up_at = now_ns() + stop_grace_ns;
  // seq_cst: publishes to stopping(), and comes before our look at visitors_ (make_runnable).
  stopping_.store(true, base::seq_cst);
  inspect_leave(*this);
  home_->close_doors();
  // Who visits may be about to start a machine; who comes later sees stopping_ and does not.
  await_visitors();
  for (;;) {
    const auto seen = exits_.load(base::relaxed);
    std::size_t left = 0;
    std::size_t outside = 0;
    machine* sleeping = nullptr;
    {
      base::locked revoking(handoff_lock_);
      base::locked hold(lock_);
      // relaxed: the barrier below orders it before our look at the sequences.
      for (const auto& m : machines_) m->revoked.store(true, base::relaxed);
      sleeping = std::exchange(idle_machines_, nullptr);
      for (const auto& m : machines_) {
        if (m->locked == nullptr) continue;  // perhaps asleep until it can go on (thread_lock.cc)
        m->next_idle = std::exchange(sleeping, m.get());
      }
    }
    while (sleeping != nullptr) {
      machine* next = sleeping->next_idle;
      wake_machine(*sleeping);
      sleeping = next;
    }
    poller_->wake();
    heavy_barrier();
    {
      base::locked hold(lock_);
      for (const auto& m : machines_) {
        // acquire: pairs with the store in machine_thread(); the thread is past its last touch.
        if (m->exited.load(base::acquire)) continue;
        ++left;
        // acquire: what it did inside is visible if it is outside.
        if ((m->seq.load(base::acquire) & 1) == 0) ++outside;
      }
    }
    if (left == 0) return;
    if (left == outside && now_ns() > give_up_at) {
      out_after_stop_ = left;
      return;
    }
    base::futex_wait(exits_, seen, stop_look_ns);
  }
}

// entered_revoked: when the machine's scheduler has stopped, its goroutine never goes on; the
// machine ends on its own stack.
void entered_revoked(machine& m) noexcept {
  m.owner->answer_revocation(m);
  if (m.owner->stopping()) scheduler::leave_for_good(m);
}

void scheduler::leave_for_good(machine& m) noexcept {
  switch_away(m, *m.current, nullptr, false);
  base::fatal("runtime: a goroutine that was left for good went on");
}

}  // namespace weft::sched
