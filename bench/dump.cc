// weft-bench-dump: what a dump takes, and what it costs those who go on meanwhile. 100,000
// goroutines wait in 64 different stacks, up to 16 calls deep. A dump is taken again and again by a
// plain thread; beside it goroutines sleep for a millisecond, and tell how late they were. The same
// without dumps, and with a thread that only computes in its place: what the machine's processors
// make of it. Usage: weft-bench-dump [SECONDS], of each of these; 0: the dumps alone.

#include <weft/channel.h>
#include <weft/dump.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "row.h"

namespace {

using namespace std::chrono_literals;

constexpr int crowd = 100'000;
constexpr int shapes = 4;
constexpr int depths = 16;
constexpr int sleepers = 4;

void keep(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

// descend<N>: one of several functions with frames of different sizes.
template <int N>
[[gnu::noinline]] void descend(int depth, const weft::channel<int>& c) {
  char room[32 + 64 * N];
  keep(room);
  if (depth == 0) {
    const auto value = c.recv();
    keep(&value);
  } else {
    descend<N>(depth - 1, c);
  }
  keep(room);
}

void park(int number, const weft::channel<int>& c) {
  const int depth = number / shapes % depths;
  switch (number % shapes) {
    case 0: descend<0>(depth, c); break;
    case 1: descend<1>(depth, c); break;
    case 2: descend<2>(depth, c); break;
    default: descend<3>(depth, c); break;
  }
}

// cpu_ns: that the calling thread has computed for.
double cpu_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double ms(double ns) { return ns / 1e6; }

double quantile(std::vector<double>& values, double which) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(which * static_cast<double>(values.size() - 1))];
}

// late: how late sleepers were, in ns, while `beside` ran on a thread of its own for that long.
template <class F>
std::vector<double> late(std::chrono::seconds duration, F&& beside) {
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over) beside();
  });
  std::vector<std::vector<double>> each(sleepers);
  const auto end = bench::clock_type::now() + duration;
  weft::wait_group all;
  for (auto& mine : each) {
    all.go([&mine, end] {
      while (bench::clock_type::now() < end) {
        const auto due = bench::clock_type::now() + 1ms;
        static_cast<void>(weft::sleep_for(1ms));
        mine.push_back(bench::ns_since(due));
      }
    });
  }
  static_cast<void>(all.wait());
  over = true;
  weft::blocking([&] { other.join(); });
  std::vector<double> together;
  for (const auto& mine : each) together.insert(together.end(), mine.begin(), mine.end());
  return together;
}

void say_late(const std::string& name, std::vector<double> values) {
  bench::say((name + "_p50").c_str(), ms(quantile(values, 0.5)), "ms");
  bench::say((name + "_p99").c_str(), ms(quantile(values, 0.99)), "ms");
  bench::say((name + "_p99.9").c_str(), ms(quantile(values, 0.999)), "ms");
  bench::say((name + "_worst").c_str(), ms(quantile(values, 1)), "ms");
}

void measure(std::chrono::seconds seconds) {
  for (const auto format : {weft::dump_format::text, weft::dump_format::json}) {
    const char* name = format == weft::dump_format::text ? "text" : "json";
    std::vector<double> taken;
    std::vector<double> computed;
    std::size_t size = 0;
    std::thread([&] {
      for (int i = 0; i < 11; ++i) {
        const auto start = bench::clock_type::now();
        const double before = cpu_ns();
        size = weft::dump({.format = format}).size();
        taken.push_back(bench::ns_since(start));
        computed.push_back(cpu_ns() - before);
      }
    }).join();
    // The first one reads debug information.
    bench::say((std::string("dump_") + name + "_first").c_str(), ms(taken[0]), "ms");
    taken.erase(taken.begin());
    computed.erase(computed.begin());
    bench::say((std::string("dump_") + name).c_str(), ms(quantile(taken, 0.5)), "ms");
    bench::say((std::string("dump_") + name + "_cpu").c_str(), ms(quantile(computed, 0.5)), "ms");
    bench::say((std::string("dump_") + name + "_slowest").c_str(), ms(quantile(taken, 1)), "ms");
    bench::say((std::string("dump_") + name + "_size").c_str(), static_cast<double>(size), "B");
  }
  if (seconds == 0s) return;
  say_late("late_alone", late(seconds, [] { std::this_thread::sleep_for(10ms); }));
  say_late("late_beside_computing", late(seconds, [] {
             for (int i = 0; i < 1'000'000; ++i) keep(&i);
           }));
  say_late("late_beside_dumps", late(seconds, [] {
             const auto text = weft::dump();
             keep(&text);
           }));
}

}  // namespace

int main(int argc, char** argv) {
  const std::chrono::seconds seconds(argc > 1 ? std::atoi(argv[1]) : 5);
  if (bench::unfit != nullptr) {
    std::fprintf(stderr, "%s\n", bench::unfit);
    return 1;
  }
  weft::run([seconds] {
    const weft::channel<int> c(0);
    weft::wait_group all;
    for (int i = 0; i < crowd; ++i) all.go([i, &c] { park(i, c); });
    static_cast<void>(weft::sleep_for(200ms));  // until all have come to wait
    measure(seconds);
    c.close();
    static_cast<void>(all.wait());
  });
}
