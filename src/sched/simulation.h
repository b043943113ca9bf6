#pragma once

// simulation: a runtime whose schedule somebody else decides: one machine, one processor, a clock
// that moves when everybody waits, random numbers of a given seed. Whoever decides sits above
// (sim/); here are the places where he is asked.
//
// How. Each goroutine of such a runtime has a priority of its own kind, so that all queues but one
// stay empty, and no path that others take knows of simulations. He is asked whenever one is about
// to go on: when the one that ran waits or has ended, and at each of its operations that may wait
// (waiting_gate), where it may as well stay. Between two of these nobody else runs.
//
// The clock is the machine's (simulate_clock, environment.h). It stands while anybody is ready,
// unless he lets time pass; when all wait, it jumps to the earliest timer, or to what happens next
// in a simulated network. When there is neither, and no descriptor of the kernel's is waited for,
// nothing will happen any more, and run() returns. Descriptors of the real world, and plain threads
// that wake somebody, cannot be foreseen: with them runs differ.
//
// blocking() and lock_thread do nothing: who blocks, blocks all. There is no monitor.
//
// I1  All of it is read and written by the machine, and by run()'s caller before and after.
//
// Rejected. Deciding in the queues that there are: what stealing, batches and fair turns do to an
// order would have to be turned off at each place, and hot paths would ask.
//
// Tests: sim/simulate_test.cc.

#include <weft/go.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "poll/poller.h"
#include "poll/sockets.h"
#include "sched/timer.h"

namespace weft::sched {

struct goroutine;

// simulated_priority: of all goroutines of a simulation: neither normal nor in the background.
inline constexpr weft::priority simulated_priority = weft::priority::high;

class simulation {
 public:
  simulation() = default;
  simulation(const simulation&) = delete;
  simulation& operator=(const simulation&) = delete;
  virtual ~simulation() = default;

  // situation: what may happen next.
  struct situation {
    goroutine* current = nullptr;       // it would go on; null: it waits, or has ended
    std::span<goroutine* const> ready;  // in the order in which they became so
    bool timer_armed = false;           // or the network has something under way
  };
  // Decisions beside an index of `ready`.
  static constexpr std::size_t stay = SIZE_MAX;             // the current one goes on
  static constexpr std::size_t time_passes = SIZE_MAX - 1;  // the earliest timer is due

  // decide: an index of `ready`, or one of the above where that is possible. Somebody can go on.
  [[nodiscard]] virtual std::size_t decide(const situation& now) noexcept = 0;

  // The network (poll/sockets.h), if it has one of its own. next_event: when something happens in
  // it again, none_due if nothing will. run_events: all that is due; false if nobody's operation is
  // complete, else the poller has who.
  [[nodiscard]] virtual std::unique_ptr<poll::poller> make_poller() { return poll::make_poller(); }
  [[nodiscard]] virtual poll::simulated_sockets* sockets() noexcept { return nullptr; }
  [[nodiscard]] virtual std::int64_t next_event() const noexcept { return none_due; }
  virtual bool run_events() noexcept { return false; }

  // settled: all wait or have ended, and time is about to move, if there is a timer. True if it has
  // made somebody ready.
  virtual bool settled(bool timer_armed) noexcept = 0;

  // dead: nobody will ever go on; the run ends, if it returns.
  virtual void dead() noexcept = 0;

  // stuck: some wait for each other, and will for ever; `text` says who. True: the run ends; else
  // the process does.
  virtual bool stuck(const std::string& text) noexcept = 0;

  // panicked: an exception has left `g`. True: the run ends; else the process does, as ever.
  virtual bool panicked(const goroutine& g, const std::string& what) noexcept = 0;

  std::uint64_t seed = 1;   // of the machine's generator; not 0
  std::int64_t now_ns = 0;  // the clock
  // So far: decide() was asked, and of all answers, who was asked about, and when.
  std::size_t decisions = 0;
  std::uint64_t trace_hash = 0;
};

// seeded_simulation: of a whole program (WEFT_SEED): each decision is for any of them alike. It
// ends as other runs do.
class seeded_simulation final : public simulation {
 public:
  explicit seeded_simulation(std::uint64_t seed) noexcept;
  [[nodiscard]] std::size_t decide(const situation& now) noexcept override;
  bool settled(bool) noexcept override { return false; }
  void dead() noexcept override;
  bool stuck(const std::string&) noexcept override { return false; }
  bool panicked(const goroutine&, const std::string&) noexcept override { return false; }

 private:
  std::uint64_t random_;
};

}  // namespace weft::sched
