#pragma once

// time: sleeping, and channels that tick.
//
//   weft::sleep_for(50ms);
//   weft::ticker every(1s);
//   for (auto at : every.channel()) report(at);
//
// All of it works on plain threads as well.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/error.h>
#include <weft/limit.h>
#include <weft/mutex.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <source_location>
#include <type_traits>
#include <utility>

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
  ~timer();

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

// func_timer: a function that is called after a while, each time in a goroutine of its own. It goes
// on when this handle is gone; stop() is not called. Safe from any thread at once.
class func_timer {
 public:
  // func_timer: `arm` begins to wait until a time on limit::clock.
  func_timer(std::function<stop_function(std::int64_t due_ns)> arm, std::int64_t due_ns)
      : arm_(std::move(arm)), stop_(arm_(due_ns)) {}
  func_timer(const func_timer&) = delete;
  func_timer& operator=(const func_timer&) = delete;
  ~func_timer() = default;

  // stop: true if a call was still to come, and now does not. Does not wait for one that runs.
  bool stop() {
    const std::lock_guard hold(lock_);
    return stop_();
  }

  // reset: calls it after `d` from now, and not when it was due before. Returns as stop() does. A
  // call that runs goes on, beside the next one.
  template <class Rep, class Period>
  bool reset(std::chrono::duration<Rep, Period> d) {
    const std::lock_guard hold(lock_);
    const bool was_pending = stop_();
    stop_ = arm_(limit(d).deadline_ns());
    return was_pending;
  }

 private:
  mutex lock_;
  const std::function<stop_function(std::int64_t due_ns)> arm_;
  stop_function stop_;  // guarded by lock_
};

// after_func: calls `f` after `d`, at once if that is not positive, in a goroutine of its own,
// which waits from now on in the runtime of the caller (misuse_error without one). `f` must allow
// that it is called from several goroutines, if reset() is used.
template <class Rep, class Period, class F>
func_timer after_func(std::chrono::duration<Rep, Period> d, F&& f,
                      const std::source_location& site = std::source_location::current()) {
  static_assert(std::is_invocable_v<std::decay_t<F>&>);
  auto shared = std::make_shared<std::decay_t<F>>(std::forward<F>(f));
  return {[shared, site](std::int64_t due_ns) {
            const auto due = detail::make_context(context(), due_ns).ctx;
            return after_func(due, [shared] { std::invoke(*shared); }, site);
          },
          limit(d).deadline_ns()};
}

}  // namespace weft
