// fan_out: one channel is read by several goroutines (fan-out), each of which answers on a channel
// of its own, and merge joins those into one (fan-in), closed when the last of them is. The
// channels are ends: a stage gets a receiver and cannot send into what it reads.
//
//   $ ./fan_out
//   17984 primes below 200000, the last of them 199999

#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace {

bool is_prime(int n) {
  for (int d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return n > 1;
}

weft::receiver<int> numbers_below(weft::scope& in, int end) {
  const weft::channel<int> out(64);
  in.go([=] {
    for (int n = 2; n < end; ++n) out.send(n);
    out.close();
  });
  return out;
}

weft::receiver<int> primes_of(weft::scope& in, const weft::receiver<int>& numbers) {
  const weft::channel<int> out(64);
  in.go([=] {
    for (const int n : numbers) {
      if (is_prime(n)) out.send(n);
    }
    out.close();
  });
  return out;
}

weft::receiver<int> merge(weft::scope& in, const std::vector<weft::receiver<int>>& sources) {
  const weft::channel<int> out(64);
  in.go([=] {
    weft::wait_group drained;
    for (const auto& source : sources) {
      drained.go([&source, &out] {
        for (const int n : source) out.send(n);
      });
    }
    drained.wait();
    out.close();
  });
  return out;
}

}  // namespace

int main() {
  return weft::run([] {
    weft::scope all;
    const auto numbers = numbers_below(all, 200'000);
    std::vector<weft::receiver<int>> workers;
    for (int i = 0; i < 4; ++i) workers.push_back(primes_of(all, numbers));
    int count = 0, last = 0;
    for (const int prime : merge(all, workers)) {
      ++count;
      last = std::max(last, prime);
    }
    std::printf("%d primes below 200000, the last of them %d\n", count, last);
    return 0;
  });
}
