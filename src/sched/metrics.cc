// metrics: sums of what machines count for themselves, so that counting shares no cache line. A
// machine's record stays when its thread ends, and its counts with it: no sum ever falls.

#include <weft/metrics.h>

#include "sched/gate.h"
#include "sched/scheduler.h"

namespace weft {
namespace sched {

metrics scheduler::measure() const {
  metrics sum;
  sum.processors = processors_.size();
  sum.queued.reserve(processors_.size());
  for (const auto& p : processors_) sum.queued.push_back(p->young.size() + p->roots.size());
  std::uint64_t ended = 0;
  {
    const base::locked hold(lock_);
    // acquire: as in living_locked(): who has ended has been created.
    for (const auto& m : machines_)
      ended += static_cast<std::uint64_t>(m->ended.load(base::acquire));
    // relaxed from here on: counts.
    sum.created = static_cast<std::uint64_t>(spawned_outside_.load(base::relaxed));
    for (const auto& m : machines_) {
      sum.created += static_cast<std::uint64_t>(m->spawned.load(base::relaxed));
      sum.parks += m->parks;
      sum.yields += m->yields;
      sum.dispatches += m->dispatches;
      sum.steals += m->steals;
      sum.timers += m->timers;
      sum.polls += m->polls;
    }
    sum.machines = machines_.size() - machines_ended_;
  }
  sum.goroutines = sum.created - ended;
  sum.idle_processors = idle_count_.load(base::relaxed);
  sum.timers += monitor_timers_;
  sum.retakes = retakes_.load(base::relaxed);
  sum.handoffs = handoffs_.load(base::relaxed);
  sum.queued_globally = global_size_.load(base::relaxed);
  sum.queued_high = high_.size.load(base::relaxed);
  sum.queued_background = background_.size.load(base::relaxed);
  const auto stacks = stack::statistics_of(*stacks_);
  sum.stacks_in_use = stacks.in_use;
  sum.stacks_cached = stacks.cached;
  return sum;
}

}  // namespace sched

metrics read_metrics() {
  const sched::visit here;
  if (here.target() == nullptr) return {};
  const sched::gate inside;
  return here.target()->measure();
}

}  // namespace weft
