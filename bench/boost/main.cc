// weft-bench-boost: what Boost.Fiber costs, a row a process: see bench/row.h. Fibres on stacks of
// 16 KiB stand for goroutines. The stacks come from malloc, which is told to keep what is freed:
// with its usual settings starting a fibre costs ten times as much. On more than one thread all
// share one queue, which is Boost's own way. It has no select, and its timers are sleeping fibres.

#include <boost/fiber/all.hpp>
#include <boost/version.hpp>

#include <malloc.h>

#include <climits>
#include <cstdio>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "row.h"

namespace {

namespace fibers = boost::fibers;
using bench::clock_type;
using bench::say;
using bench::shape;

constexpr std::size_t stack_size = 16 * 1024;

// start: a fibre that nobody joins: whoever cares counts.
template <class F>
void start(F f) {
  fibers::fiber(std::allocator_arg, fibers::fixedsize_stack(stack_size), std::move(f)).detach();
}

// countdown: lets one fibre wait for n others.
class countdown {
 public:
  explicit countdown(std::int64_t n) : left_(n) {}
  void done() {
    const std::lock_guard held(guard_);
    if (--left_ == 0) changed_.notify_all();
  }
  void wait() {
    std::unique_lock held(guard_);
    changed_.wait(held, [&] { return left_ == 0; });
  }

