// spawn: making goroutines. `go` only queues: it never switches and never migrates its caller.

#include "sched/labels.h"
#include "sched/scheduler.h"
#include "sched/simulation.h"
#include "sched/trace.h"

namespace weft::sched {
namespace {

constexpr std::size_t record_batch = 64;
constexpr std::uint64_t id_batch = 16;

}  // namespace

goroutine* scheduler::take_record(machine* m) {
  if (m == nullptr || m->p == nullptr) return pool_.take(1);
  processor& p = *m->p;
  if (p.free_records == nullptr) {
    p.free_records = pool_.take(record_batch);
    for (waiter* w = p.free_records; w != nullptr; w = w->link) ++p.free_record_count;
  }
  waiter* first = p.free_records;
  WEFT_ASSERT(first != nullptr, "the pool gives what it is asked for");
  p.free_records = first->link;
  --p.free_record_count;
  return static_cast<goroutine*>(first);
}

std::uint64_t scheduler::take_id(machine* m) noexcept {
  // relaxed: only uniqueness matters.
  if (m == nullptr) return next_id_.fetch_add(1, base::relaxed);
  if (m->next_id == m->end_id) {
    m->next_id = next_id_.fetch_add(id_batch, base::relaxed);
    m->end_id = m->next_id + id_batch;
  }
  return m->next_id++;
}

goroutine* scheduler::make(const spawn_request& request) {
  machine* m = current_machine();
  if (m != nullptr && m->owner != this) m = nullptr;
  goroutine* g = take_record(m);
  g->owner = this;
  g->id = take_id(m);
  g->site_file = request.file;
  g->site_function = request.function;
  g->site_line = request.line;
  g->stack_size = request.stack_size == 0 ? default_stack_size : request.stack_size;
  g->priority = simulation_ == nullptr ? request.priority : simulated_priority;
  g->name = request.name;
  g->eh = {};
  g->throws_to = nullptr;
  g->rethrown = nullptr;
  g->blocking_depth = 0;
  g->last_machine = nullptr;
  g->reason = wait_reason::none;
  g->object = nullptr;
  g->since_ns = 0;
  const goroutine* parent = current_goroutine();
  g->inherited = parent != nullptr ? parent->inherited : nullptr;
  if (g->inherited != nullptr) g->inherited->retain();
  g->inherited_values = parent != nullptr ? parent->inherited_values : nullptr;
  if (g->inherited_values != nullptr) g->inherited_values->retain();
  if (parent != nullptr && parent->labels != nullptr) [[unlikely]]
    g->labels = parent->labels.get()->retain();
  return g;
}

void scheduler::start(goroutine& g) noexcept {
  machine* m = current_machine();
  g.to_runnable();
  arch::sanitizer::begin_apart(g.fiber);
  trace::spawned(g);
  if (m != nullptr && m->owner == this) {
    // relaxed: a counter that only this machine writes.
    m->spawned.store(m->spawned.load(base::relaxed) + 1, base::relaxed);
    if (m->p != nullptr) {
      push_young(*m, g);
      wake_processor();
      return;
    }
  } else {
    spawned_outside_.fetch_add(1, base::relaxed);  // relaxed: a counter
  }
  push_global(g);
  wake_processor();
}

}  // namespace weft::sched
