// chunks: the same computation, cut into pieces, by std::thread and by goroutines: which number
// below 300,000 takes the most steps to 1 in Collatz' game (halve the even, 3n + 1 the odd).
// Threads are expensive, so each gets one large piece; goroutines are not, so there can be many
// small ones, and a piece that takes longer than the others holds nobody up.
//
//   $ ./chunks
//   std::thread     2 pieces: 230631 takes 442 steps, 61 ms
//   weft::scope   100 pieces: 230631 takes 442 steps, 58 ms

#include <weft/runtime.h>
#include <weft/scope.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

constexpr long end = 300'000;

struct best {
  long number = 1;
  int steps = 0;
};

best longest_in(long first, long last) {
  best found;
  for (long start = first; start < last; ++start) {
    int steps = 0;
    for (long n = start; n != 1; n = n % 2 == 0 ? n / 2 : 3 * n + 1) ++steps;
    if (steps > found.steps) found = {start, steps};
  }
  return found;
}

// piece: the i-th of `of` pieces. Each writes its own place in `results`, so that nobody needs a
// lock.
void piece(std::vector<best>& results, std::size_t i) {
  const auto n = static_cast<long>(results.size()), at = static_cast<long>(i);
  results[i] = longest_in(std::max(1L, end * at / n), end * (at + 1) / n);
}

std::vector<best> by_threads(std::size_t pieces) {
  std::vector<best> results(pieces);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < pieces; ++i)
    threads.emplace_back([&results, i] { piece(results, i); });
  threads.clear();  // joins them
  return results;
}

std::vector<best> by_goroutines(std::size_t pieces) {
  std::vector<best> results(pieces);
  {
    weft::scope all;  // joins at the end of the block
    for (std::size_t i = 0; i < pieces; ++i) all.go([&results, i] { piece(results, i); });
  }
  return results;
}

void show(const char* how, std::vector<best> (*compute)(std::size_t), std::size_t pieces) {
  const auto start = std::chrono::steady_clock::now();
  const auto results = compute(pieces);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  const auto [number, steps] =
      *std::max_element(results.begin(), results.end(),
                        [](const best& a, const best& b) { return a.steps < b.steps; });
  std::printf("%-11s %5zu pieces: %ld takes %d steps, %.0f ms\n", how, pieces, number, steps,
              took.count());
}

}  // namespace

int main() {
  show("std::thread", by_threads, std::max(1U, std::thread::hardware_concurrency()));
  return weft::run([] {
    show("weft::scope", by_goroutines, 100);
    return 0;
  });
}