 private:
  fibers::mutex guard_;
  fibers::condition_variable changed_;
  std::int64_t left_;
};

// together: n fibres that do `f`; returns when all have ended.
template <class F>
void together(std::int64_t n, F f) {
  countdown ended(n);
  for (std::int64_t i = 0; i < n; ++i)
    start([&] {
      f();
      ended.done();
    });
  ended.wait();
}

void yield(const shape& s) {
  const auto begin = clock_type::now();
  together(s.n, [&] {
    for (std::int64_t i = 0; i < s.each(); ++i) boost::this_fiber::yield();
  });
  say("yield", bench::ns_each(begin, s.n * s.each()), "ns");
}

void spawn_join(const shape& s) {
  const auto begin = clock_type::now();
  for (std::int64_t b = 0; b < s.each(); ++b) together(s.n, [] {});
  say("spawn_join", bench::ns_each(begin, s.each() * s.n), "ns");
}

void spawn_1m(const shape& s) {
  const auto begin = clock_type::now();
  together(s.n, [] {});
  say("spawn_1m", bench::ns_each(begin, s.n), "ns");
}

// pass: `senders` fibres send to this one.
template <class Channel>
void pass(const char* name, Channel& numbers, std::int64_t senders, std::int64_t each) {
  const auto begin = clock_type::now();
  for (std::int64_t g = 0; g < senders; ++g)
    start([&numbers, each] {
      for (std::int64_t i = 0; i < each; ++i) numbers.push(1);
    });
  std::int64_t sum = 0;
  while (sum < senders * each) {
    int n = 0;
    numbers.pop(n);
    sum += n;
  }
  say(name, bench::ns_each(begin, sum), "ns");
}

void unbuffered(const char* name, std::int64_t senders, std::int64_t each) {
  fibers::unbuffered_channel<int> numbers;
  pass(name, numbers, senders, each);
}

void buffered(const char* name, std::int64_t senders, std::int64_t each) {
  fibers::buffered_channel<int> numbers(128);
  pass(name, numbers, senders, each);
}

void channel_unbuffered(const shape& s) { unbuffered("channel_unbuffered", 1, s.operations); }
void channel_128(const shape& s) { buffered("channel_128", 1, s.operations); }
void channel_many(const shape& s) { unbuffered("channel_many", s.n, s.each()); }
void channel_many_128(const shape& s) { buffered("channel_many_128", s.n, s.each()); }

void mutex(const shape& s) {
  fibers::mutex guard;
  std::int64_t counter = 0;
  const auto begin = clock_type::now();
  together(s.n, [&] {
    for (std::int64_t i = 0; i < s.each(); ++i) {
      const std::lock_guard held(guard);
      ++counter;
    }
  });
  bench::require(counter == s.n * s.each(), "lost an increment");
  say("mutex", bench::ns_each(begin, counter), "ns");
}

using sum_channel = fibers::unbuffered_channel<std::int64_t>;

void skynet_node(sum_channel& result, std::int64_t number, std::int64_t size) {
  if (size == 1) {
    result.push(number);
    return;
  }
  sum_channel children;
  countdown ended(10);  // the channel lives here
  for (std::int64_t i = 0; i < 10; ++i)
    start([&children, &ended, number, size, i] {
      skynet_node(children, number + i * (size / 10), size / 10);
      ended.done();
    });
  std::int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += children.value_pop();
  ended.wait();
  result.push(sum);
}

void skynet(const shape& s) {
  sum_channel result;
  const auto begin = clock_type::now();
  start([&] { skynet_node(result, 0, s.n); });
  bench::require(result.value_pop() == s.n * (s.n - 1) / 2, "skynet added wrongly");
  say("skynet", bench::ns_since(begin) / 1e6, "ms");
}

void crowd(const shape& s) {
  const std::int64_t before = bench::resident_bytes();
  fibers::mutex guard;
  fibers::condition_variable gate;
  bool open = false;
  countdown begun(s.n);
  countdown ended(s.n);
  for (std::int64_t i = 0; i < s.n; ++i)
    start([&] {
      begun.done();
      {
        std::unique_lock held(guard);
        gate.wait(held, [&] { return open; });
      }
      ended.done();
    });
  begun.wait();
  const std::int64_t grown = bench::resident_bytes() - before;
  const auto woken = clock_type::now();
  {
    const std::lock_guard held(guard);
    open = true;
  }
  gate.notify_all();
  ended.wait();
  const double wake_ns = bench::ns_each(woken, s.n);
  say("parked_bytes", static_cast<double>(grown) / static_cast<double>(s.n), "B");
  say("wake", wake_ns, "ns");
}

void sleepers(const shape& s) {
  const auto begin = clock_type::now();
  together(s.n, [] { boost::this_fiber::sleep_for(std::chrono::seconds(1)); });
  say("sleepers", bench::ns_since(begin) / 1e9, "s");
  say("sleepers_cpu", bench::cpu_seconds(), "s");
}

constexpr std::int64_t million = 1'000'000;

constexpr bench::row rows[] = {
    {"yield", {2, 4 * million}, yield},
    {"spawn_join", {1000, million}, spawn_join},
    {"spawn_1m", {million, 0}, spawn_1m},
    {"channel_unbuffered", {1, million}, channel_unbuffered},
    {"channel_128", {1, 5 * million}, channel_128},
    {"channel_many", {8, million}, channel_many},
    {"channel_many_128", {8, 2 * million}, channel_many_128},
    {"mutex", {1, 10 * million}, mutex},
    {"skynet", {million, 0}, skynet},
    {"crowd", {million, 0}, crowd},
    {"sleepers", {million, 0}, sleepers},
};

// on_processors: runs `f` in a fibre of this thread while as many more threads share its fibres.
template <class F>
void on_processors(F f) {
  const int count = bench::processors();
  if (count == 1) {
    f();
    return;
  }
  std::mutex guard;
  fibers::condition_variable_any over_changed;
  bool over = false;
  const auto wait_for_end = [&] {
    std::unique_lock held(guard);
    over_changed.wait(held, [&] { return over; });
  };
  std::vector<std::thread> others;
  for (int i = 1; i < count; ++i)
    others.emplace_back([&] {
      fibers::use_scheduling_algorithm<fibers::algo::shared_work>(true);
      wait_for_end();
    });
  fibers::use_scheduling_algorithm<fibers::algo::shared_work>(true);
  f();
  {
    const std::lock_guard held(guard);
    over = true;
  }
  over_changed.notify_all();
  for (auto& other : others) other.join();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "version")
    return std::printf("Boost.Fiber %d.%d\n", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000) <
           0;
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 * 1024 * 1024);
  return bench::main_of(rows, argc, argv, [](const shape& s, void (*run)(const shape&)) {
    on_processors([&] { run(s); });
  });
}
