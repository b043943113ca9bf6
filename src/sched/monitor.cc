// monitor: nothing blocks anything. A goroutine may call what blocks, or compute, for as long as it
// likes: its processor goes to another machine, with all that is queued on it, and it costs the
// goroutine nothing.
//
// One thread a runtime looks at the machines from outside. A machine in user code has an even
// sequence (gate.h); what it does there is the kernel's knowledge. With work waiting behind it
//   blocked    it waits in a system call (proc(5): task/T/syscall), and did at the tick before, or
//              the same goroutine has been there for a slice, perhaps with a way inside in between:
//              its processor is taken. While that recurs the tick is shorter, and one look enough.
//              Where the kernel does not say, who was not inside for a slice is taken to wait;
//   computing  it has had a CPU for a slice, for the same goroutine: its processor is taken, and
//              its thread is worn: it gets a lower priority, holds no processor again (but for a
//              goroutine that is locked to it), and ends when the goroutine waits. Who computes is
//              not gone: the more go on like that, the longer the slice, so that threads do not
//              grow with the goroutines that compute.
// The clock on the wall tells neither from a thread that the kernel lets wait for a CPU. Who asks
// in a computation (checkpoint()) is told at the tick that sees it twice, and yields.
//
// blocking() marks its machine (blocking.cc), and leaves the processor where it is until somebody
// needs it: then the monitor, or who comes out of the poller with something in hand, takes it
// without asking the kernel. With work waiting already, or nobody in the poller, it is handed on at
// once.
//
// What is taken. revoked is written, one barrier made for all suspects, and m.seq read again: only
// if it is what it was is m.p read, and taken (I2 and I3 of gate.h; tests/model/handoff.pml). A
// machine that came in meanwhile keeps it; if its slice was over it finds itself revoked and gives
// its processor away there. The goroutine runs on, as on a plain thread (m.taken): what cannot wait
// works without a processor; what may wait takes an idle one, or is queued (take_again).
//
// When it ticks. Only while all processors are busy and something waits: a queue is not empty, a
// timer is armed, a descriptor is waited for. With an idle processor somebody sleeps in the poller,
// who sees all that (scheduler.cc). Else it rests, and who makes one of these true wakes it:
//   who leaves work:  push, arm, or take the last idle processor; [full barrier];
//                     read monitor_state_; wake
//   monitor:          write monitor_state_ = resting; [full barrier]; read all of these; sleep
// Machines that go from goroutine to goroutine look at timers and the network themselves. When none
// has for a slice, and only these are waited for, the monitor sleeps in the poller in their place.
//
// I1  Whoever holds a ready goroutine in hand and no processor is counted by out_ (scheduler.cc,
//     I4).
// I2  A processor is taken from a machine that waits for nothing in the runtime: its goroutine is
//     neither parked nor queued, and it holds no lock of ours but perhaps a pollable's, as plain
//     threads do.
// I3  Nobody clears what stop_all() revokes: the monitor has ended before, and who takes a marked
//     processor looks under the handoff lock whether the scheduler has stopped.
//
// What the clock and the network have. Where goroutines block or compute one after the other, a
// processor seldom comes to look, and who is queued behind all of them waits for all of them. So
// the monitor looks in its place, and whom it wakes goes first (priority.cc). While blocking calls
// recur, so do those whom machines wake from there, but no more than first_max for each call, so
// that they starve nobody: when 200 goroutines make their first call at once, a machine that is
// between two of them sees the timer in time, but the queue is 200 ticks long.
//
// Rejected. Signals (Go): a C library's system calls would fail with EINTR, and a signal may find
// the thread holding malloc's lock. A flag instead of the sequence: gate.h. A tick while anything
// runs: it would cost programs that only compute.
//
// Tests: sync/handoff_test.cc; every suite with WEFT_TEST_MODE=retake; tests/model/handoff.pml.

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/futex.h"
#include "sched/environment.h"
#include "sched/scheduler.h"
#include "sched/thread_lock.h"
#include "sched/trace.h"

