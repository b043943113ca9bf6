// weft-bench: what the basic operations cost. One row a process: weft-bench ROW prints
// "ROW VALUE UNIT"; WEFT_MAXPROCS sets the processors. bench/go asks the same questions of Go, in
// the same order, and bench/run puts the two beside each other. "weft-bench echo ADDRESS" is the
// echo server that weft-echo-load talks to.

#include <sys/resource.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>

extern "C" [[gnu::noinline]] int weft_bench_c_function(int n) {
  asm volatile("" : "+r"(n));
  return n;
}

namespace {

using clock_type = std::chrono::steady_clock;

double ns_per_item(clock_type::time_point start, std::int64_t items) {
  const std::chrono::duration<double, std::nano> took = clock_type::now() - start;
  return took.count() / static_cast<double>(items);
}

void require(bool condition, const char* text) {
  if (condition) return;
  std::fprintf(stderr, "weft-bench: %s\n", text);
  std::exit(1);
}

// yield: two goroutines take turns.
double yield() {
  constexpr int each = 2'000'000;
  weft::wait_group done;
  done.add(2);
  const auto start = clock_type::now();
  for (int g = 0; g < 2; ++g)
    weft::go([&] {
      for (int i = 0; i < each; ++i) weft::yield();
      done.done();
    });
  done.wait();
  return ns_per_item(start, 2 * each);
}

double spawn(int batches, int size) {
  const auto start = clock_type::now();
  for (int b = 0; b < batches; ++b) {
    weft::wait_group done;
    done.add(size);
    for (int i = 0; i < size; ++i) weft::go([&] { done.done(); });
    done.wait();
  }
  return ns_per_item(start, std::int64_t{batches} * size);
}

double spawn_join() { return spawn(1000, 1000); }
double spawn_million() { return spawn(1, 1'000'000); }

// channel: one sender, one receiver.
double channel(std::ptrdiff_t capacity, std::int64_t items) {
  weft::channel<std::int64_t> numbers(capacity);
  const auto start = clock_type::now();
  weft::go([numbers, items] {
    for (std::int64_t i = 0; i < items; ++i) numbers.send(i);
    numbers.close();
  });
  std::int64_t sum = 0;
  for (const std::int64_t n : numbers) sum += n;
  require(sum == items * (items - 1) / 2, "lost an item");
  return ns_per_item(start, items);
}

double channel_unbuffered() { return channel(0, 1'000'000); }
double channel_128() { return channel(128, 5'000'000); }

double mutex(int lockers, int each) {
  weft::mutex guard;
  weft::wait_group done;
  std::int64_t counter = 0;
  done.add(lockers);
  const auto start = clock_type::now();
  for (int l = 0; l < lockers; ++l)
    weft::go([&] {
      for (int i = 0; i < each; ++i) {
        guard.lock();
        ++counter;
        guard.unlock();
      }
      done.done();
    });
  done.wait();
  require(counter == std::int64_t{lockers} * each, "lost an increment");
  return ns_per_item(start, counter);
}

double mutex_1() { return mutex(1, 20'000'000); }
double mutex_8() { return mutex(8, 1'000'000); }

// skynet: a tree of goroutines, ten to a node, a million leaves, that add up their numbers.
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

double skynet() {
  weft::channel<std::int64_t> result(0);
  const auto start = clock_type::now();
  weft::go([result] { skynet_node(result, 0, 1'000'000); });
  require(*result.recv() == 499'999'500'000, "skynet added wrongly");
  const std::chrono::duration<double, std::milli> took = clock_type::now() - start;
  return took.count();
}

constexpr int parked_count = 1'000'000;

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// crowd: a million goroutines that wait for one channel to close.
class crowd {
 public:
  crowd() {
    weft::wait_group begun;
    begun.add(parked_count);
    ended_.add(parked_count);
    for (int i = 0; i < parked_count; ++i)
      weft::go([this, &begun] {
        begun.done();
        require(!gate_.recv(), "a closed channel gave a value");
        ended_.done();
      });
    begun.wait();
  }

  // release: wakes all and waits until they have ended.
  void release() {
    gate_.close();
    ended_.wait();
  }

 private:
  weft::channel<char> gate_{0};
  weft::wait_group ended_;
};

double parked_bytes() {
  const std::int64_t before = resident_bytes();
  crowd parked;
  const std::int64_t grown = resident_bytes() - before;
  parked.release();
  return static_cast<double>(grown) / parked_count;
}

double wake() {
  crowd parked;
  const auto start = clock_type::now();
  parked.release();
  return ns_per_item(start, parked_count);
}

// select_ready: one of `n` channels has a value; with the send that put it there.
template <std::size_t... I>
double select_ready(std::index_sequence<I...>) {
  constexpr int rounds = 2'000'000;
  const std::array<weft::channel<int>, sizeof...(I)> all{((void)I, weft::channel<int>(1))...};
  std::int64_t sum = 0;
  const auto start = clock_type::now();
  for (int i = 0; i < rounds; ++i) {
    all[static_cast<std::size_t>(i) % all.size()].send(1);
    weft::select(weft::recv(all[I], [&](int n) { sum += n; })...);
  }
  require(sum == rounds, "a select lost a value");
  return ns_per_item(start, rounds);
}

// select_blocking: the one who selects waits, the one who sends waits for it.
template <std::size_t... I>
double select_blocking(std::index_sequence<I...>) {
  constexpr int rounds = 1'000'000;
  const std::array<weft::channel<int>, sizeof...(I)> all{((void)I, weft::channel<int>(0))...};
  std::int64_t sum = 0;
  const auto start = clock_type::now();
  weft::go([all] {
    for (int i = 0; i < rounds; ++i) all[static_cast<std::size_t>(i) % all.size()].send(1);
  });
  for (int i = 0; i < rounds; ++i) weft::select(weft::recv(all[I], [&](int n) { sum += n; })...);
  require(sum == rounds, "a select lost a value");
  return ns_per_item(start, rounds);
}

double select_ready_2() { return select_ready(std::make_index_sequence<2>()); }
double select_ready_4() { return select_ready(std::make_index_sequence<4>()); }
double select_blocking_2() { return select_blocking(std::make_index_sequence<2>()); }
double select_blocking_4() { return select_blocking(std::make_index_sequence<4>()); }

double timer_start_stop() {
  constexpr int rounds = 2'000'000;
  const auto start = clock_type::now();
  for (int i = 0; i < rounds; ++i) {
    weft::timer t(std::chrono::hours(1));
    require(t.stop(), "a timer of an hour has ended");
  }
  return ns_per_item(start, rounds);
}

// sleepers: a million goroutines sleep for a second.
void sleepers() {
  constexpr int count = 1'000'000;
  weft::wait_group all;
  all.add(count);
  for (int i = 0; i < count; ++i)
    weft::go([&all] {
      weft::sleep_for(std::chrono::seconds(1));
      all.done();
    });
  all.wait();
}

double sleepers_wall() {
  const auto start = clock_type::now();
  sleepers();
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

double sleepers_cpu() {
  sleepers();
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// c_call: a call of a C function, from a goroutine.
double c_call() {
  constexpr int rounds = 50'000'000;
  const auto start = clock_type::now();
  for (int i = 0; i < rounds; ++i) weft_bench_c_function(i);
  return ns_per_item(start, rounds);
}

struct row {
  std::string_view name;
  const char* unit;
  double (*run)();
};

constexpr row rows[] = {
    {"yield", "ns", yield},
    {"spawn_join", "ns", spawn_join},
    {"spawn_1m", "ns", spawn_million},
    {"channel_unbuffered", "ns", channel_unbuffered},
    {"channel_128", "ns", channel_128},
    {"mutex_1", "ns", mutex_1},
    {"mutex_8", "ns", mutex_8},
    {"skynet", "ms", skynet},
    {"parked_bytes", "B", parked_bytes},
    {"wake", "ns", wake},
    {"select_ready_2", "ns", select_ready_2},
    {"select_ready_4", "ns", select_ready_4},
    {"select_blocking_2", "ns", select_blocking_2},
    {"select_blocking_4", "ns", select_blocking_4},
    {"timer_start_stop", "ns", timer_start_stop},
    {"sleepers_1m", "s", sleepers_wall},
    {"sleepers_1m_cpu", "s", sleepers_cpu},
    {"c_call", "ns", c_call},
};

// echo: a goroutine and a 4 KiB buffer per connection, for ever.
int echo(const char* address) {
  auto listener = weft::net::listen("tcp", address);
  if (!listener) {
    std::fprintf(stderr, "weft-bench: %s\n", listener.error().message().c_str());
    return 1;
  }
  std::printf("listening on %s\n", listener->local_address().to_string().c_str());
  std::fflush(stdout);
  while (auto accepted = listener->accept())
    weft::go([conn = std::move(*accepted)]() mutable {
      char buffer[4096];
      while (auto n = conn.read(buffer))
        if (!conn.write({buffer, *n})) return;
    });
  return 1;
}

// unfit: why the figures of this build would mean nothing, or null.
#if defined(__has_feature)
#define WEFT_BENCH_HAS_FEATURE(x) __has_feature(x)
#else
#define WEFT_BENCH_HAS_FEATURE(x) 0
#endif
#if !defined(NDEBUG) || !defined(__OPTIMIZE__)
constexpr const char* unfit = "a debug build measures nothing: use the release preset";
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    WEFT_BENCH_HAS_FEATURE(address_sanitizer) || WEFT_BENCH_HAS_FEATURE(thread_sanitizer)
constexpr const char* unfit = "a sanitizer build measures nothing: use the release preset";
#else
constexpr const char* unfit = nullptr;
#endif

#if defined(__clang__)
constexpr const char* compiler = "clang " __clang_version__;
#else
constexpr const char* compiler = "g++ " __VERSION__;
#endif

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "rows") {
    for (const auto& r : rows)
      std::printf("%.*s\n", static_cast<int>(r.name.size()), r.name.data());
    return 0;
  }
  if (unfit != nullptr) {
    std::fprintf(stderr, "weft-bench: %s\n", unfit);
    return 2;
  }
  if (what == "build") return std::puts(compiler) < 0;
  if (what == "echo" && argc == 3) return weft::run([&] { return echo(argv[2]); });
  for (const auto& r : rows) {
    if (r.name != what) continue;
    const double value = weft::run(r.run);
    std::printf("%.*s %.2f %s\n", static_cast<int>(r.name.size()), r.name.data(), value, r.unit);
    return 0;
  }
  std::fputs("usage: weft-bench ROW | rows | build | echo ADDRESS\n", stderr);
  return 2;
}
