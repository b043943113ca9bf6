#include "crowd.h"

#include <weft/goroutine.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

namespace libraries {

void expect(bool truth, const char* detail, std::source_location at) {
  if (truth) return;
  std::printf("FAIL %s:%u: %s\n", at.file_name(), static_cast<unsigned>(at.line()), detail);
  std::fflush(stdout);
  std::_Exit(1);  // goroutines stand in calls that nobody will end
}

ticker::ticker() {
  running_.go({.name = "ticker"}, [this] { run(); });
}

void ticker::run() {
  while (!ends_) {
    const auto due = clock::now() + 1ms;
    expect(weft::sleep_until(due).has_value());
    const std::chrono::nanoseconds late = clock::now() - due;
    late_sum_ += late;
    late_worst_ = std::max(late_worst_, late);
    ++ticks_;
    ticks_.notify_all();
  }
}

void ticker::wait_for(int ticks) const noexcept {
  for (int now = ticks_; now < ticks; now = ticks_) ticks_.wait(now);
}

void ticker::finish() {
  if (ends_.exchange(true)) return;
  running_.wait().value();
  const auto in_ms = [](auto d) { return std::chrono::duration<double, std::milli>(d).count(); };
  const int n = ticks_;
  std::printf("%d ticks in %.0f ms, late by %.2f ms on average, by %.1f ms at worst\n", n,
              in_ms(clock::now() - begun_), in_ms(late_sum_) / n, in_ms(late_worst_));
}

std::int64_t play(const ticker& t, const parts& p) {
  std::atomic<std::int64_t> calls{0};
  std::atomic<int> end{0};
  std::atomic<int> out{0};
  weft::wait_group crowd;
  for (int i = 0; i < size; ++i) {
    crowd.go([&, i] {
      weft::set_name("crowd");
      p.held(i);
      ++out;
      int round = 0;
      while (round < p.ordinary_min || t.ticks() < end) p.ordinary(i, round++);
      calls += round;
    });
  }
  wait_until(p.all_inside);
  const int inside = t.ticks();
  wait_until([&] { return t.ticks() >= inside + ticks_each; });
  expect(out == 0, "somebody came out before");
  end = t.ticks() + ticks_each;
  p.release();
  crowd.wait().value();
  return calls;
}

}  // namespace libraries
