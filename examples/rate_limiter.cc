// rate_limiter: a buffered channel holds permits: a burst of them to begin with, then one more at
// each tick, if there is room. Ten requests against a burst of four: four go at once, the others
// follow the ticker.
//
//   $ ./rate_limiter
//   request 0 after 0 ms
//   ...
//   6 requests waited for 6 ticks

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/limit.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/time.h>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

namespace {

class rate_limiter {
 public:
  rate_limiter(int burst, std::chrono::milliseconds every) : permits_(burst) {
    for (int i = 0; i < burst; ++i) permits_.send({});
    refilling_.go([this, every] { refill(every); });
  }
  ~rate_limiter() { refilling_.cancel(); }

  // wait: until a permit is there.
  weft::result<void> wait(const weft::limit& l = {}) {
    auto got = permits_.recv(l);
    if (!got) return std::unexpected(got.error());
    return {};
  }

 private:
  struct permit {};

  void refill(std::chrono::milliseconds every) {
    weft::ticker ticks(every);
    while (ticks.channel().recv(refilling_.context())) {
      static_cast<void>(permits_.try_send({}));  // a full channel is a burst saved up
    }
  }

  weft::channel<permit> permits_;
  weft::scope refilling_;  // ends first: its goroutine uses the channel
};

}  // namespace

int main() {
  return weft::run([] {
    using clock = weft::limit::clock;
    constexpr int requests = 10, burst = 4;
    constexpr auto every = 20ms;
    const auto start = clock::now();
    rate_limiter limiter(burst, every);
    for (int i = 0; i < requests; ++i) {
      if (auto permitted = limiter.wait(10s); !permitted) {
        std::fprintf(stderr, "rate_limiter: %s\n", permitted.error().message().c_str());
        return 1;
      }
      const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - start);
      std::printf("request %d after %ld ms\n", i, static_cast<long>(at.count()));
    }
    constexpr int waited = requests - burst;
    if (clock::now() - start < waited * every) return 1;
    std::printf("%d requests waited for %d ticks\n", waited, waited);
    return 0;
  });
}
