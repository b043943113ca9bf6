// thread_lock: a goroutine and a machine for each other alone.
//
// While a goroutine is locked, its machine runs nothing else: when it parks, yields or ends, the
// machine goes home, gives its processor away and sleeps on its own word (await_own), in no list
// that others are woken from. The goroutine is queued like any other. Whoever dispatches it gives
// its machine the processor instead of running it (hand_to_its_machine), and rests.
//
// I1  g.locked_to == &m exactly while m.locked == &g; both change on m, while g runs there.
// I2  Such a g is run by run_from_home() of m alone: who picks one elsewhere, without passing his
//     home, leaves it in handover and goes home (pick_for).
// I3  A bound machine picks nothing (home_is_due), so it never holds a locked goroutine of another.
// I4  m sleeps in await_own() until it is handed a processor, once for each time g is dispatched,
//     or the runtime ends (stop_all wakes all that are locked).
//
// The thread of a machine whose goroutine ends locked ends as well; the machine's record gets a new
// thread when one is needed.
//
// Threads inherit a good deal of the one that starts them: the signal mask, namespaces, affinity,
// the priority. So a locked machine, or one whose priority the monitor has lowered, lets another
// thread start them, which was made before the first of these.
//
// Rejected. Keeping the processor while the locked goroutine waits: one lock would idle a CPU. A
// separate way to wake locked goroutines: a queue is where fairness is decided.
//
// Tests: sync/thread_lock_test.cc.

#include "sched/thread_lock.h"

#include <weft/goroutine.h>

#include <utility>

#include "base/futex.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/scheduler.h"

namespace weft::sched {
namespace {

// start_request: lives in the frame of who asks.
struct start_request {
  void (*body)(void*);
  void* argument;
  int error = 0;
  start_request* next = nullptr;
  base::atomic<std::uint32_t> done{0};
};

base::lock<base::rank::leaf> requests_lock;
start_request* requests = nullptr;             // guarded by requests_lock
base::atomic<std::uint32_t> requests_made{0};  // a futex word: grows with each
base::atomic<bool> starter_exists{false};

[[noreturn]] void starter_thread(void*) noexcept {
  for (;;) {
    // acquire: pairs with the increment below; what is seen is in the list.
    const auto seen = requests_made.load(base::acquire);
    start_request* next = nullptr;
    {
      const base::locked hold(requests_lock);
      next = std::exchange(requests, nullptr);
    }
    if (next == nullptr) base::futex_wait(requests_made, seen);
    while (next != nullptr) {
      start_request& r = *std::exchange(next, next->next);
      r.error = start_thread(r.body, r.argument);
      // release: publishes the error. The last touch.
      r.done.store(1, base::release);
      base::futex_wake(r.done, 1);
    }
  }
}

}  // namespace

void have_thread_starter() noexcept {
  static const bool exists = start_thread([](void*) { starter_thread(nullptr); }, nullptr) == 0;
  // relaxed: a flag. Without the thread, others inherit what the locked one has.
  starter_exists.store(exists, base::relaxed);
}

bool thread_starter_runs() noexcept { return starter_exists.load(base::relaxed); }

int start_clean_thread(void (*body)(void*), void* argument) noexcept {
  const machine* here = current_machine();
  const bool clean = here == nullptr || !(here->bound() || here->worn);
  if (clean || !thread_starter_runs()) return start_thread(body, argument);
  start_request r{body, argument};
  {
    const base::locked hold(requests_lock);
    r.next = std::exchange(requests, &r);
  }
  // release: pairs with the load in starter_thread().
  requests_made.fetch_add(1, base::release);
  base::futex_wake(requests_made, 1);
  // acquire: pairs with the store there.
  while (r.done.load(base::acquire) == 0) base::futex_wait(r.done, 0);
  return r.error;
}

void scheduler::lock_current(machine& m) noexcept {
  goroutine& g = *m.current;
  if (g.locks++ != 0 || m.owner->simulation_ != nullptr) return;
  g.locked_to = &m;
  m.locked = &g;
}

void scheduler::unlock_current(machine& m) noexcept {
  goroutine& g = *m.current;
  if (--g.locks != 0) return;
  g.locked_to = nullptr;
  m.locked = nullptr;
}

// end_locked: the goroutine has ended with a lock that was kept.
void scheduler::end_locked(machine& m) noexcept {
  goroutine& g = *m.current;
  g.locks = 0;
  g.locked_to = nullptr;
  m.locked = nullptr;
  m.ends = true;
  const base::locked hold(m.owner->lock_);
  ++m.owner->machines_ended_;
}

// hand_to_its_machine: `g` was dispatched here, with our processor.
void scheduler::hand_to_its_machine(machine& m, goroutine& g) noexcept {
  machine& to = *g.locked_to.get();
  to.handed = std::exchange(m.p, nullptr);
  to.handed_spinning = false;
  wake_machine(to);
}

// leave_processor: a machine that looks for no work gives its processor away.
void scheduler::leave_processor(machine& m) noexcept {
  if (m.p != nullptr) hand_off(*std::exchange(m.p, nullptr));
  if (!looks_dead()) return;
  // As in sleep_machine(): the one in the poller proves it; there may be none yet.
  poller_->wake();
  // seq_cst: as in ensure_watched().
  if (!polling_.load(base::seq_cst)) wake_processor();
}

// await_own: the locked goroutine, when it can go on; null when the runtime ends.
goroutine* scheduler::await_own(machine& m) noexcept {
  leave_processor(m);
  // acquire: as in sleep_machine().
  while (m.awake.load(base::acquire) == 0) base::futex_wait(m.awake, 0);
  // Then it was stop_all() that woke us, and somebody may be handing us a processor still.
  if (stopping()) return nullptr;
  take_handed(m);
  return m.locked;
}

}  // namespace weft::sched

namespace weft {

lock_thread::lock_thread() noexcept {
  if (sched::current_goroutine() == nullptr) return;
  sched::have_thread_starter();
  const sched::gate inside;
  sched::scheduler::lock_current(*sched::current_machine());
}

lock_thread::~lock_thread() {
  if (kept_) return;
  const sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr) return;
  if (g->locks == 0) base::fatal("lock_thread: ended in another goroutine");
  const sched::gate inside;
  sched::scheduler::unlock_current(*sched::current_machine());
}

void lock_thread::keep() noexcept { kept_ = true; }

}  // namespace weft
