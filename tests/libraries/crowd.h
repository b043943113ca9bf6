#pragma once

// crowd: many goroutines in a C library's calls on one processor, beside one that ticks.
//
// Every program here has two parts. First all of the crowd is inside a call that only others can
// end, and nobody ends it before the ticker has ticked so many times more. Then they make ordinary
// calls, again until it has. So a ticker that gets no processor is a program that does not end, and
// no time needs to be asserted; what was measured is printed.

#include <weft/runtime.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <source_location>

namespace libraries {

// size: goroutines in a crowd. ticks_each: of each of the two parts.
inline constexpr int size = 200;
inline constexpr int ticks_each = 50;

// expect: ends the program with status 1 if `truth` is none; `detail` is what the library says.
void expect(bool truth, const char* detail = "",
            std::source_location at = std::source_location::current());

// ticker: a goroutine that sleeps a millisecond at a time, and remembers by how much it was late.
class ticker {
 public:
  ticker();
  ticker(const ticker&) = delete;
  ticker& operator=(const ticker&) = delete;
  ~ticker() { finish(); }

  // ticks: how many there were. From any thread.
  [[nodiscard]] int ticks() const noexcept { return ticks_.load(); }

  // wait_for: until there were so many. The calling thread sleeps: for plain threads.
  void wait_for(int ticks) const noexcept;

  // finish: ends it and prints what was measured.
  void finish();

 private:
  void run();

  using clock = std::chrono::steady_clock;
  const clock::time_point begun_ = clock::now();
  std::atomic<int> ticks_{0};
  std::atomic<bool> ends_{false};
  std::chrono::nanoseconds late_sum_{0};  // the goroutine's until it has ended
  std::chrono::nanoseconds late_worst_{0};
  weft::wait_group running_;
};

// wait_until: asks every millisecond.
template <class F>
void wait_until(F&& truth) {
  while (!truth()) static_cast<void>(weft::sleep_for(std::chrono::milliseconds(1)));
}

// parts: what a program does with its crowd.
struct parts {
  // held: member i's call that only `release` ends.
  std::function<void(int i)> held;
  // all_inside: whether all of them are in it: as the server sees it, if there is one.
  std::function<bool()> all_inside;
  std::function<void()> release;
  // ordinary: member i's call afterwards; the how manieth it is.
  std::function<void(int i, int round)> ordinary;
  int ordinary_min = 1;
};

// play: both parts, in the caller's runtime; returns the ordinary calls of all together.
std::int64_t play(const ticker& t, const parts& p);

// run: `f` as a program's first goroutine, on one processor or WEFT_MAXPROCS; its status is 0.
template <class F>
int run(F&& f) {
  const bool asked = std::getenv("WEFT_MAXPROCS") != nullptr;
  weft::run(std::forward<F>(f), {.max_procs = asked ? 0U : 1U});
  return 0;
}

}  // namespace libraries
