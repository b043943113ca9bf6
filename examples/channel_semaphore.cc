// channel_semaphore: a buffered channel as a semaphore: to send is to take one of its places, to
// receive is to give it back. Twenty downloads, of which three run at a time; one that finds no
// place within its limit is not started.
//
//   $ ./channel_semaphore
//   20 downloads, never more than 3 at once
//   the impatient one: chan send: deadline exceeded

#include <weft/channel.h>
#include <weft/error.h>
#include <weft/limit.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/time.h>

#include <atomic>
#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

namespace {

struct place {};  // values without size cost the channel no memory, whatever its capacity

class semaphore {
 public:
  explicit semaphore(int places) : taken_(places) {}
  weft::result<void> acquire(const weft::limit& l = {}) { return taken_.send(place{}, l); }
  void release() { static_cast<void>(taken_.try_recv()); }

 private:
  weft::channel<place> taken_;
};

}  // namespace

int main() {
  return weft::run([] {
    semaphore places(3);
    std::atomic<int> running{0}, most{0}, finished{0};
    {
      weft::scope downloads;
      for (int i = 0; i < 20; ++i) {
        downloads.go([&]() -> weft::result<void> {
          if (auto got = places.acquire(downloads.context()); !got) return got;
          const int now = ++running;
          for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
          }
          auto slept = weft::sleep_for(2ms, downloads.context());
          --running;
          ++finished;
          places.release();
          return slept;
        });
      }
      if (auto ended = downloads.join(); !ended) {
        std::fprintf(stderr, "channel_semaphore: %s\n", ended.error().message().c_str());
        return 1;
      }
    }
    std::printf("%d downloads, never more than %d at once\n", finished.load(), most.load());

    for (int i = 0; i < 3; ++i) static_cast<void>(places.acquire());
    const auto refused = places.acquire(10ms);
    std::printf("the impatient one: %s\n", refused ? "ran" : refused.error().message().c_str());
    return refused ? 1 : 0;
  });
}
