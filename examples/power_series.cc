// power_series: a power series is a channel of its coefficients, an operation on series is a
// goroutine, and a series may be defined by itself: exp is the integral of exp, plus 1; tan the
// integral of 1 + tan * tan. Each goroutine computes what the next one asks for, and no more.
//
//   $ ./power_series
//   exp: 1 1 1/2 1/6 1/24 1/120 1/720 1/5040 1/40320 1/362880
//   tan: 0 1 0 1/3 0 2/15 0 17/315 0 62/2835

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/select.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <numeric>
#include <vector>

namespace {

struct rational {
  long num = 0, den = 1;
};
rational reduced(long num, long den) {
  const long by = std::gcd(num, den);
  return {num / by, den / by};
}
rational operator+(rational a, rational b) {
  return reduced(a.num * b.den + b.num * a.den, a.den * b.den);
}
rational operator*(rational a, rational b) { return reduced(a.num * b.num, a.den * b.den); }

using series = weft::channel<rational>;

// calculator: starts the goroutines, which end when it does, wherever they wait.
class calculator {
 public:
  ~calculator() { goroutines_.cancel(); }

  // integral: constant + the integral of `in` into `out`.
  void integral(rational constant, const series& in, const series& out) {
    goroutines_.go([this, constant, in, out] {
      if (!out.send(constant, ctx())) return;
      for (long n = 1; auto c = in.recv(ctx()); ++n) {
        if (!out.send(*c * rational{1, n}, ctx())) return;
      }
    });
  }

  // one_plus_square: 1 + the square of `in` into `out`.
  void one_plus_square(const series& in, const series& out) {
    goroutines_.go([this, in, out] {
      std::vector<rational> known;
      while (auto next = in.recv(ctx())) {
        known.push_back(*next);
        rational sum{known.size() == 1 ? 1 : 0, 1};
        for (std::size_t i = 0; i < known.size(); ++i) {
          sum = sum + known[i] * known[known.size() - 1 - i];
        }
        if (!out.send(sum, ctx())) return;
      }
    });
  }

  // split: all of `in` into each of two. A case with the nil channel is never chosen: that is how a
  // select leaves out what has nothing to send, and asks for more only when one of them has run
  // dry.
  void split(const series& in, const std::array<series, 2>& out) {
    goroutines_.go([this, in, out] {
      std::array<std::deque<rational>, 2> queue;
      const auto ready = [&](std::size_t i) { return queue[i].empty() ? series() : out[i]; };
      const auto next = [&](std::size_t i) { return queue[i].empty() ? rational{} : queue[i][0]; };
      while (!ctx().done()) {
        const bool dry = queue[0].empty() || queue[1].empty();
        weft::select(weft::recv(dry ? in : series(),
                                [&](rational c) {
                                  for (auto& q : queue) q.push_back(c);
                                }),
                     weft::send(ready(0), next(0), [&] { queue[0].pop_front(); }),
                     weft::send(ready(1), next(1), [&] { queue[1].pop_front(); }),
                     weft::done(ctx()));
      }
    });
  }

 private:
  const weft::context& ctx() const { return goroutines_.context(); }
  weft::scope goroutines_;
};

void print(const char* name, const series& s) {
  std::printf("%s:", name);
  for (int i = 0; i < 10; ++i) {
    const auto c = s.recv().value();
    std::printf(c.den == 1 ? " %ld" : " %ld/%ld", c.num, c.den);
  }
  std::printf("\n");
}

}  // namespace

int main() {
  return weft::run([] {
    calculator on;
    const series exp(0), exp_shown(0), exp_again(0);
    on.integral({1, 1}, exp_again, exp);
    on.split(exp, {exp_shown, exp_again});
    print("exp", exp_shown);

    const series tan(0), tan_shown(0), tan_again(0), derivative(0);
    on.one_plus_square(tan_again, derivative);
    on.integral({0, 1}, derivative, tan);
    on.split(tan, {tan_shown, tan_again});
    print("tan", tan_shown);
    return 0;
  });
}
