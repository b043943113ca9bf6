#pragma once

// time: sleeping, and channels that tick.
//
//   weft::sleep_for(50ms);
//   weft::ticker every(1s);
//   for (auto at : every.channel()) report(at);
//
// All of it works on plain threads as well.

#include <weft/channel.h>
#include <weft/error.h>
#include <weft/limit.h>

#include <chrono>
#include <cstdint>

namespace weft {

namespace detail {
[[nodiscard]] result<void> sleep_until_ns(std::int64_t deadline_ns, const limit& l) noexcept;
}

// sleep_for, sleep_until: wait for at least that long; not at all if it is not positive, or past.
// An error (errc::timeout, errc::cancelled) means that `l` ended the sleep before.
template <class Rep, class Period>
result<void> sleep_for(std::chrono::duration<Rep, Period> d, const limit& l = {}) {
  return detail::sleep_until_ns(limit(d).deadline_ns(), l);
}
template <class Duration>
result<void> sleep_until(std::chrono::time_point<limit::clock, Duration> t, const limit& l = {}) {
  return detail::sleep_until_ns(limit(t).deadline_ns(), l);
}

// timer: a channel that has a value, the time it was due, once after a while (at once if that is
// not positive). It costs nothing until somebody waits for it. The channel's size and capacity are
// 0.
class timer {
 public:
  using time_point = limit::clock::time_point;

  template <class Rep, class Period>
  explicit timer(std::chrono::duration<Rep, Period> d)
      : timer(limit(d).deadline_ns(), std::int64_t{0}) {}
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  // Stops it.
  ~timer() { stop(); }

  [[nodiscard]] const receiver<time_point>& channel() const noexcept { return channel_; }

  // stop: after it has returned no value arrives. True if one was still to come or to be taken.
  bool stop() noexcept { return set(limit::never, 0); }

  // reset: the value now comes after `d`; no older one arrives. Returns as stop() does.
  template <class Rep, class Period>
  bool reset(std::chrono::duration<Rep, Period> d) noexcept {
    return set(limit(d).deadline_ns(), 0);
  }

 protected:
  timer(std::int64_t due_ns, std::int64_t period_ns);
  bool set(std::int64_t due_ns, std::int64_t period_ns) noexcept;

 private:
  receiver<time_point> channel_;
};

// ticker: a channel that has a value, the time it was due, at each multiple of a period. Ticks that
// come before the last one has been taken are dropped.
class ticker : private timer {
 public:
  using timer::channel;
  using timer::time_point;

  // ticker: throws misuse_error ("non-positive interval for NewTicker").
  template <class Rep, class Period>
  explicit ticker(std::chrono::duration<Rep, Period> period) : ticker(in_ns(period)) {}

  // stop: after it has returned no tick arrives. The channel stays open: who waits keeps waiting.
  void stop() noexcept { timer::stop(); }

  // reset: from now on every `period`; no older tick arrives. Throws as the constructor does.
  template <class Rep, class Period>
  void reset(std::chrono::duration<Rep, Period> period) {
    set_period(in_ns(period));
  }

 private:
  struct nanoseconds {
    std::int64_t count;
  };
  template <class Rep, class Period>
  static nanoseconds in_ns(std::chrono::duration<Rep, Period> d) noexcept {
    return {detail::in_ns(d)};
  }
  explicit ticker(nanoseconds period);
  void set_period(nanoseconds period);
};

}  // namespace weft
