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
#include <weft/go.h>
#include <weft/limit.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace weft {

namespace sync {
class context_state;
class context_values;
}  // namespace sync
class context;
struct cancellable;

// context_key: names a value that contexts carry, and its type. Who has the object has access, as
// with Go's unexported key types: make one of static storage.
template <class T>
class context_key {
 public:
  constexpr context_key() noexcept = default;
  context_key(const context_key&) = delete;
  context_key& operator=(const context_key&) = delete;
};

namespace detail {
struct context_access;
// timeout_cause: null: the ordinary one.
[[nodiscard]] cancellable make_context(const context& parent, std::int64_t deadline_ns,
                                       const error* timeout_cause = nullptr);
// make_value_context: `value` is destroyed by `destroy` with the context, or when this throws.
[[nodiscard]] context make_value_context(const context& parent, const void* key, void* value,
                                         void (*destroy)(void*) noexcept);
// exchange_current: from now on the current goroutine, and what it starts, is in `next`; returns
// what it was in. A plain thread is in none: `next` comes back.
context exchange_current(context next) noexcept;
// stop_waiting: for after_func: true if `own` was not done.
bool stop_waiting(const context& own) noexcept;
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
  context(context&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)),
        values_(std::exchange(other.values_, nullptr)) {}
  context& operator=(context other) noexcept {
    std::swap(state_, other.state_);
    std::swap(values_, other.values_);
    return *this;
  }
  ~context() {
    if (state_ != nullptr || values_ != nullptr) drop();
  }

  // done: whether it was cancelled, its deadline has passed, or either is true of one above it.
  // Never changes back. Does not wait.
  [[nodiscard]] bool done() const noexcept;

  // err: nothing until it is done; then errc::cancelled or errc::timeout, whichever came first.
  [[nodiscard]] std::optional<error> err() const noexcept;

  // cause: as err(), but what the canceller said, if it said something.
  [[nodiscard]] std::optional<error> cause() const noexcept;

  // value: what `key` names here or, above, nearest to here; null if nothing. Lives as long as this
  // context. Takes time in proportion to the number of values above.
  template <class T>
  [[nodiscard]] const T* value(const context_key<T>& key) const noexcept {
    return static_cast<const T*>(find(&key));
  }

  // deadline: the earliest of its own and those above it; nothing if there is none.
  [[nodiscard]] std::optional<clock::time_point> deadline() const noexcept;

  // wait: waits until it is done. An error means that `l` ended the wait before.
  result<void> wait(const limit& l = {}) const;

  // Whether both are the same context.
  friend bool operator==(const context& a, const context& b) noexcept {
    return a.state_ == b.state_ && a.values_ == b.values_;
  }

 private:
  friend struct detail::context_access;
  context(sync::context_state* counted, sync::context_values* counted_values) noexcept
      : state_(counted), values_(counted_values) {}
  void drop() noexcept;
  [[nodiscard]] const void* find(const void* key) const noexcept;

  sync::context_state* state_ = nullptr;    // when it is done
  sync::context_values* values_ = nullptr;  // what it carries
};

// cancel_function: cancels the context it was made with. Copies cancel the same one. The first call
// decides the cause, later ones do nothing; nothing happens if one never calls it. Never waits,
// never switches. Waiters are woken before it returns, and go on at their own pace.
class cancel_function {
 public:
  void operator()() const noexcept;
  void operator()(const error& cause) const noexcept;

