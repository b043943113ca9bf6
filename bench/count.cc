// weft-count: what operations cost in instructions, which repeat where nanoseconds do not. Runs
// under callgrind alone, on one processor: each row first warms up, then is counted between two
// client requests, and callgrind writes a part of its profile with the row's name. bench/run count
// reads them. "weft-count rows" prints "NAME OPERATIONS" for each.
//
// "weft-count lines ROW PROCESSORS" does one row on all processors at once, each with objects of
// its own, for bench/run lines, which looks at every access to memory between two stores to
// weft_count_marks.

#include <valgrind/callgrind.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

// The first is stored to where the window begins, the second where it ends; a line each.
extern "C" {
alignas(64) volatile long weft_count_marks[16];
}

namespace {

// Enough that chance (select's choice of a first case) is far below a per cent.
constexpr int rounds = 5000;
constexpr int warming = 500;

void switch_(int n) {
  weft::wait_group done;
  for (int g = 0; g < 2; ++g)
    done.go([n] {
      for (int i = 0; i < n / 2; ++i) weft::yield();
    });
  done.wait();
}

void spawn(int n) {
  const int batch = std::min(n, 100);
  for (int b = 0; b < n / batch; ++b) {
    weft::wait_group done;
    done.add(batch);
    for (int i = 0; i < batch; ++i) weft::go([&done] { done.done(); });
    done.wait();
  }
}

void pass(std::ptrdiff_t capacity, int n) {
  const weft::channel<int> numbers(capacity);
  weft::go([numbers, n] {
    for (int i = 0; i < n; ++i) numbers.send(i);
    numbers.close();
  });
  for (const int number : numbers) static_cast<void>(number);
}

void channel_unbuffered(int n) { pass(0, n); }
void channel_128(int n) { pass(128, n); }

void select_ready(int n) {
  const std::array<weft::channel<int>, 2> both{weft::channel<int>(1), weft::channel<int>(1)};
  for (int i = 0; i < n; ++i) {
    both[static_cast<std::size_t>(i % 2)].send(i);
    weft::select(weft::recv(both[0]), weft::recv(both[1]));
  }
}

void select_blocking(int n) {
  const std::array<weft::channel<int>, 2> both{weft::channel<int>(0), weft::channel<int>(0)};
  weft::go([both, n] {
    for (int i = 0; i < n; ++i) both[static_cast<std::size_t>(i % 2)].send(i);
  });
  for (int i = 0; i < n; ++i) weft::select(weft::recv(both[0]), weft::recv(both[1]));
}

void mutex(int n) {
  weft::mutex guard;
  for (int i = 0; i < n; ++i) const std::lock_guard held(guard);
}

void timer(int n) {
  for (int i = 0; i < n; ++i) {
    weft::timer t(std::chrono::hours(1));
    t.stop();
  }
}

// everywhere: `run` on all processors, a few operations at a time: in between a thread lets others
// have their turn, of an emulator that runs one at a time. The window is open while all are busy.
void everywhere(void (*run)(int), int processors) {
  constexpr int steps = 12;
  constexpr int operations = 20;
  struct alignas(64) progress {
    std::atomic<int> done = 0;
  };
  std::vector<progress> of(static_cast<std::size_t>(processors));
  std::atomic<int> missing = processors;
  std::atomic<bool> over = false;
  weft::wait_group all;
  for (auto& mine : of)
    all.go([&] {
      run(operations);  // with its stacks and records at hand
      // None goes on before each has a processor. Orders: all of this is before the window.
      const bool last = missing.fetch_sub(1) == 1;
      while (missing.load() > 0) std::this_thread::yield();
      if (last) weft_count_marks[0] = 1;
      for (int i = 0; i < steps; ++i) {
        run(operations);
        mine.done.store((i + 1) * operations, std::memory_order_relaxed);
        std::this_thread::yield();
      }
      if (over.exchange(true)) return;
      weft_count_marks[8] = 1;
      int sum = 0;
      for (const auto& each : of) sum += each.done.load(std::memory_order_relaxed);
      std::printf("operations %d\n", sum);
    });
  all.wait();
}

struct row {
  const char* name;
  void (*run)(int n);
};

constexpr row rows[] = {
    {"switch", switch_},
    {"spawn", spawn},
    {"channel_unbuffered", channel_unbuffered},
    {"channel_128", channel_128},
    {"select_ready", select_ready},
    {"select_blocking", select_blocking},
    {"mutex", mutex},
    {"timer", timer},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "rows") {
    for (const row& r : rows) std::printf("%s %d\n", r.name, rounds);
    return 0;
  }
  if (argc == 2 && std::string_view(argv[1]) == "compiler") {
#if defined(__clang__)
    std::printf("clang-%d.%d.%d\n", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    std::printf("g++-%d.%d.%d\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    return 0;
  }
  if (argc == 4 && std::string_view(argv[1]) == "lines") {
    const int processors = std::atoi(argv[3]);
    std::printf("marks %p\n", const_cast<long*>(weft_count_marks));
    std::fflush(stdout);
    for (const row& r : rows)
      if (std::string_view(argv[2]) == r.name)
        weft::run([&] { everywhere(r.run, processors); },
                  {.max_procs = static_cast<unsigned>(processors)});
    return 0;
  }
  weft::run(
      [] {
        for (const row& r : rows) {
          r.run(warming);
          CALLGRIND_ZERO_STATS;
          r.run(rounds);
          CALLGRIND_DUMP_STATS_AT(r.name);
        }
      },
      {.max_procs = 1});
  return 0;
}
