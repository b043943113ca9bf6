#pragma once

// limit: how long a call may wait. Every call of weft that may wait takes one as its optional last
// argument:
//
//   jobs.recv(50ms)                      a duration from now
//   conn.read(buffer, ctx)               until the context is cancelled or its deadline passes
//   listener.accept(stop_token)          until a stop is requested
//   conn.read(buffer, {ctx, 2s})         two of these, of whatever kinds: what comes first
//   lock.try_lock_until(time_point)      a point of std::chrono::steady_clock
//
// What is ready at once is done even if the limit has passed already. A wait that a limit ends
// reports errc::timeout (deadline) or errc::cancelled, by value, and leaves the object as it was.
//
// Input and output (accept, dial, read, write, names, files, processes) observe the context of the
// scope they are made in (context::current()) besides, without being told. context.h's `shield`
// keeps that out.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace weft {

class context;
class limit;

namespace sched {
class cancel_source;
struct limits;
}  // namespace sched

namespace detail {

// in_ns: nanoseconds, rounded up: 0 for what is not positive; the largest number for what is too
// long to count.
template <class Rep, class Period>
constexpr std::int64_t in_ns(std::chrono::duration<Rep, Period> d) noexcept {
  constexpr std::chrono::duration<double> countable = std::chrono::hours(24 * 365 * 100);
  if (!(d > d.zero())) return 0;
  if (std::chrono::duration_cast<std::chrono::duration<double>>(d) >= countable) {
    return std::numeric_limits<std::int64_t>::max();
  }
  return std::chrono::ceil<std::chrono::nanoseconds>(d).count();
}

// single_limit: what a limit is made of.
template <class T>
concept single_limit =
    !std::same_as<std::remove_cvref_t<T>, limit> && std::convertible_to<T, limit>;

}  // namespace detail

class limit {
 public:
  using clock = std::chrono::steady_clock;

  // limit: none: waits for ever.
  limit() noexcept = default;

  // A duration from now. Negative ones have passed; ones too large to add mean for ever.
  template <class Rep, class Period>
  limit(std::chrono::duration<Rep, Period> d) noexcept : deadline_ns_(after(detail::in_ns(d))) {}

  // A point in time.
  template <class Duration>
  limit(std::chrono::time_point<clock, Duration> t) noexcept
      : deadline_ns_(detail::in_ns(t.time_since_epoch())) {}

  // A context: its cancellation and its deadline. A loan: the context must outlive the limit, which
  // is the call.
  limit(const context& ctx) noexcept;

  // A stop_token, bridged for this one call (an allocation and the registration of a callback). Who
  // waits often under one token makes a context of it once: with_stop_token().
  limit(std::stop_token token);

  // Two of these, of whatever kinds: what comes first ends the wait.
  template <detail::single_limit A, detail::single_limit B>
  limit(A&& a, B&& b) : limit(std::forward<A>(a)) {
    also(limit(std::forward<B>(b)));
  }

  limit(const limit& other) noexcept = default;
  limit(limit&& other) noexcept = default;
  limit& operator=(const limit&) = delete;
  ~limit() = default;

  // deadline_ns: on clock, since its epoch; `never` when there is none.
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  [[nodiscard]] std::int64_t deadline_ns() const noexcept { return deadline_ns_; }

  // raw: what the runtime's waits take; a loan. raw_io: of input and output, which observe the
  // scope they are made in as well.
  [[nodiscard]] sched::limits raw() const noexcept;
  [[nodiscard]] sched::limits raw_io() const noexcept;

 private:
  // source: what can cancel; a context's is borrowed, a bridged token's is owned.
  class source {
   public:
    source() noexcept = default;
    source(sched::cancel_source* of, bool owned) noexcept : of_(of), owned_(owned) {}
    source(const source& other) noexcept : of_(other.of_), owned_(other.owned_) {
      if (owned_) retain();
    }
    source(source&& other) noexcept : of_(other.of_), owned_(std::exchange(other.owned_, false)) {}
    source& operator=(source other) noexcept {
      std::swap(of_, other.of_);
      std::swap(owned_, other.owned_);
      return *this;
    }
    ~source() {
      if (owned_) drop();
    }
    [[nodiscard]] sched::cancel_source* get() const noexcept { return of_; }

   private:
    void retain() const noexcept;
    void drop() noexcept;

    sched::cancel_source* of_ = nullptr;
    bool owned_ = false;
  };

  // after: `ns` from now.
  static std::int64_t after(std::int64_t ns) noexcept;
  void also(limit&& other) noexcept {
    if (other.deadline_ns_ < deadline_ns_) deadline_ns_ = other.deadline_ns_;
    second_ = std::move(other.first_);
  }

  std::int64_t deadline_ns_ = never;
  source first_;
  source second_;
};

}  // namespace weft
