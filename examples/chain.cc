// chain: 10,000 goroutines in a row, each waiting for its right neighbour's number, which it passes
// on one larger. A goroutine that waits costs memory, no thread.
//
//   $ ./chain
//   10000 goroutines wait
//   10000

#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <cstdio>

int main() {
  return weft::run([] {
    constexpr int links = 10'000;
    weft::scope chain;
    const weft::channel<int> leftmost(0);
    weft::channel<int> left = leftmost;
    for (int i = 0; i < links; ++i) {
      const weft::channel<int> right(0);
      chain.go([left, right] { left.send(right.recv().value() + 1); });
      left = right;
    }
    std::printf("%zu goroutines wait\n", weft::goroutine_count() - 1);  // all but this one
    left.send(0);
    std::printf("%d\n", leftmost.recv().value());
    return 0;
  });
}
