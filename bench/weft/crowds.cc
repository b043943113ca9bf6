// crowds: very many goroutines at once: what they take, how they wake, what they leave.

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <chrono>

#include "weft/rows.h"

namespace bench {
namespace {

// gathered: n goroutines that wait for one channel to close.
class gathered {
 public:
  explicit gathered(std::int64_t n) {
    weft::wait_group begun;
    begun.add(n);
    ended_.add(n);
    for (std::int64_t i = 0; i < n; ++i)
      weft::go([this, &begun] {
        begun.done();
        require(!gate_.recv(), "a closed channel gave a value");
        ended_.done();
      });
    begun.wait();
  }

  // release: wakes all and waits until they have ended.
  void release() {
    gate_.close();
    ended_.wait();
  }

 private:
  weft::channel<char> gate_{0};
  weft::wait_group ended_;
};

}  // namespace

// crowd: resident bytes of a parked goroutine, and what waking it costs, to its end.
void crowd(const shape& s) {
  const std::int64_t before = resident_bytes();
  gathered parked(s.n);
  const std::int64_t grown = resident_bytes() - before;
  const auto start = clock_type::now();
  parked.release();
  const double wake_ns = ns_each(start, s.n);
  say("parked_bytes", static_cast<double>(grown) / static_cast<double>(s.n), "B");
  say("wake", wake_ns, "ns");
  say("how_many", static_cast<double>(s.n), "n");
}

// sleepers: n goroutines sleep for a second: the whole, and the CPU time of the process.
void sleepers(const shape& s) {
  const auto start = clock_type::now();
  weft::wait_group all;
  all.add(s.n);
  for (std::int64_t i = 0; i < s.n; ++i)
    weft::go([&all] {
      weft::sleep_for(std::chrono::seconds(1));
      all.done();
    });
  all.wait();
  say("sleepers", ns_since(start) / 1e9, "s");
  say("sleepers_cpu", cpu_seconds(), "s");
}

// spike: resident memory five seconds after n goroutines have come and gone, in per cent of before.
void spike(const shape& s) {
  gathered(1000).release();  // what a program that has done something holds
  const std::int64_t before = resident_bytes();
  gathered(s.n).release();
  weft::sleep_for(std::chrono::seconds(5));
  const std::int64_t after = resident_bytes();
  say("spike_left", 100.0 * static_cast<double>(after) / static_cast<double>(before), "%");
  say("spike_left_mb", static_cast<double>(after - before) / 1e6, "MB");
}

}  // namespace bench
