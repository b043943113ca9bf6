// prime_sieve: numbers flow through a chain of goroutines, each of which lets pass what its prime
// does not divide. What comes out at the end is the next prime, and gets a goroutine of its own.
// Cancelling the scope ends the chain, wherever its goroutines wait.
//
//   $ ./prime_sieve
//   the 100th prime is 541

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <cstdio>

namespace {

void count_up(const weft::sender<int>& out, const weft::context& ctx) {
  for (int n = 2; out.send(n, ctx); ++n) {
  }
}

void filter(int prime, const weft::receiver<int>& in, const weft::sender<int>& out,
            const weft::context& ctx) {
  while (auto n = in.recv(ctx)) {
    if (*n % prime != 0 && !out.send(*n, ctx)) return;
  }
}

}  // namespace

int main() {
  return weft::run([] {
    weft::scope sieve;
    weft::channel<int> numbers(0);
    sieve.go([numbers, &sieve] { count_up(numbers, sieve.context()); });
    int prime = 0;
    for (int i = 0; i < 100; ++i) {
      prime = numbers.recv().value();
      const weft::channel<int> passed(0);
      sieve.go([=, &sieve] { filter(prime, numbers, passed, sieve.context()); });
      numbers = passed;
    }
    sieve.cancel();
    std::printf("the 100th prime is %d\n", prime);
    return 0;
  });
}
