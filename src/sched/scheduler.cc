// scheduler: who runs what, who looks where, who sleeps, who is woken.
//
// The problem. Ready goroutines should run at once on some processor; a processor without work
// should cost nothing; and no goroutine may be left behind by a machine that falls asleep at the
// very moment it is queued.
//
// The rule (Go's). A machine that runs out of work looks around for a while ("spinning": at most
// half as many as processors are busy) and then gives its processor back and sleeps. A submitter
// wakes a sleeper only if there is an idle processor and nobody spins: the spinner will find the
// work. So the last spinner to find work must see to the rest.
//
// No lost wake-up
//   submitter: push; [full barrier]; read idle_count_ and spinning_;
//              wake if idle > 0 and spinning == 0
//   sleeper:   give the processor back (idle_count_ up), spinning_ down; [full barrier];
//              read all queues
// Both sides write, then read what the other wrote, with sequentially consistent operations: at
// least one sees the other. Three more owe a look, because others may have relied on them:
//   a spinner that found work: spinning_ down; [full barrier]; if work is visible, or nobody
//              watches the poller: wake another
//   a waker that found no processor after all: spinning_ down; [full barrier]; idle_count_ again
//   who moves work from queue to queue: a sleeper may have missed it on its way; it wakes as one
//              who pushes
//
// Who watches the poller and the timers: one machine sleeps in the poller (polling_), with the
// earliest timer of all processors as its timeout (sleep_until_). It holds no processor. Who arms a
// timer earlier than that wakes it; who starts a wait for a descriptor or a timer while nobody
// watches and a processor idles, wakes a processor, which will find nothing and go to the poller.
//   armer:     write the heap's earliest; [full barrier]; read sleep_until_;
//              wake the poller if ours is earlier
//   sleeper:   write sleep_until_ = never; [full barrier]; read every heap's earliest;
//              sleep until then
//
// I1  A processor is held by one machine, or stands in idle_processors_, or is being handed over.
// I2  spinning_ counts the machines with spinning set, and wakers between two steps; a machine
//     spins only while it holds a processor.
// I3  At most one machine is in the poller with a timeout other than 0 (polling_); it stays there
//     until what it brought is queued.
// I4  With all processors idle nobody runs a goroutine but those that out_ counts: in blocking(),
//     or taken from by the monitor (monitor.cc). Only who has set polling_, or is counted by out_,
//     or a thread that is no machine, can hold one that is ready.
//
// The only one. Two goroutines that take turns have one of them queued all the time. Whoever stole
// it would tear them apart: each turn would then cost a wake-up and cold caches; and whoever
// looked, left it and went to sleep would be woken by the next push, a futex and an interrupt every
// few microseconds. So who finds no more than one goroutine with somebody sleeps for lone_nap_ns,
// spinning still, so that no push wakes another meanwhile, and leaves it if many parked there in
// that time: their turns are shorter than a wake-up (short_turns). Those who merely yield do not
// need each other. It naps once, then looks everywhere again. Go naps as well, for its runnext, and
// then takes what it finds there.
//
// Rejected. A wake-up for every push: measured elsewhere at 30 to 60% of a server's time. A spinner
// always waking another when it finds work (Go): we wake only for work that is there to be seen.
//
// Tests: scheduler_test.cc, tests/model/sleep.pml (verifies; fails without either barrier),
// tests/model/yield.pml (who goes on with another goroutine, and tells nobody).

#include "sched/scheduler.h"

#include <weft/go.h>

#include <algorithm>
#include <array>

#include "sched/environment.h"
#include "sched/trace.h"