namespace weft::sched {
namespace {

constexpr std::int64_t tick_ns = 1'000'000;
constexpr std::int64_t short_tick_ns = 100'000;
constexpr std::int64_t retake_tick_ns = 20'000;  // of the test mode
constexpr std::int64_t slice_ns = 10'000'000;
// recurs_ns: how long after the last one blocking calls are taken to recur.
constexpr std::int64_t recurs_ns = 5'000'000;
// first_max: those who go first, for each call that was found to block.
constexpr int first_max = 16;
// quiet_ticks: with nothing to watch, until it rests.
constexpr int quiet_ticks = 2;
constexpr std::size_t completions_max = 128;

// sighting: what was seen of a processor, and since when.
struct sighting {
  const machine* holder = nullptr;
  std::uint64_t dispatches = 0;
  std::uint64_t seq = 0;
  std::int64_t since_ns = 0;  // of this dispatch
  std::int64_t cpu_ns = 0;    // of the thread, then
  bool still = false;         // outside, and not inside since the sighting before
  bool same = false;          // the same goroutine as then
};

sighting look_at(const processor& p, const sighting& before, std::int64_t now) noexcept {
  sighting s;
  // acquire: the machine is whole; pairs with the store in hold().
  const machine* m = p.holder.load(base::acquire);
  if (m == nullptr) return s;
  s.holder = m;
  s.dispatches = m->dispatches;
  s.seq = m->seq.load(base::relaxed);  // relaxed: read again by take_from()
  s.same = before.holder == m && before.dispatches == s.dispatches;
  s.since_ns = s.same ? before.since_ns : now;
  s.cpu_ns = s.same ? before.cpu_ns : cpu_ns(m->cpu_clock);
  s.still = s.same && before.seq == s.seq && (s.seq & 1) == 0;
  return s;
}

}  // namespace

struct scheduler::suspect {
  processor* p;
  machine* m;
  std::uint64_t seq;
  std::uint64_t dispatch;
  bool computing;
  bool marked;
};

void scheduler::monitor_thread(void* raw) noexcept {
  auto& s = *static_cast<scheduler*>(raw);
  s.monitor_loop();
  auto& word = s.monitor_state_;
  // release: our last touch of the scheduler; pairs with the load in end_monitor().
  word.store(monitor_gone, base::release);
  base::futex_wake(word, 1);
}

void scheduler::end_monitor() noexcept {
  // seq_cst: as all writes of it; nobody else writes it any more.
  if (monitor_state_.exchange(monitor_ended, base::seq_cst) == monitor_attending) poller_->wake();
  base::futex_wake(monitor_state_, 1);
  // acquire: pairs with the store in monitor_thread().
  while (monitor_state_.load(base::acquire) != monitor_gone)
    base::futex_wait(monitor_state_, monitor_ended);
}

void scheduler::wake_monitor() noexcept {
  for (const auto from : {monitor_resting, monitor_attending}) {
    auto state = from;
    // seq_cst: as all writes of it.
    if (!monitor_state_.compare_exchange_strong(state, monitor_awake, base::seq_cst, base::seq_cst))
      continue;
    if (from == monitor_resting) {
      base::futex_wake(monitor_state_, 1);
    } else {
      poller_->wake();
    }
    return;
  }
}

bool scheduler::monitor_needed() const noexcept {
  // seq_cst: the monitor's half of "when it ticks".
  if (idle_count_.load(base::seq_cst) != 0) return false;
  return work_visible() || !watched();
}

void scheduler::monitor_rest() noexcept {
  auto state = monitor_awake;
  // seq_cst: before our look.
  if (!monitor_state_.compare_exchange_strong(state, monitor_resting, base::seq_cst, base::seq_cst))
    return;
  if (monitor_needed()) {
    wake_monitor();
    return;
  }
  // acquire: what was left for us before we were woken is visible; pairs with wake_monitor().
  while (monitor_state_.load(base::acquire) == monitor_resting)
    base::futex_wait(monitor_state_, monitor_resting);
}

void scheduler::monitor_loop() noexcept {
  std::vector<sighting> seen(processors_.size());
  std::vector<suspect> suspects;
  suspects.reserve(processors_.size());
  std::int64_t recurs_until = 0;
  bool was_blocked = false;  // somebody, at the tick before, however long ago that was
  int quiet = 0;
  const auto take_from_blocked = [&](processor& p, std::int64_t now) {
    recurs_until = now + recurs_ns;
    was_blocked = true;
    first_left_.store(first_max, base::relaxed);  // relaxed: a hint
    hand_off(p);
  };
  for (;;) {
    auto now = now_ns();
    const bool recurs = now < recurs_until;
    if (!recurs && !was_blocked) first_left_.store(0, base::relaxed);  // relaxed: a hint
    was_blocked = false;
    base::futex_wait(monitor_state_, monitor_awake,
                     modes_.retake ? retake_tick_ns : (recurs ? short_tick_ns : tick_ns));
    // acquire: pairs with the exchange in end_monitor().
    if (monitor_state_.load(base::acquire) == monitor_ended) return;
    if (!monitor_needed()) {
      if (++quiet < quiet_ticks) continue;
      quiet = 0;
      first_left_.store(0, base::relaxed);  // relaxed: a hint
      monitor_rest();
      if (!monitor_needed()) continue;
      std::fill(seen.begin(), seen.end(), sighting{});
    }
    quiet = 0;
    now = now_ns();
    if (processor* p = take_marked()) {
      take_from_blocked(*p, now);
    }
    bool all_stuck = true;       // nobody looks at the timers and the network
    bool all_stuck_long = true;  // and will not for a while
    for (std::size_t i = 0; i < seen.size(); ++i) {
      seen[i] = look_at(*processors_[i], seen[i], now);
      all_stuck = all_stuck && seen[i].same;
      all_stuck_long = all_stuck_long && seen[i].same && now - seen[i].since_ns >= slice_ns;
    }
    if (all_stuck || earliest_timer() <= now - tick_ns) bring_due();
    if (!pressing_work_visible() && !modes_.retake) {
      if (all_stuck_long) attend();
      continue;
    }
    // relaxed: a count.
    const std::int64_t slice = slice_ns * (1 + computing_.load(base::relaxed) / max_procs());
    suspects.clear();
    for (std::size_t i = 0; i < seen.size(); ++i) {
      const sighting& s = seen[i];
      if (s.holder == nullptr) continue;
      auto& m = const_cast<machine&>(*s.holder);
      if (s.same) m.asked_dispatch = s.dispatches;
      const bool computing =
          s.same && now - s.since_ns >= slice && cpu_ns(m.cpu_clock) - s.cpu_ns >= slice;
      const bool outside = (s.seq & 1) == 0;
      const bool long_since = s.same && now - s.since_ns >= slice_ns;
      const auto kernel_says =
          outside && (s.still || recurs || long_since) ? thread_blocks(m.thread_id) : blocks::no;
      const bool blocked =
          kernel_says == blocks::yes || (kernel_says == blocks::unknown && s.still && long_since);
      if (blocked || computing || (modes_.retake && outside))
        suspects.push_back(
            {processors_[i].get(), &m, s.seq, s.dispatches, computing && !blocked, false});
    }
    if (suspects.empty()) continue;
    if (std::ranges::any_of(suspects, [](const suspect& s) { return s.computing; }))
      have_thread_starter();
    take_from(suspects);
    for (const suspect& s : suspects) {
      if (s.p == nullptr) continue;
      if (s.computing) {
        hand_off(*s.p);
      } else {
        take_from_blocked(*s.p, now);
      }
    }
  }
}

// bring_due: queues what the clock and the network have for us, before all others.
void scheduler::bring_due() noexcept {
  machine none;
  out_.fetch_add(1, base::relaxed);  // relaxed: before we have anything in hand (I1)
  std::array<poll::completion, completions_max> done;
  if (poller_->pending_count() != 0) deliver(none, {done.data(), poller_->wait(done, 0)});
  const auto now = now_ns();
  for (const auto& p : processors_) run_timers(none, *p, now);
  // release: who looks for a deadlock sees the queue before it sees us gone.
  out_.fetch_sub(1, base::release);
  if (looks_dead()) poller_->wake();  // as in sleep_machine(): who looked meanwhile saw us
}

// attend: sleeps in the poller, as sleep_in_poller() does, while the processors are in user code.
void scheduler::attend() noexcept {
  if (polling_.exchange(true, base::seq_cst)) return;
  // seq_cst: as in sleep_in_poller().
  sleep_until_.store(none_due, base::seq_cst);
  const auto until = earliest_timer();
  sleep_until_.store(until, base::seq_cst);
  auto state = monitor_awake;
  // seq_cst: before our look; pairs with tell_monitor().
  if (monitor_state_.compare_exchange_strong(state, monitor_attending, base::seq_cst,
                                             base::seq_cst)) {
    std::array<poll::completion, completions_max> done;
    std::int64_t timeout = until == none_due ? -1 : std::max<std::int64_t>(0, until - now_ns());
    timeout = trim(timeout);
    if (work_visible()) timeout = 0;
    const auto n = poller_->wait(done, timeout);
    machine none;
    deliver(none, {done.data(), n});  // polling_ tells that they are in our hands
    state = monitor_attending;
    // seq_cst: as all writes of it.
    monitor_state_.compare_exchange_strong(state, monitor_awake, base::seq_cst, base::seq_cst);
  }
  sleep_until_.store(0, base::seq_cst);
  bring_due();
  polling_.store(false, base::seq_cst);
  // As who leaves the poller without a processor: those that went idle meanwhile relied on us.
  if (idle_count_.load(base::seq_cst) > 0) ensure_watched();
}

// take_from: takes the processors of suspects that are still where they were; the others' `p`
// becomes null.
void scheduler::take_from(std::span<suspect> suspects) noexcept {
  const base::locked hold(handoff_lock_);
  if (stopping()) {
    for (suspect& s : suspects) s.p = nullptr;
    return;
  }
  // relaxed: the barrier orders it before our second look.
  for (const suspect& s : suspects) s.m->revoked.store(true, base::relaxed);
  heavy_barrier();
  for (suspect& s : suspects) {
    machine& m = *s.m;
    // acquire: what it did inside is visible, m.p among it; pairs with leave_runtime().
    const bool inside = m.seq.load(base::acquire) != s.seq || (s.seq & 1) != 0;
    const bool left = s.marked && m.marked_dispatch != s.dispatch;  // blocking.cc
    if (inside || left || m.p != s.p) {
      // It stays revoked, and finds that it has lost nothing. (The holder is who took a processor
      // up last: another suspect may be the same machine.)
      if (inside && s.computing) m.spent_dispatch = s.dispatch;
      s.p = nullptr;
      continue;
    }
    trace::retaken(*m.current, s.p->index);
    m.p = nullptr;
    m.taken = true;
    retakes_.fetch_add(1, base::relaxed);  // relaxed: a count
    out_.fetch_add(1, base::relaxed);      // relaxed: its processor is not idle yet
    if (!s.computing) continue;
    if (!m.worn && m.locked == nullptr) {
      m.worn = true;
      lower_priority(m.thread_id);  // here, where the thread cannot end
    }
    // relaxed: a count.
    if (m.worn && !std::exchange(m.computes, true)) computing_.fetch_add(1, base::relaxed);
  }
}

// take_marked: a processor whose machine is in blocking(), or null.
processor* scheduler::take_marked() noexcept {
  for (const auto& p : processors_) {
    // acquire: as in look_at().
    machine* m = p->holder.load(base::acquire);
    if (m == nullptr) continue;
    // acquire: the mark and the dispatch are of this stay outside, or a later one.
    const auto seq = m->seq.load(base::acquire);
    if ((seq & 1) != 0 || m->marked_dispatch != m->dispatches) continue;
    suspect one{p.get(), m, seq, m->dispatches, false, true};
    take_from({&one, 1});
    if (one.p != nullptr) return one.p;
  }
  return nullptr;
}

// answer_revocation: of a machine that finds itself revoked.
void scheduler::answer_revocation(machine& m) noexcept {
  processor* spent = nullptr;
  {
    const base::locked hold(handoff_lock_);
    if (stopping()) return;
    m.revoked.store(false, base::relaxed);  // relaxed: written under the lock
    if (m.p != nullptr && m.spent_dispatch == m.dispatches) {
      spent = std::exchange(m.p, nullptr);
      m.taken = true;
      out_.fetch_add(1, base::relaxed);  // relaxed: as in take_from()
    }
    m.spent_dispatch = 0;
  }
  if (m.taken) m.operations_left = 1;  // what may wait takes a processor again (gate.h)
  if (spent != nullptr) hand_off(*spent);
}

// take_again: the current goroutine, which has lost its processor, would wait.
void scheduler::take_again(machine& m) noexcept {
  scheduler& s = *m.owner;
  if (!m.worn) m.hold(s.take_idle_processor());
  if (m.p != nullptr) {
    m.taken = false;
    s.out_.fetch_sub(1,
                     base::relaxed);  // relaxed: we hold a processor: there is no deadlock to see
    return;
  }
  trace::yielded(*m.current);
  m.yields.bump();
  m.deferred = deferred_action::yield;
  m.deferred_goroutine = m.current;
  switch_away(m, *m.current, nullptr, false);
}

// leave_worn: the current goroutine would stay on a worn thread for long, which others may come
// from (they inherit its priority): it goes to another one first. Where it is then.
machine& scheduler::leave_worn(machine& m) noexcept {
  if (!m.taken || m.locked != nullptr) return m;
  take_again(m);
  return *current_machine();
}

// come_home: the goroutine that had lost the machine's processor has been parked, queued or ended.
void scheduler::come_home(machine& m) noexcept {
  // release: the deadlock check sees where it is before it sees us gone; pairs with its load.
  if (std::exchange(m.taken, false)) out_.fetch_sub(1, base::release);
  // relaxed: a count.
  if (std::exchange(m.computes, false)) computing_.fetch_sub(1, base::relaxed);
  if (!m.worn || m.bound()) return;
  m.ends = true;
  const base::locked hold(lock_);
  ++machines_ended_;
}

}  // namespace weft::sched
