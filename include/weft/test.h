#pragma once

// test: running what uses goroutines where schedule and time are decided by a seed, so that what
// went wrong once goes wrong again, and looking for the schedule in which it does.
//
//   const auto found = weft::test::explore([] { ... });
//   EXPECT_TRUE(found.ok()) << found.text();
//
// A simulation runs all its goroutines on one thread, one at a time. Who goes on is decided
// whenever one waits or ends, and at each operation of weft that may wait; between two of these a
// goroutine is alone, and what it does with plain memory is not taken apart. Time is virtual: it
// stands while anybody can go on, and jumps to the next timer when all wait, so that an hour's
// sleep takes no time; and a schedule may let a timer be due early, as a busy machine does.
//
// TCP and UDP are part of it: a network of its own (test_network.h). Not part of it: plain threads,
// other descriptors and the system's clock (use now()). A simulation goes on with them, but not the
// same way each time. blocking() and lock_thread do nothing there.

#include <weft/limit.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace weft::test {

// verdict: how a simulation ended.
enum class verdict : unsigned char {
  passed,
  failed,      // an exception left the function, or a goroutine
  deadlocked,  // all goroutines wait, and nothing can wake any of them
  leaked,      // the function has returned, and goroutines wait that nothing can wake
  endless,     // it did not end within the steps it was given
};

// outcome: of one simulation.
struct outcome {
  verdict what = verdict::passed;
  // why: what was thrown, or who waits for what.
  std::string why;
  // schedule: how it went, for simulate(): the strategy, and its seed or its decisions.
  std::string schedule;
  // trace: what happened, a line for each time that another goroutine went on, if it was asked for.
  std::string trace;
  // trace_hash: of all decisions: equal for equal runs.
  std::uint64_t trace_hash = 0;
  std::size_t steps = 0;      // decisions
  std::size_t schedules = 1;  // of explore(): that were tried

  [[nodiscard]] bool ok() const noexcept { return what == verdict::passed; }
  // text: all of this for people, with how to see it again.
  [[nodiscard]] std::string text() const;
};

struct simulate_options {
  // schedule: from an outcome; or "random:SEED".
  std::string schedule = "random:1";
  bool trace = false;
  std::size_t steps_max = 100'000;
};

// simulate: calls `f` as the first goroutine of a simulation. On a plain thread; throws
// misuse_error from a goroutine, and std::invalid_argument for a schedule that is none.
[[nodiscard]] outcome simulate(const std::function<void()>& f,
                               const simulate_options& options = {});

struct explore_options {
  // schedules: at most so many are tried. A third are decided at random, a third by random
  // priorities that change a few times (PCT, Burckhardt et al. 2010), and a third are all those
  // with few preemptions, one after the other.
  std::size_t schedules = 1000;
  std::uint64_t seed = 1;
  std::size_t steps_max = 20'000;  // of each
};

// explore: simulates `f` in one schedule after the other, until it does not pass. What it finds it
// runs again, for the trace. `f` must not keep anything from one call to the next. As simulate().
[[nodiscard]] outcome explore(const std::function<void()>& f, const explore_options& options = {});

// wait: returns when all other goroutines of the caller's simulation wait, or have ended; time does
// not move meanwhile (synctest.Wait). One caller at a time. Throws misuse_error outside of a
// simulation.
void wait();

// now: the caller's time: virtual in a simulation, else std::chrono::steady_clock's.
[[nodiscard]] limit::clock::time_point now() noexcept;

}  // namespace weft::test
