#include "sched/simulation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/futex.h"
#include "sched/environment.h"
#include "sched/scheduler.h"

namespace weft::sched {
namespace {

constexpr std::size_t completions_max = 128;
// time_odds: against letting time pass while somebody can go on: a timer is seldom that early.
constexpr std::uint64_t time_odds = 16;

// note_decision: no address goes into the hash, nor into what is decided by it.
void note_decision(simulation& s, const goroutine* current, std::span<goroutine* const> ready,
                   std::size_t decision) noexcept {
  const auto mix = [&s](std::uint64_t value) {  // FNV-1a, by words
    s.trace_hash = (s.trace_hash ^ value) * 0x100000001b3ULL;
    s.trace_hash ^= s.trace_hash >> 29;
  };
  ++s.decisions;
  if (current != nullptr) mix(current->id);
  for (const auto* g : ready) mix(g->id);
  mix(decision);
  mix(static_cast<std::uint64_t>(s.now_ns));
}

}  // namespace

// simulated_due: when something happens by itself: a timer, or in the network.
std::int64_t scheduler::simulated_due() const noexcept {
  return std::min(earliest_timer(), simulation_->next_event());
}

// run_network: what is due in a simulated one; who waited for it is ready.
void scheduler::run_network(machine& m) noexcept {
  std::array<poll::completion, completions_max> done;
  while (simulation_->run_events()) deliver(m, {done.data(), poller_->wait(done, 0)});
}

// simulated_decision: who goes on, or stay. Time passes here.
std::size_t scheduler::simulated_decision(machine& m, goroutine* current) noexcept {
  for (;;) {
    run_network(m);
    simulated_ready_.clear();
    std::size_t ready = 0;
    {
      const base::locked hold(lock_);
      ready = high_.size.load(base::relaxed);  // relaxed: under lock_
    }
    simulated_ready_.reserve(ready);  // no malloc under the lock
    {
      const base::locked hold(lock_);
      // What a plain thread pushes meanwhile has its turn next time.
      for (waiter* w = high_.first; w != nullptr && simulated_ready_.size() < ready; w = w->link)
        simulated_ready_.push_back(static_cast<goroutine*>(w));
    }
    const auto due = simulated_due();
    if (current == nullptr && simulated_ready_.empty()) return simulation::stay;
    const auto decision =
        simulation_->decide({current, {simulated_ready_.data(), ready}, due != none_due});
    note_decision(*simulation_, current, simulated_ready_, decision);
    if (decision != simulation::time_passes) {
      WEFT_ASSERT(decision < ready || (decision == simulation::stay && current != nullptr),
                  "a simulation decided for nobody");
      return decision;
    }
    WEFT_ASSERT(due != none_due, "a simulation let time pass without a timer");
    simulation_->now_ns = std::max(simulation_->now_ns, due);
    run_timers(m, *m.p, simulation_->now_ns);
  }
}

// take_simulated: in place of the queue's first.
goroutine* scheduler::take_simulated() noexcept {
  // seq_cst: the sleeper's read. relaxed: when main has returned nobody goes on.
  if (high_.size.load(base::seq_cst) == 0 || main_done_.load(base::relaxed) != 0) return nullptr;
  goroutine* next = std::exchange(simulated_next_, nullptr);
  if (next == nullptr) {
    const auto decision = simulated_decision(*current_machine(), nullptr);
    next = simulated_ready_[decision];
  }
  const base::locked hold(lock_);
  waiter** at = &high_.first;
  waiter* before = nullptr;
  while (*at != next) {
    before = *at;
    at = &(*at)->link;
  }
  *at = std::exchange(next->link, nullptr);
  if (high_.last == next) high_.last = before;
  high_.size.fetch_sub(1, base::relaxed);  // relaxed: under lock_, and only we look
  return next;
}

// simulate_operation: of the current goroutine, which may wait in what follows.
void scheduler::simulate_operation(machine& m) noexcept {
  // relaxed: as in take_simulated().
  if (main_done_.load(base::relaxed) != 0) return;
  const auto decision = simulated_decision(m, m.current);
  if (decision == simulation::stay) return;
  simulated_next_ = simulated_ready_[decision];
  yield_current(m);
}

// simulate_idle: the machine has nothing to do. As sleep_in_poller(), but time does not have to be
// waited for.
void scheduler::simulate_idle(machine& m) noexcept {
  std::array<poll::completion, completions_max> done;
  std::size_t n = 0;
  // relaxed: as in take_simulated().
  const bool over = stopping() || main_done_.load(base::relaxed) != 0;
  const auto due = simulated_due();
  const bool woken = !over && (high_.size.load(base::seq_cst) > 0 || due <= simulation_->now_ns ||
                               simulation_->settled(due != none_due));
  if (over || main_done_.load(base::relaxed) != 0) {
    if (!stopping()) n = poller_->wait(done, -1);  // stop_all() wakes us
  } else if (woken) {
    // Somebody is ready.
  } else if (poller_->pending_count() != 0) {
    const auto timeout =
        due == none_due ? -1 : std::max<std::int64_t>(0, due - simulation_->now_ns);
    simulate_clock(nullptr);
    const auto before = now_ns();
    n = poller_->wait(done, timeout);
    const auto waited = now_ns() - before;
    simulate_clock(&simulation_->now_ns);
    simulation_->now_ns += waited;
  } else if (due != none_due) {
    simulation_->now_ns = std::max(simulation_->now_ns, due);
  } else {
    if (looks_dead()) {
      simulation_->dead();
      end_simulated();
    }
    n = poller_->wait(done, -1);  // a plain thread, or stop_all(), wakes us
  }
  m.hold(take_idle_processor());
  deliver(m, {done.data(), n});
  if (!over) run_network(m);
  polling_.store(false, base::seq_cst);  // seq_cst: as in sleep_in_poller()
}

seeded_simulation::seeded_simulation(std::uint64_t from) noexcept
    : random_(from * 0x9e3779b97f4a7c15ULL | 1) {
  seed = random_;
  now_ns = 1'000'000'000'000;  // any time but none
}

std::size_t seeded_simulation::decide(const situation& now) noexcept {
  const auto below = [this](std::uint64_t n) {  // xorshift64*, Vigna 2016
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return static_cast<std::size_t>((random_ * 0x2545f4914f6cdd1dULL >> 11) % n);
  };
  if (now.timer_armed && below(time_odds) == 0) return time_passes;
  const auto n = now.ready.size();
  const auto chosen = below(n + (now.current != nullptr ? 1 : 0));
  return chosen == n ? stay : chosen;
}

void seeded_simulation::dead() noexcept { base::fatal("all goroutines are asleep - deadlock!"); }

bool scheduler::end_stuck(const std::string& text) noexcept {
  if (simulation_ == nullptr || !simulation_->stuck(text)) return false;
  end_simulated();
  return true;
}

void scheduler::end_simulated() noexcept {
  // release: what happened is seen by run()'s caller.
  main_done_.store(1, base::release);
  base::futex_wake(main_done_, 1);
}

}  // namespace weft::sched
