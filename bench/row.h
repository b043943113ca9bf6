#pragma once

// row: what the benchmark programs written in C++ share: a table of rows and their command line.
//
//   PROGRAM ROW [n=N] [effort=F]   measures and prints "NAME VALUE UNIT", a line for each figure
//   PROGRAM rows                   names the rows
//   PROGRAM build                  names the compiler; fails in a build whose figures mean nothing
//
// N is how many goroutines (threads, tasks, connections) take part; F scales how often they do what
// is measured, 1 being the length for figures to keep. bench/go and bench/tokio read the same.

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string_view>

namespace bench {

using clock_type = std::chrono::steady_clock;

// shape: how large a row is measured. `operations` is the sum over all that take part.
struct shape {
  std::int64_t n;
  std::int64_t operations;

  // each: operations of one of `shares` (n, unless said), at least one.
  [[nodiscard]] std::int64_t each(std::int64_t shares) const {
    return operations > shares ? operations / shares : 1;
  }
  [[nodiscard]] std::int64_t each() const { return each(n); }
};

struct row {
  const char* name;
  shape usual;
  void (*run)(const shape&);
};

inline void say(const char* name, double value, const char* unit) {
  std::printf("%s %.3f %s\n", name, value, unit);
}

inline void require(bool condition, const char* text) {
  if (condition) return;
  std::fprintf(stderr, "benchmark: %s\n", text);
  std::_Exit(1);
}

inline double ns_since(clock_type::time_point start) {
  return std::chrono::duration<double, std::nano>(clock_type::now() - start).count();
}

inline double ns_each(clock_type::time_point start, std::int64_t items) {
  return ns_since(start) / static_cast<double>(items);
}

inline std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

inline double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// processors: of WEFT_MAXPROCS, which bench/run sets for every program; 1 without it.
inline int processors() {
  const char* text = std::getenv("WEFT_MAXPROCS");
  const int n = text == nullptr ? 1 : std::atoi(text);
  return n > 0 ? n : 1;
}

// burn: computes for a while and touches no memory; 1,000 steps are about a microsecond.
inline void burn(std::int64_t steps) {
  std::uint64_t x = 88172645463325252U;
  for (std::int64_t i = 0; i < steps; ++i) {
    x ^= x << 7U;
    x ^= x >> 9U;
    asm volatile("" : "+r"(x));
  }
}

// burn_steps: how many take `d` on this machine when nothing is in the way: the best of nine.
inline std::int64_t burn_steps(std::chrono::nanoseconds d) {
  constexpr std::int64_t tried = 200'000;
  double best = 1e18;
  for (int i = 0; i < 9; ++i) {
    const auto start = clock_type::now();
    burn(tried);
    const double took = ns_since(start);
    if (took < best) best = took;
  }
  return static_cast<std::int64_t>(static_cast<double>(d.count()) * tried / best);
}

// unfit: why the figures of this build would mean nothing, or null.
#if defined(__has_feature)
#define WEFT_BENCH_HAS_FEATURE(x) __has_feature(x)
#else
#define WEFT_BENCH_HAS_FEATURE(x) 0
#endif
#if !defined(NDEBUG) || !defined(__OPTIMIZE__)
inline constexpr const char* unfit = "a debug build measures nothing: use the release preset";
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    WEFT_BENCH_HAS_FEATURE(address_sanitizer) || WEFT_BENCH_HAS_FEATURE(thread_sanitizer)
inline constexpr const char* unfit = "a sanitizer build measures nothing: use the release preset";
#else
inline constexpr const char* unfit = nullptr;
#endif

#if defined(__clang__)
inline constexpr const char* compiler = "clang " __clang_version__;
#else
inline constexpr const char* compiler = "g++ " __VERSION__;
#endif

// number_of: what follows `key` in argv, or `otherwise`.
inline double number_of(int argc, char** argv, std::string_view key, double otherwise) {
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with(key)) return std::atof(argv[i] + key.size());
  }
  return otherwise;
}

// main_of: the command line above. `inside` calls its second argument with its first where the
// rows are meant to run: in a runtime, or right here.
template <class Inside>
int main_of(std::span<const row> rows, int argc, char** argv, Inside inside) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "rows") {
    for (const row& r : rows) std::puts(r.name);
    return 0;
  }
  if (unfit != nullptr) {
    std::fprintf(stderr, "benchmark: %s\n", unfit);
    return 2;
  }
  if (what == "build") return std::puts(compiler) < 0;
  for (const row& r : rows) {
    if (what != r.name) continue;
    const auto n = number_of(argc, argv, "n=", static_cast<double>(r.usual.n));
    const auto operations =
        number_of(argc, argv, "effort=", 1) * static_cast<double>(r.usual.operations);
    const shape s{static_cast<std::int64_t>(n), static_cast<std::int64_t>(operations)};
    inside(s, r.run);
    return 0;
  }
  std::fprintf(stderr, "usage: %s ROW [n=N] [effort=F] | rows | build\n", argv[0]);
  return 2;
}

}  // namespace bench
