// priority: who of those that are ready goes first.
//
// Goroutines of high priority, and those in the background, stand in queues of the scheduler, first
// in, first out, whoever makes them ready; those of normal priority, nearly all, never come here.
//   high        is looked at before each dispatch: one load of a line that nobody writes while
//               nobody uses it
//   background  is looked at when a machine finds nothing else, before it goes idle
// Nobody starves: each second fair turn (dispatch.cc) passes high over, and each takes from the
// background when that is due: its last turn was background_turn_ns ago. The monitor lets what is
// in the background count as work that waits only then, so that computations are not taken from for
// its sake.
//
// Rejected. Queues by priority on each processor: more to look at and to steal from, for everybody.
// Ages of goroutines: a turn for the oldest now and then is the same, without a clock at each push.
//
// Tests: sync/priority_test.cc.

#include <weft/go.h>

#include <utility>

#include "sched/environment.h"
#include "sched/scheduler.h"

namespace weft::sched {
namespace {

constexpr std::int64_t background_turn_ns = 100'000'000;

}  // namespace

void scheduler::push_by_priority(goroutine& g) noexcept {
  push_to(g.priority == priority::high ? high_ : background_, g);
}

// push_first: for who has waited longer than it should (monitor.cc).
void scheduler::push_first(goroutine& g) noexcept {
  push_to(g.priority == priority::background ? background_ : high_, g);
}

void scheduler::push_to(priority_queue& q, goroutine& g) noexcept {
  g.link = nullptr;
  const base::locked hold(lock_);
  if (&q == &background_ && q.first == nullptr)
    background_since_.store(coarse_now_ns(), base::relaxed);  // relaxed: a hint
  (q.first == nullptr ? q.first : q.last->link) = &g;
  q.last = &g;
  // seq_cst: the submitter's write, before its look at idle_count_ and spinning_ (scheduler.cc).
  q.size.fetch_add(1, base::seq_cst);
}

goroutine* scheduler::take_from_queue(priority_queue& of) noexcept {
  if (simulation_ != nullptr) [[unlikely]]
    return take_simulated();
  // seq_cst: the sleeper's read.
  if (of.size.load(base::seq_cst) == 0) return nullptr;
  const base::locked hold(lock_);
  waiter* w = of.first;
  if (w == nullptr) return nullptr;
  of.first = std::exchange(w->link, nullptr);
  of.size.fetch_sub(1, base::relaxed);  // relaxed: under lock_; a stale larger size costs a look
  if (&of == &background_)
    background_since_.store(coarse_now_ns(), base::relaxed);  // relaxed: a hint
  return static_cast<goroutine*>(w);
}

// background_due: whether the background waits for a turn for long.
bool scheduler::background_due() const noexcept {
  // relaxed, twice: hints.
  return background_.size.load(base::relaxed) > 0 &&
         coarse_now_ns() - background_since_.load(base::relaxed) >= background_turn_ns;
}

// pressing_work_visible: work that is worth taking a processor for.
bool scheduler::pressing_work_visible() const noexcept {
  return global_size_.load(base::seq_cst) > 0 || high_.size.load(base::seq_cst) > 0 ||
         local_work_visible() || background_due();
}

}  // namespace weft::sched
