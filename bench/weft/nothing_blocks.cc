// nothing_blocks: what goes on beside goroutines that compute or sit in blocking calls, none of
// which is marked, and what that costs. bench/go/nothing_blocks.go is the same for Go, where each
// call into C is marked by cgo.

#include <weft/go.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

#include "weft/rows.h"

extern "C" [[gnu::noinline]] int weft_bench_c_function(int n);

namespace bench {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr auto period = milliseconds(1);

double ms_of(clock_type::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

double median(std::vector<double> values) {
  require(!values.empty(), "nothing to take a median of");
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// block: what a library does that nobody told of goroutines.
void block(milliseconds d) {
  timespec left{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(d).count()};
  require(nanosleep(&left, nullptr) == 0, "nanosleep was interrupted");
}

}  // namespace

// beside_spin: how much longer than 1 ms sleeps take beside a goroutine that computes for 2 s.
void beside_spin(const shape&) {
  constexpr auto spin = std::chrono::seconds(2);
  std::atomic<bool> over = false;
  weft::wait_group spinner;
  spinner.go([&] {
    const auto end = clock_type::now() + spin;
    while (clock_type::now() < end) burn(1000);
    over.store(true, std::memory_order_relaxed);  // only that it ends
  });
  std::vector<double> extra;
  while (!over.load(std::memory_order_relaxed)) {
    const auto start = clock_type::now();
    require(weft::sleep_for(period).has_value(), "a sleep failed");
    extra.push_back(ms_of(clock_type::now() - start - period));
  }
  spinner.wait();
  require(!extra.empty(), "nobody slept");
  say("beside_spin_worst", *std::ranges::max_element(extra), "ms");
  say("beside_spin_mean",
      std::reduce(extra.begin(), extra.end()) / static_cast<double>(extra.size()), "ms");
}

// blocked: n goroutines make ten blocking calls of 50 ms each, and how late a goroutine is
// meanwhile that is due every millisecond.
void blocked(const shape& s) {
  constexpr int calls = 10;
  constexpr auto call = milliseconds(50);
  std::atomic<bool> over = false;
  double worst = 0;
  weft::wait_group ticking;
  ticking.go([&] {
    auto due = clock_type::now();
    while (!over.load(std::memory_order_relaxed)) {  // only that it ends
      due += period;
      require(weft::sleep_until(due).has_value(), "a sleep failed");
      worst = std::max(worst, ms_of(clock_type::now() - due));
    }
  });
  weft::wait_group done;
  const auto start = clock_type::now();
  for (std::int64_t g = 0; g < s.n; ++g)
    done.go([&] {
      for (int i = 0; i < calls; ++i) block(call);
    });
  done.wait();
  const double total = ms_of(clock_type::now() - start);
  over.store(true, std::memory_order_relaxed);
  ticking.wait();
  say("blocked_total", total, "ms");
  say("blocked_tick_worst", worst, "ms");
}

// blocking_call: how much more blocking(f) costs than f when nobody takes the processor: the best
// of five each, in turn.
void blocking_call(const shape& s) {
  double marked = 1e9;
  double plain = 1e9;
  for (int repeat = 0; repeat < 5; ++repeat) {
    auto start = clock_type::now();
    for (std::int64_t i = 0; i < s.operations; ++i)
      weft::blocking([i] { return weft_bench_c_function(static_cast<int>(i)); });
    marked = std::min(marked, ns_each(start, s.operations));
    start = clock_type::now();
    for (std::int64_t i = 0; i < s.operations; ++i) weft_bench_c_function(static_cast<int>(i));
    plain = std::min(plain, ns_each(start, s.operations));
  }
  say("blocking_call", marked - plain, "ns");
}

// sleep_50us: how long a sleep of 50 us takes where nothing else happens: the median.
void sleep_50us(const shape& s) {
  std::vector<double> took;
  for (std::int64_t i = 0; i < s.each(); ++i) {
    const auto start = clock_type::now();
    require(weft::sleep_for(microseconds(50)).has_value(), "a sleep failed");
    took.push_back(ns_since(start) / 1000);
  }
  say("sleep_50us", median(std::move(took)), "us");
}

// dial_beside_spin: a dial over loopback while a goroutine computes for each processor: the median.
// Those of the first 100 ms, in which processors are still taken from who computes, do not count.
void dial_beside_spin(const shape& s) {
  constexpr auto warming = milliseconds(100);
  auto listener = weft::net::listen("tcp", "127.0.0.1:0");
  require(listener.has_value(), "cannot listen");
  const std::string address = listener->local_address().to_string();
  weft::wait_group others;
  others.go([&] {
    while (listener->accept()) {
    }
  });
  std::atomic<bool> over = false;
  for (unsigned i = 0; i < weft::max_procs(); ++i)
    others.go([&] {
      while (!over.load(std::memory_order_relaxed)) burn(1000);  // only that it ends
    });
  std::vector<double> took;
  const auto begin = clock_type::now();
  while (static_cast<std::int64_t>(took.size()) < s.each()) {
    require(weft::sleep_for(period).has_value(), "a sleep failed");
    const auto start = clock_type::now();
    const bool counts = start - begin > warming;
    const auto conn = weft::net::dial("tcp", address);
    require(conn.has_value(), "cannot dial");
    if (counts) took.push_back(ms_of(clock_type::now() - start));
  }
  over.store(true, std::memory_order_relaxed);
  require(listener->close().has_value(), "cannot close the listener");
  others.wait();
  say("dial_beside_spin", median(std::move(took)), "ms");
}

}  // namespace bench
