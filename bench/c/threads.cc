// weft-bench-threads: what POSIX threads cost where weft has goroutines: see bench/row.h. With one
// processor all run on one CPU. "weft-bench-threads echo" serves with a thread for each connection.

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "c/listen.h"
#include "row.h"

namespace {

using bench::clock_type;
using bench::say;
using bench::shape;

constexpr std::size_t stack_size = 64 * 1024;

// thread: with a small stack; false when the system has no more.
template <class F>
bool start_thread(pthread_t& t, F* f) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_size);
  const int failed = pthread_create(
      &t, &attributes,
      [](void* raw) -> void* {
        (*static_cast<F*>(raw))();
        return nullptr;
      },
      f);
  pthread_attr_destroy(&attributes);
  return failed == 0;
}

// together: n threads that do `f`; returns when all have ended.
template <class F>
void together(std::int64_t n, F f) {
  std::vector<pthread_t> all(static_cast<std::size_t>(n));
  for (auto& t : all) bench::require(start_thread(t, &f), "the system has no more threads");
  for (auto& t : all) pthread_join(t, nullptr);
}

void yield(const shape& s) {
  const auto start = clock_type::now();
  together(s.n, [each = s.each()] {
    for (std::int64_t i = 0; i < each; ++i) sched_yield();
  });
  say("yield", bench::ns_each(start, s.n * s.each()), "ns");
}

void spawn_join(const shape& s) {
  const auto start = clock_type::now();
  for (std::int64_t b = 0; b < s.each(); ++b) together(s.n, [] {});
  say("spawn_join", bench::ns_each(start, s.each() * s.n), "ns");
}

// queue: a channel as people write it from a mutex and two condition variables.
class queue {
 public:
  explicit queue(std::size_t capacity) : capacity_(capacity) {}
  void send(int value) {
    std::unique_lock held(guard_);
    room_.wait(held, [&] { return items_.size() < capacity_; });
    items_.push_back(value);
    held.unlock();
    some_.notify_one();
  }
  int recv() {
    std::unique_lock held(guard_);
    some_.wait(held, [&] { return !items_.empty(); });
    const int value = items_.front();
    items_.pop_front();
    held.unlock();
    room_.notify_one();
    return value;
  }

 private:
  const std::size_t capacity_;
  std::mutex guard_;
  std::condition_variable room_;
  std::condition_variable some_;
  std::deque<int> items_;
};

void pass(const char* name, const shape& s, std::int64_t senders, std::size_t capacity) {
  queue numbers(capacity);
  const auto each = s.each(senders);
  const auto start = clock_type::now();
  std::thread receiver([&] {
    for (std::int64_t i = 0; i < senders * each; ++i) numbers.recv();
  });
  together(senders, [&] {
    for (std::int64_t i = 0; i < each; ++i) numbers.send(1);
  });
  receiver.join();
  say(name, bench::ns_each(start, senders * each), "ns");
}

void channel_unbuffered(const shape& s) { pass("channel_unbuffered", s, 1, 1); }
void channel_128(const shape& s) { pass("channel_128", s, 1, 128); }
void channel_many(const shape& s) { pass("channel_many", s, s.n, 1); }
void channel_many_128(const shape& s) { pass("channel_many_128", s, s.n, 128); }

void mutex(const shape& s) {
  std::mutex guard;
  std::int64_t counter = 0;
  const auto start = clock_type::now();
  together(s.n, [&] {
    for (std::int64_t i = 0; i < s.each(); ++i) {
      const std::lock_guard held(guard);
      ++counter;
    }
  });
  say("mutex", bench::ns_each(start, counter), "ns");
}

void rwmutex_read(const shape& s) {
  std::shared_mutex guard;
  int shared = 1;
  const auto start = clock_type::now();
  together(s.n, [&] {
    for (std::int64_t i = 0; i < s.each(); ++i) {
      const std::shared_lock held(guard);
      static_cast<void>(*static_cast<volatile int*>(&shared));
    }
  });
  say("rwmutex_read", bench::ns_each(start, s.n * s.each()), "ns");
}

