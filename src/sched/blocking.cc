// blocking: the mark that a goroutine is in a call that may block. It must cost next to nothing
// where nobody needs the processor meanwhile, so its end goes through no gate:
//
//   leaves:  marked_dispatch = 0; light barrier; read revoked: if set, the way through the gate
//   takes:   revoked = true; heavy barrier; read marked_dispatch: only if it is set, take
//
// One of them sees the other (as with the sequence, gate.h, I2): whoever has left with revoked not
// set keeps the processor. A mark that is set again in between is a call as well.
//
// Rejected: beginning without the gate too, by what the machine remembers of its processor since
// the last mark: an eighth less, for a second protocol.
//
// Tests: tests/model/mark.pml, sync/handoff_test.cc, and every suite with WEFT_TEST_MODE=retake.

#include <weft/go.h>

#include <utility>

#include "sched/gate.h"
#include "sched/scheduler.h"
#include "sched/trace.h"

namespace weft {
namespace sched {

// wanted: whether another machine should take `p` up: there is work, or nobody watches.
inline bool scheduler::wanted(const processor& p) const noexcept {
  return p.young.size() > 0 || p.roots.size() > 0 || shared_work_visible() || !watched();
}

// step_aside: what follows in blocking() may block. The processor stays until somebody needs it
// (take_marked), which is now if work waits or nobody watches.
void scheduler::step_aside(machine& m) noexcept {
  if (m.p == nullptr) return;
  if (!m.owner->wanted(*m.p)) [[likely]] {
    m.marked_dispatch = m.dispatches.get();
    return;
  }
  if (m.owner->simulation_ != nullptr) return;
  m.taken = true;
  // relaxed: the deadlock check reads it after it saw our processor idle, which happens after this.
  m.owner->out_.fetch_add(1, base::relaxed);
  m.owner->hand_off(*std::exchange(m.p, nullptr));
}

// hand_off: a processor whose machine goes to block: to another machine if it is wanted, else idle.
void scheduler::hand_off(processor& p) noexcept {
  handoffs_.fetch_add(1, base::relaxed);  // relaxed: a count
  if (wanted(p)) {
    start_machine(p, false);
    return;
  }
  put_idle_processor(p);
  // Who pushed, armed or left a wait pending before it could see the processor idle: we see it.
  if (work_visible() || !watched()) wake_processor();
}

inline void scheduler::begin_blocking(machine& before) noexcept {
  trace::blocking_begins(*before.current);
  machine& m = before.worn ? leave_worn(before) : before;
  step_aside(m);
}

// end_blocking: without the mark, or revoked.
void scheduler::end_blocking(machine& m) noexcept {
  m.marked_dispatch = 0;
  if (m.taken) take_again(m);
}

}  // namespace sched

namespace detail {

void enter_blocking() noexcept {
  sched::machine* here = sched::current_machine();
  if (here == nullptr || here->current->blocking_depth++ != 0) return;
  const sched::gate inside(here);
  sched::scheduler::begin_blocking(*here);
}

void leave_blocking() noexcept {
  sched::machine* here = sched::current_machine();
  if (here == nullptr || --here->current->blocking_depth != 0) return;
  sched::trace::blocking_ends(*here->current);
  if (here->marked_dispatch == here->dispatches) [[likely]] {
    here->marked_dispatch = 0;
    sched::light_barrier();
    // relaxed: as in enter_runtime().
    if (!here->revoked.load(base::relaxed)) [[likely]]
      return;
  }
  const sched::gate inside(here);
  sched::scheduler::end_blocking(*sched::current_machine());
}

}  // namespace detail
}  // namespace weft
