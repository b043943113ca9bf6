// dispatch: from one goroutine to the next.
//
// A goroutine that parks picks the next one itself and switches straight to it; only when nothing
// is at hand does it go to the machine's home stack, which looks elsewhere and sleeps. What must
// happen after a goroutine has left its stack - commit its park, queue it, free it - is deferred to
// the next stack: from that moment on others may run it.
//
// A stack is bound when a goroutine first runs. When one ends and the next has not started yet, it
// starts on the same stack, without a switch.
//
// I1  Between two switches a machine runs one goroutine; machine::current names it; on the home
//     stack it is null.
// I2  Whoever switches away sets the deferred action first; whoever arrives runs it first
//     (finish_switch).
// I3  The C++ runtime's exception globals belong to the goroutine: saved at leaving, restored at
//     arriving.

#include <cxxabi.h>
#include <weft/go.h>

#include <cstdio>
#include <utility>

#include "base/assert.h"
#include "sched/environment.h"
#include "sched/labels.h"
#include "sched/locals.h"
#include "sched/scheduler.h"
#include "sched/trace.h"

namespace weft::sched {
namespace {

// fair_every: Go's number: prime, so that it meets no period of the program.
constexpr std::uint32_t fair_every = 61;
// timers_every: dispatches between two looks at the clock while timers are armed.
constexpr std::uint32_t timers_every = 16;
// prefetch_record_ahead, prefetch_stack_ahead: how many dispatches before its own.
constexpr std::uint32_t prefetch_record_ahead = 12;
constexpr std::uint32_t prefetch_stack_ahead = 6;
// operations_max: of a goroutine between two parks.
constexpr std::uint32_t operations_max = 4096;
// young_budget: dispatches from young until the rest of it lets the roots go first.
constexpr std::uint32_t young_budget = 64;

[[noreturn]] void smashed(const goroutine& g) noexcept {
  char text[160];
  std::snprintf(text, sizeof text,
                "goroutine %llu: stack overflow (started at %s:%u; raise go_options::stack_size)",
                static_cast<unsigned long long>(g.id.get()), g.site_file.get(), g.site_line.get());
  base::fatal(text);
}

}  // namespace

// run_body: calls the closure, and ends what is the goroutine's own. Its handler is for goexit()
// alone: exceptions find none here either. What it catches has no object, only a null reference,
// which UBSan need not say.
__attribute__((no_sanitize("null"))) void run_body(goroutine& g) {
  try {
    g.invoke(g.closure);
  } catch (abi::__forced_unwind&) {
    g.owner->land_exit(g);
  }
  if (g.locals != nullptr) [[unlikely]]
    end_locals(g);
}

void scheduler::bind(machine& m, goroutine& g) noexcept {
  if (g.stack != nullptr) return;
  g.stack = take_stack(m, g.stack_size);
  const auto size = static_cast<std::size_t>(g.stack->high - g.stack->low);
  arch::sanitizer::forget_frames(g.stack->low, size);
  if (void* own = arch::sanitizer::take_apart(g.fiber)) g.stack->fiber = own;
  if (g.stack->fiber == nullptr) g.stack->fiber = arch::sanitizer::create_fiber();
  const auto made = arch::make_context(g.stack->low, g.stack->high, goroutine_entry);
  base::set_glanced(g.context.sp, made.sp);  // prefetch_next() may look at it
}

// arrive_at: makes `g` the machine's current goroutine; returns where to switch to.
scheduler::destination scheduler::arrive_at(machine& m, goroutine& g) noexcept {
  const bool begins = arch::sanitizer::apart && g.stack == nullptr;
  m.owner->bind(m, g);
  if (g.current_phase() == phase::runnable) g.to_running();
  g.last_machine = &m;
  *m.eh = g.eh;
  trace::dispatched(g);
  m.current = &g;
  m.dispatches.bump();
  m.operations_left = operations_of_turn(m);
  return {g.context, g.stack->low, static_cast<std::size_t>(g.stack->high - g.stack->low),
          g.stack->fiber, begins};
}

// arrive_home: the same for the machine's own stack.
scheduler::destination scheduler::arrive_home(machine& m) noexcept {
  *m.eh = {};
  m.current = nullptr;
  return {m.home, m.home_stack.low, m.home_stack.size, m.home_fiber};
}

// leave: the one place that switches: a return is predicted only if it comes from the call it was
// made by. Returns when somebody resumes `from`, perhaps on another machine.
[[gnu::noinline]] void scheduler::leave(arch::context& from, const destination& to,
                                        bool dying) noexcept {
  arch::sanitizer::fiber_save save;
  arch::sanitizer::hand_over(&arch::sanitizer::all_left);
  arch::sanitizer::before_switch(save, to.low, to.size, to.fiber, to.begins, dying);
  arch::switch_context(&from, to.context, nullptr);
  arch::sanitizer::after_switch(save);
  finish_switch();
}

// switch_away: leaves `from` for `next`, or for the home stack when null.
void scheduler::switch_away(machine& m, goroutine& from, goroutine* next, bool dying) noexcept {
  if (!stack::canary_intact(*from.stack)) smashed(from);
  from.eh = *m.eh;
  leave(from.context, next != nullptr ? arrive_at(m, *next) : arrive_home(m), dying);
}

void scheduler::run_from_home(machine& m, goroutine& g) noexcept {
  leave(m.home, arrive_at(m, g), false);
}

[[gnu::noinline]] void finish_switch() noexcept {
  machine& m = *current_machine();
  arch::sanitizer::take_over(&m);  // the thread's birth, and that of its thread_locals
  goroutine* g = m.deferred_goroutine;
  const auto action = m.deferred;
  m.deferred = deferred_action::none;
  switch (action) {
    case deferred_action::none: return;
    case deferred_action::park:
      // Decided between the look before the switch and now: nobody else will queue it.
      if (g->try_park()) return;
      trace::readied(*g, trace::source::nobody);
      m.owner->queue_here(m, *g);
      return;
    case deferred_action::yield:
      g->running_to_runnable();
      m.owner->push_root(m, *g);
      // The machine runs another one now, perhaps for long. At home it looks at its own queues
      // itself, but not at those of all, which others may have missed this one in.
      if (m.current != nullptr || m.p == nullptr || m.bound() || m.worn ||
          m.owner->shared_work_visible())
        m.owner->wake_processor();
      return;
    case deferred_action::end:
      arch::sanitizer::end_apart(g->stack->fiber, g->stack->low,
                                 static_cast<std::size_t>(g->stack->high - g->stack->low));
      m.owner->give_stack(m, g->stack);
      g->stack = nullptr;
      m.owner->release_ended(m, *g);
      return;
  }
}

// goroutine_entry: not noexcept, and without a handler: the unwinder that looks for one comes to
// the end of the stack, and the process ends (inspect.cc) with everything still standing.
void scheduler::goroutine_entry(void*) {
  arch::sanitizer::after_switch({});
  for (;;) {
    finish_switch();
    goroutine& g = *current_machine()->current;
    leave_runtime(*current_machine());
    run_body(g);
    // Here, where destructors of values may use the runtime.
    if (auto* values = std::exchange(g.inherited_values, nullptr)) values->release();
    enter_runtime(*current_machine());
    machine& m = *current_machine();
    trace::ended(g);
    if (m.locked != nullptr) [[unlikely]]
      end_locked(m);
    goroutine* next = m.p != nullptr ? m.owner->pick_local(m) : nullptr;
    if (next != nullptr && next->stack == nullptr && next->stack_size == g.stack_size &&
        !arch::sanitizer::apart) {
      if (!stack::canary_intact(*g.stack)) smashed(g);
      next->stack = g.stack;
      g.stack = nullptr;
      m.owner->release_ended(m, g);
      next->to_running();
      next->last_machine = &m;
      trace::dispatched(*next);
      m.current = next;
      m.dispatches.bump();
      m.operations_left = operations_of_turn(m);
      *m.eh = {};
      continue;
    }
    m.deferred = deferred_action::end;
    m.deferred_goroutine = &g;
    switch_away(m, g, next, true);
  }
}

// home_is_due: counts a dispatch; true when the home stack should look: its turn to be fair, or a
// timer may be due.
bool scheduler::home_is_due(machine& m) noexcept {
  processor& p = *m.p;
  // relaxed: a hint; whoever revokes waits until we are out of the runtime.
  if (m.revoked.load(base::relaxed)) return true;
  if (m.bound() || m.worn) [[unlikely]]
    return true;
  ++p.tick;
  if (fair_turn_due(p)) return true;
  return p.tick % timers_every == 0 && p.timers.earliest() != none_due;
}

// pick_local: the next goroutine of this processor, or null when the home stack should look.
goroutine* scheduler::pick_local(machine& m) noexcept {
  return home_is_due(m) ? nullptr : pick_for(m);
}

// pick_for: as pick_queued(), for a machine that may go on with any goroutine but a locked one.
goroutine* scheduler::pick_for(machine& m) noexcept {
  goroutine* g = pick_queued(m);
  if (g == nullptr || g->locked_to == nullptr) [[likely]]
    return g;
  m.handover = g;
  return nullptr;
}

// prefetch_next: of those that run next in `queue` the record of one, the stack of one that is
// nearer. Records of goroutines that waited for long are in no cache, and their stacks less so.
template <class Queue>
void prefetch_next(const Queue& queue) noexcept {
  if (const goroutine* g = queue.peek(prefetch_record_ahead)) {
    __builtin_prefetch(g);  // its word
    __builtin_prefetch(&g->context);
  }
  if (const goroutine* g = queue.peek(prefetch_stack_ahead)) {
    // Thieves may have taken it, and run it, meanwhile.
    const char* saved = static_cast<const char*>(base::glance(g->context.sp));
    __builtin_prefetch(saved);
    __builtin_prefetch(saved + 64);
    __builtin_prefetch(saved + 128);
  }
}

goroutine* scheduler::pick_queued(machine& m) noexcept {
  processor& p = *m.p;
  // relaxed: a hint; who sleeps has looked at all queues (work_visible).
  if (high_.size.load(base::relaxed) > 0) [[unlikely]] {
    if (goroutine* g = take_from_queue(high_)) return g;
  }
  if (modes_.shuffle) [[unlikely]] {
    const auto r = m.random() >> 60;
    if (r < 4) {
      if (goroutine* g = p.young.take_oldest()) return g;
    } else if (r < 8) {
      if (goroutine* g = p.roots.take()) return g;
    }
  }
  if (p.budget > 0) {
    if (goroutine* g = p.young.pop_newest()) {
      --p.budget;
      prefetch_next(p.young);
      return g;
    }
  } else {
    demote_young(m);
  }
  p.budget = young_budget;
  prefetch_next(p.roots);
  return p.roots.take();
}

// demote_young: the budget is spent: what is left of young goes behind the roots, oldest first. The
// caller takes one.
void scheduler::demote_young(machine& m) noexcept {
  processor& p = *m.p;
  for (std::uint32_t i = 0; i < run_queue_capacity; ++i) {
    goroutine* g = p.young.take_oldest();
    if (g == nullptr) break;
    push_root(m, *g);
  }
  // On their way from queue to queue a machine that went to sleep missed them.
  if (p.roots.size() > 1 || shared_work_visible()) wake_processor();
}

bool scheduler::fair_turn_due(const processor& p) noexcept { return p.tick % fair_every == 0; }

void scheduler::park_current(machine& m) noexcept {
  goroutine& g = *m.current;
  trace::parking(g, g.reason);
  m.parks.bump();
  const arch::sanitizer::dispatching order_nothing;
  goroutine* next = m.p != nullptr ? m.owner->pick_local(m) : nullptr;
  m.deferred = deferred_action::park;
  m.deferred_goroutine = &g;
  switch_away(m, g, next, false);
  if (g.blocking_depth != 0) [[unlikely]]
    step_aside(*current_machine());
}

void scheduler::yield_current(machine& m) noexcept {
  goroutine& g = *m.current;
  if (m.p == nullptr) {
    if (g.blocking_depth == 0) take_again(m);
    return;  // else the thread is the kernel's to share
  }
  scheduler& s = *m.owner;
  const arch::sanitizer::dispatching order_nothing;
  const bool home = home_is_due(m) || s.modes_.migrate;
  goroutine* next = home ? nullptr : s.pick_for(m);
  // relaxed: a hint; what is pushed just now is found at the next fair turn.
  if (next == nullptr && !home && m.handover == nullptr &&
      s.global_size_.load(base::relaxed) == 0 &&
      (g.priority != priority::background || s.background_.size.load(base::relaxed) == 0)) {
    return;
  }
  trace::yielded(g);
  m.yields.bump();
  m.deferred = deferred_action::yield;
  m.deferred_goroutine = &g;
  switch_away(m, g, next, false);
  if (g.blocking_depth != 0) [[unlikely]]
    step_aside(*current_machine());
}

// give_way_current: a yield that is a fair turn: the network and the timers get a look as well.
void scheduler::give_way_current(machine& m) noexcept {
  if (m.p != nullptr) m.p->tick += fair_every - 1 - m.p->tick % fair_every;  // home_is_due adds one
  yield_current(m);
}

// operations_of_turn: what a goroutine may do between two parks before it gives way.
std::uint32_t scheduler::operations_of_turn(machine& m) noexcept {
  if (m.owner->modes_.yield) [[unlikely]]
    return m.owner->simulation_ != nullptr ? 1 : 2 + static_cast<std::uint32_t>(m.random() >> 62);
  return operations_max;
}

[[gnu::noinline]] void give_way(machine& m) noexcept {
  m.operations_left = scheduler::operations_of_turn(m);
  if (m.owner->simulation_ != nullptr) [[unlikely]]
    return m.owner->simulate_operation(m);
  scheduler::give_way_current(m);
}

stack::stack* scheduler::take_stack(machine& m, std::size_t size) noexcept {
  if (size == default_stack_size && m.p != nullptr && m.p->stack_count > 0)
    return m.p->stacks[--m.p->stack_count];
  stack::stack* s = stack::allocate(*stacks_, size);
  if (s == nullptr) base::fatal("runtime: out of memory for goroutine stacks");
  return s;
}

void scheduler::give_stack(machine& m, stack::stack* s) noexcept {
  if (m.p != nullptr && s->slot_size == default_stack_size && m.p->stack_count < stack_cache_max) {
    m.p->stacks[m.p->stack_count++] = s;
    return;
  }
  stack::release(*stacks_, s);
}

// release_ended: the record of a goroutine that has ended becomes free.
void scheduler::release_ended(machine& m, goroutine& g) noexcept {
  if (cancel_source* inherited = g.inherited) {
    g.inherited = nullptr;
    inherited->release();
  }
  if (g.labels != nullptr) [[unlikely]] {
    g.labels.get()->release();
    g.labels = nullptr;
  }
  g.to_idle();
  // relaxed load: only this machine writes it. release: who counts the end counts the start, which
  // another machine may have noted (living_locked).
  m.ended.store(m.ended.load(base::relaxed) + 1, base::release);
  if (arch::sanitizer::apart) return;  // the next one's closure would be written over this one's
  if (m.p != nullptr && m.p->free_record_count < record_cache_max) {
    g.link = m.p->free_records;
    m.p->free_records = &g;
    ++m.p->free_record_count;
    return;
  }
  g.link = nullptr;
  pool_.give(&g, &g, 1);
}

}  // namespace weft::sched
