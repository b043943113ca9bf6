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

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weft::test {

// verdict: how a simulation ended.
enum class verdict : unsigned char {
  passed,
  failed,      // an exception left the function, or a goroutine
  deadlocked,  // all goroutines wait and nothing can wake any, or some wait for each other's locks
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

// certainty: what can be said of a goroutine that has not ended.
enum class certainty : unsigned char {
  proven,   // nothing can wake it, whatever the program does
  suspect,  // it has waited for a while, without a limit, for what others could still do
  unknown,  // it runs, sleeps, waits for a descriptor or a name, or its wait has a limit
};

// leak: a goroutine that was started and has not ended.
struct leak {
  std::uint64_t id = 0;
  std::string name;
  std::string state;   // as lists of goroutines have it: "chan receive"
  std::string origin;  // where it was started: "function at file:line"
  certainty how = certainty::unknown;
  std::string why;
};

// text_of: a line for each, and where it was started.
[[nodiscard]] std::string text_of(const std::vector<leak>& leaks);

struct leak_options {
  // settle: a wait that has not changed for so long is suspect.
  std::chrono::milliseconds settle{20};
  // patience: how long to wait until all have ended, or are settled. What is neither by then is
  // unknown.
  std::chrono::milliseconds patience{1000};
};

using leak_report = std::function<void(const std::vector<leak>&)>;

// leak_check: which goroutines of the caller's runtime were started while it lives, and have not
// ended. A scope joins its own; what this finds is what weft::go started, here or anywhere.
//
//   weft::test::leak_check none;
//   serve_one(request);
//   EXPECT_EQ(weft::test::text_of(none.find()), "");
//
// On a plain thread it looks at the only runtime that runs, and finds nothing without one: run()
// drops what has not ended (report_leaks sees it before). May be made in one goroutine and asked in
// another, by one at a time.
class leak_check {
 public:
  // report: gets what the destructor finds, if it is not nothing, and no find() was called. Null:
  // it is written to standard error.
  explicit leak_check(leak_report report = {}, const leak_options& options = {});
  // ~leak_check: unlike other destructors it waits, as find() does.
  ~leak_check();
  leak_check(const leak_check&) = delete;
  leak_check& operator=(const leak_check&) = delete;

  // find: waits until all have ended or settled, or patience is over, and returns who has not
  // ended. The caller is none of them.
  [[nodiscard]] std::vector<leak> find();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

// report_leaks: from now on, whenever the function of a run() has returned, its goroutines that
// have not ended are looked at as leak_check does, and `to` gets them before they are dropped, in
// that runtime's first goroutine. Nothing is reported if there are none. Null: no more.
// Process-wide; not while a runtime runs. weft/gtest.h makes failures of them.
void report_leaks(leak_report to, const leak_options& options = {});

// now: the caller's time: virtual in a simulation, else std::chrono::steady_clock's.
[[nodiscard]] limit::clock::time_point now() noexcept;

}  // namespace weft::test