 private:
  friend cancellable detail::make_context(const context& parent, std::int64_t deadline_ns,
                                          const error* timeout_cause);
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
// earlier. `cause` is then its cause() instead of errc::timeout; err() is that always.
template <class Duration>
[[nodiscard]] cancellable with_deadline(const context& parent,
                                        std::chrono::time_point<context::clock, Duration> when) {
  return detail::make_context(parent, limit(when).deadline_ns());
}
template <class Duration>
[[nodiscard]] cancellable with_deadline(const context& parent,
                                        std::chrono::time_point<context::clock, Duration> when,
                                        const error& cause) {
  return detail::make_context(parent, limit(when).deadline_ns(), &cause);
}

// with_timeout: the same, `d` from now. One that is not positive is done at once.
template <class Rep, class Period>
[[nodiscard]] cancellable with_timeout(const context& parent,
                                       std::chrono::duration<Rep, Period> d) {
  return detail::make_context(parent, limit(d).deadline_ns());
}
template <class Rep, class Period>
[[nodiscard]] cancellable with_timeout(const context& parent, std::chrono::duration<Rep, Period> d,
                                       const error& cause) {
  return detail::make_context(parent, limit(d).deadline_ns(), &cause);
}

// with_value: `parent` with a value; it is done when the parent is. For what belongs to a request
// and passes through many hands (its number, who asks), not for parameters.
template <class T>
[[nodiscard]] context with_value(const context& parent, const context_key<T>& key,
                                 std::type_identity_t<T> value) {
  auto owned = std::make_unique<T>(std::move(value));
  return detail::make_value_context(parent, &key, owned.release(), [](void* held) noexcept {
    const std::unique_ptr<T> dropped(static_cast<T*>(held));
  });
}

// without_cancel: a context with the values of `parent`, but neither its cancellation nor its
// deadline: for what goes on when the request is over.
[[nodiscard]] context without_cancel(const context& parent) noexcept;

// shield: what its goroutine does while it stands is not cancelled with the scope around it: for
// cleaning up after a cancellation. context::current() is meanwhile without_cancel() of what it
// was.
//
//   const weft::shield clean_up;
//   conn.write("bye\r\n", 1s);
//
// An object of one goroutine, destroyed in it; nothing on a plain thread.
class [[nodiscard]] shield {
 public:
  shield() noexcept : before_(detail::exchange_current(without_cancel(context::current()))) {}
  shield(const shield&) = delete;
  shield& operator=(const shield&) = delete;
  ~shield() { detail::exchange_current(std::move(before_)); }

 private:
  context before_;
};

// with_stop_token: a context below `parent` that is cancelled when a stop is requested. Registers
// one stop_callback for as long as the context lives.
[[nodiscard]] context with_stop_token(std::stop_token token, const context& parent = {});

// stop_function: takes an after_func back. Copies are of the same one; from any thread.
class stop_function {
 public:
  // stop_function: of what waits for `own`.
  explicit stop_function(context own) noexcept : own_(std::move(own)) {}

  // True if this call has prevented the function. False: it was prevented before, or it runs or has
  // run. Does not wait for it.
  bool operator()() const noexcept { return detail::stop_waiting(own_); }

 private:
  context own_;
};

// after_func: calls `f` in a goroutine of its own when `ctx` is done, at once if it is done
// already; once. That goroutine waits from now on, in the runtime of the caller (misuse_error
// without one), and ends with it. An exception that leaves f ends the process, as that of any
// goroutine.
template <class F>
stop_function after_func(const context& ctx, F&& f,
                         const std::source_location& site = std::source_location::current()) {
  static_assert(std::is_invocable_v<std::decay_t<F>>);
  context own = with_cancel(ctx).ctx;
  go(
      {.name = "after_func"},
      [own, f = std::decay_t<F>(std::forward<F>(f))]() mutable {
        static_cast<void>(own.wait());
        if (*own.err() != errc::closed) std::invoke(std::move(f));
      },
      site);
  return stop_function(std::move(own));
}

// stop_bridge: a std::stop_token of a context, for code that knows nothing of contexts: a stop is
// requested when the context is done. Its goroutine (after_func) ends with the bridge; a token
// outlives it, and is then stopped no more.
class stop_bridge {
 public:
  explicit stop_bridge(const context& ctx)
      : stop_(after_func(ctx, [source = source_]() mutable { source.request_stop(); })) {}
  stop_bridge(const stop_bridge&) = delete;
  stop_bridge& operator=(const stop_bridge&) = delete;
  ~stop_bridge() { stop_(); }

  [[nodiscard]] std::stop_token token() const noexcept { return source_.get_token(); }

 private:
  std::stop_source source_;
  stop_function stop_;
};

}  // namespace weft
