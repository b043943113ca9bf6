// locks: plain threads hold a std::mutex each, and a crowd locks them too. Later the threads take
// theirs again and again and keep it until the ticker has ticked.
//
//   locks

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <thread>

#include "crowd.h"

namespace {

constexpr int mutexes = 8;

struct guarded {
  std::mutex lock;
  std::int64_t count = 0;
};

}  // namespace

int main() {
  return libraries::run([] {
    std::array<guarded, mutexes> all;
    std::array<std::thread, mutexes> threads;
    std::atomic<int> locked{0}, inside{0};
    std::atomic<bool> released{false}, ends{false};
    std::int64_t calls = 0;
    {
      libraries::ticker ticks;
      for (unsigned k = 0; k < mutexes; ++k) {
        threads[k] = std::thread([&, k] {
          {
            const std::lock_guard hold(all[k].lock);
            ++locked;
            released.wait(false);
          }
          while (!ends) {
            const std::lock_guard hold(all[k].lock);
            ticks.wait_for(ticks.ticks() + 1);
          }
        });
      }
      libraries::wait_until([&] { return locked == mutexes; });
      const auto count = [&all](int i) {
        auto& [lock, n] = all[static_cast<unsigned>(i) % mutexes];
        const std::lock_guard hold(lock);
        ++n;
      };
      calls = libraries::play(ticks, {
                                         .held =
                                             [&](int i) {
                                               ++inside;
                                               count(i);
                                             },
                                         .all_inside = [&] { return inside == libraries::size; },
                                         .release =
                                             [&] {
                                               released = true;
                                               released.notify_all();
                                             },
                                         .ordinary = [&](int i, int) { count(i); },
                                     });
      ends = true;
      for (auto& t : threads) t.join();  // the ticker still ticks
    }
    std::int64_t counted = 0;
    for (const auto& one : all) counted += one.count;
    libraries::expect(counted == calls + libraries::size, "a mutex let two in");
    std::printf("%lld locks\n", static_cast<long long>(counted));
  });
}