// kernel_bytes: what the kernel keeps for threads: their stacks there, and page tables. It is no
// process's own, so this counts the whole machine's.
std::int64_t kernel_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  std::int64_t sum = 0;
  for (std::int64_t kb = 0; file >> key;) {
    if (key != "KernelStack:" && key != "PageTables:") continue;
    file >> kb;
    sum += kb * 1024;
  }
  return sum;
}

// crowd: threads that wait for one condition; as many of n as the system has.
void crowd(const shape& s) {
  std::mutex guard;
  std::condition_variable changed;
  std::int64_t begun = 0;
  bool open = false;
  auto body = [&] {
    std::unique_lock held(guard);
    ++begun;
    changed.notify_all();
    changed.wait(held, [&] { return open; });
  };
  const std::int64_t before = bench::resident_bytes() + kernel_bytes();
  std::vector<pthread_t> all;
  for (pthread_t t{}; static_cast<std::int64_t>(all.size()) < s.n && start_thread(t, &body);)
    all.push_back(t);
  const auto count = static_cast<std::int64_t>(all.size());
  bench::require(count > 0, "the system has no threads");
  {
    std::unique_lock held(guard);
    changed.wait(held, [&] { return begun == count; });
  }
  const std::int64_t grown = bench::resident_bytes() + kernel_bytes() - before;
  const auto start = clock_type::now();
  {
    const std::lock_guard held(guard);
    open = true;
  }
  changed.notify_all();
  for (auto& t : all) pthread_join(t, nullptr);
  say("wake", bench::ns_each(start, count), "ns");
  say("parked_bytes", static_cast<double>(grown) / static_cast<double>(count), "B");
  say("how_many", static_cast<double>(count), "n");
}

void cpu_tasks(const shape& s) {
  const auto steps = bench::burn_steps(std::chrono::microseconds(100));
  const auto start = clock_type::now();
  together(s.n, [steps] { bench::burn(steps); });
  say("cpu_tasks", bench::ns_each(start, s.n) / 1000, "us");
}

// cpu_loops: the same work by one thread for each processor, which is all that there is to gain.
void cpu_loops(const shape& s) {
  const auto steps = bench::burn_steps(std::chrono::microseconds(100));
  const auto start = clock_type::now();
  together(bench::processors(), [&] {
    for (std::int64_t i = 0; i < s.n / bench::processors(); ++i) bench::burn(steps);
  });
  say("cpu_loops", bench::ns_each(start, s.n) / 1000, "us");
}

constexpr bench::row rows[] = {
    {"yield", {2, 1'000'000}, yield},
    {"spawn_join", {1000, 20'000}, spawn_join},
    {"channel_unbuffered", {1, 200'000}, channel_unbuffered},
    {"channel_128", {1, 1'000'000}, channel_128},
    {"channel_many", {8, 200'000}, channel_many},
    {"channel_many_128", {8, 500'000}, channel_many_128},
    {"mutex", {1, 10'000'000}, mutex},
    {"rwmutex_read", {1, 5'000'000}, rwmutex_read},
    {"crowd", {10'000, 0}, crowd},
    {"cpu_tasks", {1000, 0}, cpu_tasks},
    {"cpu_loops", {1000, 0}, cpu_loops},
};

[[noreturn]] void echo() {
  const int listener = bench::listen_here(0);
  for (;;) {
    const int conn = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (conn < 0) continue;
    bench::no_delay(conn);
    std::thread([conn] { bench::serve(conn); }).detach();
  }
}

// keep_to_one_cpu: what one processor means to threads. The clients of servers stay free.
void keep_to_one_cpu() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_ZERO(&allowed);
    CPU_SET(cpu, &allowed);
    sched_setaffinity(0, sizeof allowed, &allowed);
    return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (bench::processors() == 1) keep_to_one_cpu();
  if (argc == 2 && std::string_view(argv[1]) == "echo") echo();
  return bench::main_of(rows, argc, argv,
                        [](const shape& s, void (*run)(const shape&)) { run(s); });
}
