#pragma once

// context: says when to stop. A tree of values: what cancels a context cancels everything below it.
//
//   auto [ctx, cancel] = weft::with_timeout(weft::context::current(), 2s);
//   auto reply = conn.read(buffer, ctx);    // any call that waits takes a context as its limit
//   if (ctx.done()) return ctx.err();
//   cancel();                               // from any thread, as often as one likes
//
// A context is a handle: copies are the same context. All of it is safe from any thread at once.
//
// Deadlines need no timer and no runtime: a wait under a context takes its deadline along, and
// whoever asks looks at the clock.

#include <weft/error.h>
#include <weft/limit.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <utility>

namespace weft {

namespace sync {
class context_state;
}
class context;
struct cancellable;

namespace detail {
struct context_access;
[[nodiscard]] cancellable make_context(const context& parent, std::int64_t deadline_ns);
}  // namespace detail

class context {
 public:
  using clock = limit::clock;

  // context: the background: never done, no deadline.
  context() noexcept = default;
  [[nodiscard]] static context background() noexcept { return {}; }

  // current: the context of the scope that the caller was started in; elsewhere the background.
  [[nodiscard]] static context current() noexcept;

  context(const context& other) noexcept;
  context(context&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  context& operator=(context other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~context() {
    if (state_ != nullptr) drop();
  }

  // done: whether it was cancelled, its deadline has passed, or either is true of one above it.
  // Never changes back. Does not wait.
  [[nodiscard]] bool done() const noexcept;

  // err: nothing until it is done; then errc::cancelled or errc::timeout, whichever came first.
  [[nodiscard]] std::optional<error> err() const noexcept;

  // cause: as err(), but what the canceller said, if it said something.
  [[nodiscard]] std::optional<error> cause() const noexcept;

  // deadline: the earliest of its own and those above it; nothing if there is none.
  [[nodiscard]] std::optional<clock::time_point> deadline() const noexcept;

  // wait: waits until it is done. An error means that `l` ended the wait before.
  result<void> wait(const limit& l = {}) const;

  // Whether both are the same context.
  friend bool operator==(const context& a, const context& b) noexcept {
    return a.state_ == b.state_;
  }

 private:
  friend struct detail::context_access;
  explicit context(sync::context_state* counted) noexcept : state_(counted) {}
  void drop() noexcept;

  sync::context_state* state_ = nullptr;
};

// cancel_function: cancels the context it was made with. Copies cancel the same one. The first call
// decides the cause, later ones do nothing; nothing happens if one never calls it. Never waits,
// never switches. Waiters are woken before it returns, and go on at their own pace.
class cancel_function {
 public:
  void operator()() const noexcept;
  void operator()(const error& cause) const noexcept;

 private:
  friend cancellable detail::make_context(const context& parent, std::int64_t deadline_ns);
  explicit cancel_function(context target) noexcept : target_(std::move(target)) {}
  context target_;
};

// cancellable: a context and what cancels it.
struct cancellable {
  context ctx;
  cancel_function cancel;
};

// with_cancel: a context below `parent`.
[[nodiscard]] inline cancellable with_cancel(const context& parent) {
  return detail::make_context(parent, limit::never);
}

// with_deadline: a context below `parent` that is done at `when`, if the parent is not done
// earlier.
template <class Duration>
[[nodiscard]] cancellable with_deadline(const context& parent,
                                        std::chrono::time_point<context::clock, Duration> when) {
  return detail::make_context(parent, limit(when).deadline_ns());
}

// with_timeout: the same, `d` from now. One that is not positive is done at once.
template <class Rep, class Period>
[[nodiscard]] cancellable with_timeout(const context& parent,
                                       std::chrono::duration<Rep, Period> d) {
  return detail::make_context(parent, limit(d).deadline_ns());
}

// with_stop_token: a context below `parent` that is cancelled when a stop is requested. Registers
// one stop_callback for as long as the context lives.
[[nodiscard]] context with_stop_token(std::stop_token token, const context& parent = {});

}  // namespace weft
