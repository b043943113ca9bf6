// basics: what the basic operations cost.

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/rwmutex.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "weft/rows.h"

extern "C" [[gnu::noinline]] int weft_bench_c_function(int n) {
  asm volatile("" : "+r"(n));
  return n;
}

namespace bench {

// yield: n goroutines take turns.
void yield(const shape& s) {
  const auto each = s.each();
  weft::wait_group done;
  done.add(s.n);
  const auto start = clock_type::now();
  for (std::int64_t g = 0; g < s.n; ++g)
    weft::go([&] {
      for (std::int64_t i = 0; i < each; ++i) weft::yield();
      done.done();
    });
  done.wait();
  say("yield", ns_each(start, s.n * each), "ns");
}

namespace {

void spawn(const char* name, std::int64_t batches, std::int64_t size) {
  const auto start = clock_type::now();
  for (std::int64_t b = 0; b < batches; ++b) {
    weft::wait_group done;
    done.add(size);
    for (std::int64_t i = 0; i < size; ++i) weft::go([&] { done.done(); });
    done.wait();
  }
  say(name, ns_each(start, batches * size), "ns");
}

// channel: n pairs of one sender and one receiver.
void channel(const char* name, const shape& s, std::ptrdiff_t capacity) {
  const auto each = s.each();
  weft::wait_group done;
  const auto start = clock_type::now();
  for (std::int64_t pair = 0; pair < s.n; ++pair) {
    const weft::channel<std::int64_t> numbers(capacity);
    weft::go([numbers, each] {
      for (std::int64_t i = 0; i < each; ++i) numbers.send(i);
      numbers.close();
    });
    done.go([numbers, each] {
      std::int64_t sum = 0;
      for (const std::int64_t n : numbers) sum += n;
      require(sum == each * (each - 1) / 2, "lost an item");
    });
  }
  done.wait();
  say(name, ns_each(start, s.n * each), "ns");
}

}  // namespace

void spawn_join(const shape& s) { spawn("spawn_join", s.each(), s.n); }
void spawn_1m(const shape& s) { spawn("spawn_1m", 1, s.n); }
void channel_unbuffered(const shape& s) { channel("channel_unbuffered", s, 0); }
void channel_128(const shape& s) { channel("channel_128", s, 128); }

// mutex: n goroutines and one lock.
void mutex(const shape& s) {
  const auto each = s.each();
  weft::mutex guard;
  weft::wait_group done;
  std::int64_t counter = 0;
  done.add(s.n);
  const auto start = clock_type::now();
  for (std::int64_t l = 0; l < s.n; ++l)
    weft::go([&] {
      for (std::int64_t i = 0; i < each; ++i) {
        const std::lock_guard held(guard);
        ++counter;
      }
      done.done();
    });
  done.wait();
  require(counter == s.n * each, "lost an increment");
  say("mutex", ns_each(start, counter), "ns");
}

// rwmutex_read: n goroutines read under one lock.
void rwmutex_read(const shape& s) {
  const auto each = s.each();
  weft::rwmutex guard;
  weft::wait_group done;
  int shared = 1;
  done.add(s.n);
  const auto start = clock_type::now();
  for (std::int64_t l = 0; l < s.n; ++l)
    weft::go([&] {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < each; ++i) {
        const std::shared_lock held(guard);
        sum += *static_cast<volatile int*>(&shared);
      }
      require(sum == each, "a reader read something else");
      done.done();
    });
  done.wait();
  say("rwmutex_read", ns_each(start, s.n * each), "ns");
}

// timer_start_stop: n goroutines start and stop timers of an hour.
void timer_start_stop(const shape& s) {
  const auto each = s.each();
  weft::wait_group done;
  const auto start = clock_type::now();
  for (std::int64_t g = 0; g < s.n; ++g)
    done.go([each] {
      for (std::int64_t i = 0; i < each; ++i) {
        weft::timer t(std::chrono::hours(1));
        require(t.stop(), "a timer of an hour has ended");
      }
    });
  done.wait();
  say("timer_start_stop", ns_each(start, s.n * each), "ns");
}

// c_call: how much more a call of a C function costs in a goroutine than on a plain thread: the
// best of five each, in turn.
void c_call(const shape& s) {
  const auto calls = [&] {
    const auto start = clock_type::now();
    for (std::int64_t i = 0; i < s.operations; ++i) weft_bench_c_function(static_cast<int>(i));
    return ns_each(start, s.operations);
  };
  double in_goroutine = 1e9;
  double in_thread = 1e9;
  for (int i = 0; i < 5; ++i) {
    in_goroutine = std::min(in_goroutine, calls());
    std::thread([&] { in_thread = std::min(in_thread, calls()); }).join();
  }
  say("c_call", in_goroutine - in_thread, "ns");
}

// cpu_tasks: n goroutines compute for 100 microseconds each.
void cpu_tasks(const shape& s) {
  const auto steps = burn_steps(std::chrono::microseconds(100));
  weft::wait_group done;
  const auto start = clock_type::now();
  for (std::int64_t g = 0; g < s.n; ++g) done.go([steps] { burn(steps); });
  done.wait();
  say("cpu_tasks", ns_each(start, s.n) / 1000, "us");
}

namespace {

void skynet_node(const weft::channel<std::int64_t>& result, std::int64_t number,
                 std::int64_t size) {
  if (size == 1) {
    result.send(number);
    return;
  }
  weft::channel<std::int64_t> children(0);
  for (std::int64_t i = 0; i < 10; ++i)
    weft::go([children, number, size, i] {
      skynet_node(children, number + i * (size / 10), size / 10);
    });
  std::int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += *children.recv();
  result.send(sum);
}

}  // namespace

// skynet: a tree of goroutines, ten to a node, n leaves (a power of ten), that add up their
// numbers.
void skynet(const shape& s) {
  weft::channel<std::int64_t> result(0);
  const auto start = clock_type::now();
  weft::go([result, n = s.n] { skynet_node(result, 0, n); });
  require(*result.recv() == s.n * (s.n - 1) / 2, "skynet added wrongly");
  say("skynet", ns_since(start) / 1e6, "ms");
}

}  // namespace bench
