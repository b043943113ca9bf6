#pragma once

// limit: how long a call may wait. Every call of weft that may wait takes one as its optional last
// argument:
//
//   jobs.recv(50ms)                      a duration from now
//   conn.read(buffer, ctx)               until the context is cancelled or its deadline passes
//   conn.read(buffer, {ctx, 2s})         whichever comes first
//   listener.accept(stop_token)          until a stop is requested
//   lock.try_lock_until(time_point)      a point of std::chrono::steady_clock
//
// What is ready at once is done even if the limit has passed already. A wait that a limit ends
// reports errc::timeout (deadline) or errc::cancelled, by value, and leaves the object as it was.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <stop_token>

namespace weft {

class context;

namespace sched {
class cancel_source;
struct limits;
}  // namespace sched

class limit {
 public:
  using clock = std::chrono::steady_clock;

  // limit: none: waits for ever.
  limit() noexcept = default;

  // A duration from now. Negative ones have passed; ones too large to add mean for ever.
  template <class Rep, class Period>
  limit(std::chrono::duration<Rep, Period> d) noexcept : deadline_ns_(from_now(d)) {}

  // A point in time.
  template <class Duration>
  limit(std::chrono::time_point<clock, Duration> t) noexcept
      : deadline_ns_(std::chrono::ceil<std::chrono::nanoseconds>(t.time_since_epoch()).count()) {}

  // A context: its cancellation and its deadline. A loan: the context must outlive the call.
  limit(const context& ctx) noexcept;
  limit(const context& ctx, limit also) noexcept : limit(ctx) { earlier(also); }

  // A stop_token, bridged for this one call (an allocation and the registration of a callback). Who
  // waits often under one token makes a context of it once: with_stop_token().
  limit(std::stop_token token);
  limit(std::stop_token token, limit also) : limit(std::move(token)) { earlier(also); }

  limit(const limit& other) noexcept;
  limit(limit&& other) noexcept;
  limit& operator=(const limit&) = delete;
  ~limit() {
    if (owned_) drop();
  }

  // deadline_ns: on clock, since its epoch; `never` when there is none.
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  [[nodiscard]] std::int64_t deadline_ns() const noexcept { return deadline_ns_; }

  // raw: what the runtime's waits take.
  [[nodiscard]] sched::limits raw() const noexcept;

 private:
  template <class Rep, class Period>
  static std::int64_t from_now(std::chrono::duration<Rep, Period> d) noexcept {
    using seconds = std::chrono::duration<double>;
    if (std::chrono::duration_cast<seconds>(d) >= std::chrono::hours(24 * 365 * 100)) return never;
    if (d <= d.zero()) return 0;
    return after(std::chrono::ceil<std::chrono::nanoseconds>(d).count());
  }
  static std::int64_t after(std::int64_t ns) noexcept;
  void earlier(const limit& also) noexcept {
    if (also.deadline_ns_ < deadline_ns_) deadline_ns_ = also.deadline_ns_;
  }
  void drop() noexcept;

  std::int64_t deadline_ns_ = never;
  sched::cancel_source* source_ = nullptr;
  bool owned_ = false;
};

}  // namespace weft