namespace weft::sched {
namespace {

constexpr std::size_t global_batch_max = 128;
// A thread that is just ending spoils the proof of a deadlock: looks_max more looks, each after
// twice the time.
constexpr std::int64_t next_look_ns = 50'000'000;
constexpr int looks_max = 6;
constexpr std::size_t migrate_scan_max = 256;
constexpr int steal_passes = 4;
constexpr std::size_t completions_max = 128;
// lone_nap_ns: how long the only goroutine that somebody else has queued is left to him at least.
constexpr std::int64_t lone_nap_ns = 50'000;
// short_turns_min: this many in a nap are 5 us each, about what it costs to wake a thread.
constexpr std::uint64_t short_turns_min = 10;
// idle_machine_ns: after which a machine ends that nobody needed.
constexpr std::int64_t idle_machine_ns = 5'000'000'000;
constexpr std::int64_t idle_machine_retake_ns = 500'000;  // of the test mode

}  // namespace

// -- queues --

// queue_here: a goroutine that is runnable and belongs to this machine's flow of work.
void scheduler::queue_here(machine& m, goroutine& g) noexcept {
  if (m.p == nullptr || modes_.migrate) {
    push_global(g);
  } else {
    push_young(m, g);
  }
  wake_processor();  // the machine runs another one now, perhaps for long
}

// push_young: when the queue is full, its older half goes to the global queue.
void scheduler::push_young(machine& m, goroutine& g) noexcept {
  if (g.priority != priority::normal) [[unlikely]]
    return push_by_priority(g);
  while (!m.p->young.try_push(&g)) {
    waiter* first = nullptr;
    waiter* last = nullptr;
    std::size_t n = 0;
    for (; n < run_queue_capacity / 2; ++n) {
      goroutine* old = m.p->young.take_oldest();
      if (old == nullptr) break;
      old->link = nullptr;
      (last == nullptr ? first : last->link) = old;
      last = old;
    }
    if (n > 0) push_global_list(first, last, n);
  }
}

void scheduler::push_root(machine& m, goroutine& g) noexcept {
  if (g.priority != priority::normal) [[unlikely]]
    return push_by_priority(g);
  if (m.p == nullptr || modes_.migrate || !m.p->roots.try_push(&g)) push_global(g);
}

void scheduler::push_global(goroutine& g) noexcept {
  if (g.priority != priority::normal) [[unlikely]]
    return push_by_priority(g);
  g.link = nullptr;
  push_global_list(&g, &g, 1);
}

void scheduler::push_global_list(waiter* first, waiter* last, std::size_t count) noexcept {
  base::locked hold(lock_);
  (global_last_ == nullptr ? global_first_ : global_last_->link) = first;
  global_last_ = last;
  // seq_cst: the submitter's write, before its look at idle_count_ and spinning_.
  global_size_.fetch_add(count, base::seq_cst);
}

// pop_global_locked: the oldest. In the mode that migrates: the oldest that this machine did not
// run last, unless a long row of them stands before it.
goroutine* scheduler::pop_global_locked(const machine* taker) noexcept {
  waiter* before = nullptr;
  waiter* w = global_first_;
  if (modes_.migrate) {
    for (std::size_t i = 0; w != nullptr && static_cast<goroutine*>(w)->last_machine == taker;
         ++i) {
      if (i == migrate_scan_max) {
        before = nullptr;
        w = global_first_;
        break;
      }
      before = w;
      w = w->link;
    }
  }
  if (w == nullptr) return nullptr;
  (before == nullptr ? global_first_ : before->link) = w->link;
  if (global_last_ == w) global_last_ = before;
  global_size_.fetch_sub(
      1, base::relaxed);  // relaxed: under lock_; a stale larger size only costs a look
  w->link = nullptr;
  return static_cast<goroutine*>(w);
}

// take_global: one to run, and up to `max` - 1 more into the roots.
goroutine* scheduler::take_global(machine& m, std::size_t max) noexcept {
  // seq_cst: the sleeper's read (see "no lost wake-up").
  const auto size = global_size_.load(base::seq_cst);
  if (size == 0) return nullptr;
  const std::size_t share = std::min({max, size / processors_.size() + 1, global_batch_max});
  base::locked hold(lock_);
  goroutine* first = pop_global_locked(&m);
  for (std::size_t i = 1; first != nullptr && i < share; ++i) {
    goroutine* g = pop_global_locked(&m);
    if (g == nullptr) break;
    __builtin_prefetch(global_first_);  // whose link comes next
    if (m.p->roots.try_push(g)) continue;
    g->link = global_first_;  // no room: back to where it was
    global_first_ = g;
    if (global_last_ == nullptr) global_last_ = g;
    global_size_.fetch_add(1, base::relaxed);  // relaxed: as above
    break;
  }
  return first;
}

// work_visible: whether any queue holds something. The reads are the sleeper's half of "no lost
// wake-up".
bool scheduler::work_visible() const noexcept {
  return shared_work_visible() || local_work_visible();
}

bool scheduler::local_work_visible() const noexcept {
  return std::any_of(processors_.begin(), processors_.end(),
                     [](const auto& p) { return p->young.size() > 0 || p->roots.size() > 0; });
}

// -- processors and machines --

processor* scheduler::take_idle_processor() noexcept {
  if (idle_count_.load(base::seq_cst) == 0) return nullptr;
  processor* p = nullptr;
  bool last = false;
  {
    base::locked hold(lock_);
    p = idle_processors_;
    if (p == nullptr) return nullptr;
    idle_processors_ = p->next_idle;
    ++processors_taken_;
    last = idle_count_.fetch_sub(1, base::seq_cst) == 1;
  }
  if (last) tell_monitor();
  return p;
}

void scheduler::put_idle_processor(processor& p) noexcept {
  base::locked hold(lock_);
  p.next_idle = idle_processors_;
  idle_processors_ = &p;
  // seq_cst: the sleeper's write, before it reads the queues.
  idle_count_.fetch_add(1, base::seq_cst);
}

void scheduler::start_spinning(machine& m) noexcept {
  m.spinning = true;
  spinning_.fetch_add(1, base::seq_cst);  // seq_cst: read by submitters after their push
}

// stop_spinning: found work. What other submitters left to us because we spun is seen to now.
void scheduler::stop_spinning(machine& m) noexcept {
  m.spinning = false;
  // relaxed: a count that decides nothing.
  if (looks_.load(base::relaxed) != 0) looks_.store(0, base::relaxed);
  spinning_.fetch_sub(1,
                      base::seq_cst);  // seq_cst: our write, before work_visible() reads the queues
  if (work_visible() || !watched()) wake_processor();
}

bool scheduler::nothing_awaited() const noexcept {
  return poller_->pending_count() == 0 && earliest_timer() == none_due;
}

void scheduler::ensure_watched() noexcept {
  if (!polling_.load(base::seq_cst)) wake_processor();
}

// wake_processor: the submitter's half: one more machine goes looking, unless one does already or
// all are busy.
void scheduler::wake_processor() noexcept {
  // Again after a processor was taken from under our hands: whoever pushed meanwhile saw somebody
  // spin, and there was nobody. Each round finds a processor that went idle since the last.
  for (;;) {
    if (idle_count_.load(base::seq_cst) == 0) {
      tell_monitor();
      return;
    }
    if (simulation_ != nullptr) [[unlikely]] {
      poller_->wake();  // its only machine is there, or about to be
      return;
    }
    std::uint32_t none = 0;
    // seq_cst: as in the rule above; only one of many submitters wakes a spinner.
    if (!spinning_.compare_exchange_strong(none, 1, base::seq_cst, base::seq_cst)) return;
    if (processor* p = take_idle_processor()) {
      start_machine(*p, true);
      return;
    }
    spinning_.fetch_sub(1, base::seq_cst);  // seq_cst: our write, before we read idle_count_ again
  }
}

void scheduler::start_machine(processor& p, bool spinning) noexcept {
  machine* m = nullptr;
  {
    base::locked hold(lock_);
    m = idle_machines_;
    if (m != nullptr) idle_machines_ = m->next_idle;
  }
  if (m == nullptr) m = new_machine();
  m->handed = &p;
  m->handed_spinning = spinning;
  wake_machine(*m);
}

void scheduler::wake_machine(machine& m) noexcept {
  // release: publishes handed and handed_spinning; pairs with the load in sleep_machine().
  m.awake.store(1, base::release);
  base::futex_wake(m.awake, 1);
}

void scheduler::sleep_machine(machine& m) noexcept {
  {
    base::locked hold(lock_);
    if (stopping()) return;
    m.next_idle = idle_machines_;
    idle_machines_ = &m;
  }
  // The machine in the poller proves a deadlock, since only it can have events in its hands.
  if (looks_dead()) poller_->wake();
  const std::int64_t patience = modes_.retake ? idle_machine_retake_ns : idle_machine_ns;
  const std::int64_t until = now_ns() + patience;
  bool in_reserve = false;
  while (m.awake.load(base::acquire) == 0) {
    const auto now = now_ns();
    if (in_reserve) {
      base::futex_wait(m.awake, 0);
    } else if (now < until) {
      base::futex_wait(m.awake, 0, until - now);
    } else if (retire(m)) {
      return;
    } else {
      in_reserve = true;
    }
  }
  take_handed(m);
}

// retire: for a machine that nobody needed for long: true when it is out of the list of those that
// are woken, and ends. False for the last of them, which stays in reserve, and for one that
// somebody is about to wake.
bool scheduler::retire(machine& m) noexcept {
  const base::locked hold(lock_);
  if (idle_machines_ == nullptr || idle_machines_->next_idle == nullptr) return false;
  for (machine** at = &idle_machines_; *at != nullptr; at = &(*at)->next_idle) {
    if (*at != &m) continue;
    *at = m.next_idle;
    m.ends = true;
    ++machines_ended_;
    return true;
  }
  return false;
}

void scheduler::take_handed(machine& m) noexcept {
  m.awake.store(
      0, base::relaxed);  // relaxed: nobody wakes us again before we are back in the idle list
  m.hold(std::exchange(m.handed, nullptr));
  m.spinning = std::exchange(m.handed_spinning, false);
}

// -- looking for work --

void scheduler::machine_loop(machine& m) noexcept {
  while (goroutine* g = find_runnable(m)) {
    if (m.spinning) {
      stop_spinning(m);
    } else if (m.p->young.size() > 0 || m.p->roots.size() > 0) {
      // Taken from the global queue, the poller or a timer without telling anybody.
      wake_processor();
    }
    if (g->locked_to != nullptr && g->locked_to != &m) [[unlikely]] {
      ++m.p->tick;  // a dispatch like any other
      hand_to_its_machine(m, *g);
      continue;
    }
    run_from_home(m, *g);
    if (m.taken || m.worn) [[unlikely]]
      come_home(m);
    if (m.ends) [[unlikely]] {
      WEFT_ASSERT(m.handover == nullptr, "a machine ended with a goroutine in hand");
      leave_processor(m);
      return;
    }
  }
}

goroutine* scheduler::find_runnable(machine& m) noexcept {
  while (!stopping() && !m.ends) {
    if (m.locked != nullptr) [[unlikely]]
      return await_own(m);
    if (m.handover != nullptr) [[unlikely]]
      return std::exchange(m.handover, nullptr);
    if (m.p == nullptr) {
      rest(m);
      continue;
    }
    if (m.p->timers.earliest() != none_due) run_timers(m, *m.p, now_ns());
    if (fair_turn_due(*m.p)) {
      if (goroutine* g = fair_turn(m)) return g;
      if (modes_.migrate && global_size_.load(base::seq_cst) > 0) [[unlikely]] {
        go_idle(m);  // what is there may be ours, and others are never out of work
        continue;
      }
    }
    if (goroutine* g = pick_queued(m)) return g;
    if (goroutine* g = pick_queued(m)) return g;  // the first one may only have renewed the budget
    if (goroutine* g = look_outside(m)) return g;
    go_idle(m);
  }
  return nullptr;
}

// fair_turn: every 61st dispatch, who waits longest: the network, the background when it is due,
// the global queue, the oldest of young, and of the roots if who has high priority might keep them
// out. Each second time these are not passed over: of one that always gives way, each turn is fair.
goroutine* scheduler::fair_turn(machine& m) noexcept {
  ++m.p->tick;
  poll_now(m);
  // relaxed: a hint, as in pick_queued().
  if (high_.size.load(base::relaxed) > 0) {
    m.p->passed_over = !m.p->passed_over;
    goroutine* g = m.p->passed_over ? nullptr : take_from_queue(high_);
    if (g != nullptr) return g;
  }
  if (background_due()) [[unlikely]] {
    if (goroutine* g = take_from_queue(background_)) return g;
  }
  if (goroutine* g = take_global(m, 1)) return g;
  if (goroutine* g = m.p->young.take_oldest()) return g;
  // relaxed: a hint, as in pick_queued().
  return high_.size.load(base::relaxed) > 0 ? m.p->roots.take() : nullptr;
}

// look_outside: global queue, network, other processors, and what is in the background.
goroutine* scheduler::look_outside(machine& m) noexcept {
  if (goroutine* g = take_global(m, global_batch_max)) return g;
  if (poll_now(m)) {
    if (goroutine* g = m.p->roots.take()) return g;
  }
  if (may_steal(m)) {
    if (!m.spinning) start_spinning(m);
    if (goroutine* g = steal(m)) return g;
  }
  return take_from_queue(background_);
}

bool scheduler::may_steal(const machine& m) const noexcept {
  if (processors_.size() == 1) return false;
  // relaxed: a bound on eagerness only.
  const auto busy = max_procs() - idle_count_.load(base::relaxed);
  return m.spinning || 2 * spinning_.load(base::relaxed) < busy;
}

goroutine* scheduler::steal(machine& m) noexcept {
  const auto n = processors_.size();
  for (int pass = 0; pass < steal_passes; ++pass) {
    const bool last_pass = pass == steal_passes - 1;
    bool may_nap = last_pass;
    const auto start = static_cast<std::size_t>(m.random()) % n;
    for (std::size_t i = 0; i < n; ++i) {
      if (stopping()) return nullptr;
      processor& victim = *processors_[(start + i) % n];
      if (last_pass && victim.timers.earliest() != none_due) {
        run_timers(m, victim, now_ns());
        if (goroutine* g = m.p->roots.take()) return g;
      }
      if (&victim == m.p) continue;
      if (goroutine* g = steal_from(m, victim, may_nap)) {
        m.steals.bump();
        return g;
      }
    }
  }
  return nullptr;
}

// short_turns: whether many park or end, in the time that we sleep, on the machine that holds the
// processor.
bool scheduler::short_turns(const processor& p) noexcept {
  const auto turns = [&p]() -> std::uint64_t {
    const machine* holder = p.holder.load(base::acquire);
    if (holder == nullptr) return 0;
    // relaxed: a count.
    return holder->parks + static_cast<std::uint64_t>(holder->ended.load(base::relaxed));
  };
  const auto before = turns();
  base::atomic<std::uint32_t> never{0};
  base::futex_wait(never, 0, lone_nap_ns);
  return turns() - before >= short_turns_min;
}

// steal_from: the older half of what the victim has: one to run, the rest into our roots. The only
// one it has is taken where may_nap, and only from turns that are long.
goroutine* scheduler::steal_from(machine& m, processor& victim, bool& may_nap) noexcept {
  bool contended = false;
  const auto take = [&]() -> goroutine* {
    if (goroutine* g = victim.roots.take(&contended)) return g;
    return victim.young.take_oldest(&contended);
  };
  const auto queued = victim.roots.size() + victim.young.size();
  if (queued == 0) return nullptr;
  if (queued == 1 && (!std::exchange(may_nap, false) || short_turns(victim))) return nullptr;
  const auto half = (victim.roots.size() + victim.young.size()) / 2;
  goroutine* first = take();
  for (std::uint32_t i = 1; first != nullptr && i < half; ++i) {
    goroutine* g = take();
    if (g == nullptr) break;
    push_root(m, *g);
  }
  return first;
}

// go_idle: gives the processor back and sleeps, unless work turns up at the last look.
void scheduler::go_idle(machine& m) noexcept {
  processor& p = *m.p;
  m.p = nullptr;
  put_idle_processor(p);
  if (m.spinning) {
    m.spinning = false;
    spinning_.fetch_sub(1, base::seq_cst);  // seq_cst: our write, before work_visible() reads
  }
  if (modes_.migrate && global_size_.load(base::seq_cst) > 0) {
    wake_processor();  // what is there may be ours, which another machine must run
  } else if (work_visible()) {
    m.hold(take_idle_processor());
    if (m.p != nullptr) {
      start_spinning(m);
      return;
    }
  }
  rest(m);
}

// rest: a machine without a processor sleeps: in the poller if nobody does, else until it is handed
// a processor.
void scheduler::rest(machine& m) noexcept {
  if (!polling_.exchange(true, base::seq_cst)) {
    sleep_in_poller(m);
  } else {
    sleep_machine(m);
  }
}

std::int64_t scheduler::earliest_timer() const noexcept {
  std::int64_t earliest = none_due;
  for (const auto& p : processors_) earliest = std::min(earliest, p->timers.earliest());
  return earliest;
}

void scheduler::sleep_in_poller(machine& m) noexcept {
  if (simulation_ != nullptr) [[unlikely]]
    return simulate_idle(m);
  // seq_cst: "asleep for ever" is visible before we read the heaps; who arms after our read wakes
  // us.
  sleep_until_.store(none_due, base::seq_cst);
  const auto until = earliest_timer();
  sleep_until_.store(until, base::seq_cst);
  std::int64_t timeout = until == none_due ? -1 : std::max<std::int64_t>(0, until - now_ns());
  // relaxed: a count that decides nothing.
  if (until == none_due && check_deadlock() && looks_.load(base::relaxed) < looks_max)
    timeout = next_look_ns << looks_.fetch_add(1, base::relaxed);
  timeout = trim(timeout);
  if (stopping()) timeout = 0;
  std::array<poll::completion, completions_max> done;
  const auto n = poller_->wait(done, timeout);
  m.polls.bump();
  sleep_until_.store(0, base::seq_cst);  // nobody sleeps: armers need not wake
  // A processor first: then no moment exists in which all idle while events are in our hands.
  m.hold(take_idle_processor());
  if (m.p == nullptr) m.hold(take_marked());
  if (m.p != nullptr) start_spinning(m);
  deliver(m, {done.data(), n});
  // Without a processor nobody else may look at the timers before the busy ones do: what is due
  // goes to the global queue.
  if (m.p == nullptr && until != none_due) {
    const auto now = now_ns();
    for (const auto& p : processors_) run_timers(m, *p, now);
  }
  // Last: without a processor, only this tells the deadlock check that something is in our hands.
  // seq_cst: the write of who leaves; from here on we look ourselves whether somebody watches.
  polling_.store(false, base::seq_cst);
}

// trim: by who is about to sleep for `timeout`, and has nothing else to do: gives back stacks and
// records that were needed once and are no more. How long until it has to be done again, or
// timeout.
std::int64_t scheduler::trim(std::int64_t timeout) noexcept {
  const auto now = coarse_now_ns();
  const auto again_at = std::min(stack::trim(*stacks_, now), pool_.trim(now));
  if (again_at == stack::trim_never) return timeout;
  const auto wait = std::max<std::int64_t>(0, again_at - coarse_now_ns());
  return timeout < 0 ? wait : std::min(timeout, wait);
}

bool scheduler::poll_now(machine& m) noexcept {
  if (poller_->pending_count() == 0) return false;
  std::array<poll::completion, completions_max> done;
  const auto n = poller_->wait(done, 0);
  m.polls.bump();
  deliver(m, {done.data(), n});
  return n > 0;
}

// deliver: claims the waiters of completed operations and queues them, first in, first out.
void scheduler::deliver(machine& m, std::span<poll::completion> done) noexcept {
  wake_list woken;
  for (const auto& c : done)
    woken.claim(*static_cast<waiter*>(c.who.who), c.who.ticket, token_ready);
  queue_woken(m, woken, trace::source::network);
}

void scheduler::run_timers(machine& m, processor& of, std::int64_t now) noexcept {
  if (of.timers.earliest() > now) return;
  wake_list woken;
  counter& due = m.owner != nullptr ? m.timers : monitor_timers_;
  due.add(of.timers.run_due(now, woken));
  queue_woken(m, woken, trace::source::timer);
}

// may_go_first: takes one of those that may, while blocking calls recur.
bool scheduler::may_go_first() noexcept {
  // relaxed, all: a hint; a few more than that do no harm.
  const int left = first_left_.load(base::relaxed);
  if (left <= 0) return false;
  first_left_.store(left - 1, base::relaxed);
  return true;
}

// queue_woken: what came from outside goes to the roots, or before all others if the monitor brings
// it, or blocking calls recur (monitor.cc); more than one is reason to wake another processor.
void scheduler::queue_woken(machine& m, wake_list& woken, trace::source by) noexcept {
  std::size_t queued = 0;
  while (waiter* w = woken.take()) {
    if (w->is_thread() || static_cast<goroutine*>(w)->owner != this) {
      ready(*w);
      continue;
    }
    trace::readied(*static_cast<goroutine*>(w), by);
    if (m.owner == nullptr || may_go_first()) [[unlikely]] {
      push_first(*static_cast<goroutine*>(w));
    } else {
      push_root(m, *static_cast<goroutine*>(w));
    }
    if (m.owner == nullptr) end_visit();  // the monitor's, who is no machine of ours
    ++queued;
  }
  if (queued > 1 || (queued == 1 && (m.p == nullptr || modes_.migrate))) wake_processor();
}

// make_runnable: the visit of a caller who is none of ours ends here (wake_list.h, I1).
void scheduler::make_runnable(goroutine& g) noexcept {
  trace::readied(g, trace::source::caller);
  machine* m = current_machine();
  const bool ours = m != nullptr && m->owner == this;
  // seq_cst: behind the visit's count; either we see the end, or the end sees us (stop_all).
  if (!ours && stopping_.load(base::seq_cst)) {
    end_visit();
    return;
  }
  if (ours && m->p != nullptr && !modes_.migrate) {
    push_young(*m, g);
  } else {
    push_global(g);
  }
  wake_processor();
  if (!ours) end_visit();
}

void scheduler::arm_timer(timer& t, std::int64_t when_ns) noexcept {
  machine* m = current_machine();
  timer_heap& heap =
      m != nullptr && m->owner == this && m->p != nullptr
          ? m->p->timers
          : processors_[next_heap_.fetch_add(1, base::relaxed) % processors_.size()]->timers;
  if (!heap.arm(t, when_ns)) return;
  // seq_cst: the armer's read, after the heap's earliest was written (timer.h, I3).
  const auto until = sleep_until_.load(base::seq_cst);
  if (until == 0) {
    ensure_watched();
  } else if (when_ns < until) {
    poller_->wake();
  }
}

std::int64_t scheduler::goroutine_count() const noexcept {
  const base::locked hold(lock_);
  return living_locked();
}

// living_locked: who ended first, then who started: the sum may be behind, but never misses one
// that lives.
std::int64_t scheduler::living_locked() const noexcept {
  std::int64_t n = 0;
  // acquire: pairs with the store in release_ended(): the start of who ended is counted below.
  for (const auto& m : machines_) n -= m->ended.load(base::acquire);
  // relaxed: ordered by the loads above.
  for (const auto& m : machines_) n += m->spawned.load(base::relaxed);
  return n + spawned_outside_.load(base::relaxed);
}

}  // namespace weft::sched
