#pragma once

// scope: goroutines that end before it does.
//
//   weft::scope both;
//   both.go([&] { profile = fetch_profile(both.context()); });
//   both.go([&] { orders = fetch_orders(both.context()); });
//   both.join();                       // or at the end of the block
//
// One that throws, or returns a std::expected without a value, has failed. The first failure
// cancels the scope's context, which the others see (an error is its cause()), and is what join()
// or the destructor reports: an exception is rethrown there. When the block itself is left by an
// exception, the context is cancelled, the goroutines are waited for, and that exception goes on;
// their failures are dropped.
//
// Reads, writes and other input and output of its goroutines end when the context is done; what
// else may wait takes the context as its limit.
//
// Since it waits for all of them, they may refer to everything that lives longer than the scope.
//
// A goroutine that one of them starts with weft::go inherits the context, but nobody waits for it,
// and an exception that leaves it ends the process.
//
// Usable from plain threads, as go() is.

#include <weft/context.h>
#include <weft/error.h>
#include <weft/go.h>
#include <weft/limit.h>
#include <weft/wait_group.h>

#include <chrono>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

namespace sync {
class scope_state;
}

// scope_error: what the destructor of a scope throws when one of its goroutines returned an error
// that no join() has reported.
class scope_error : public std::runtime_error {
 public:
  explicit scope_error(const error& why) : std::runtime_error(why.message()), why_(why) {}
  [[nodiscard]] const error& why() const noexcept { return why_; }

 private:
  error why_;
};

namespace detail {

template <class T>
inline constexpr bool is_expected = false;
template <class T, class E>
inline constexpr bool is_expected<std::expected<T, E>> = true;

// scope_share: one goroutine's part in a scope; gives it back when it goes away.
class scope_share {
 public:
  explicit scope_share(sync::scope_state& of) noexcept;
  scope_share(scope_share&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  scope_share& operator=(scope_share&&) = delete;
  ~scope_share() {
    if (of_ != nullptr) give_back();
  }
  // run: f(argument), by a goroutine that inherits the scope's context, as will what it starts. An
  // exception that leaves f is the goroutine's failure.
  void run(void (*f)(void*), void* argument) const;

  // judge: an error in `returned` is the goroutine's failure. One that is no error of ours becomes
  // one, or else a std::bad_expected_access.
  template <class T, class E>
  void judge(const std::expected<T, E>& returned) const {
    if (returned.has_value()) return;
    if constexpr (std::is_convertible_v<const E&, error>) {
      fail(static_cast<error>(returned.error()));
    } else if constexpr (std::is_convertible_v<const E&, std::error_code>) {
      fail(error(static_cast<std::error_code>(returned.error()), "scope"));
    } else {
      throw std::bad_expected_access<E>(returned.error());
    }
  }

 private:
  void fail(const error& why) const noexcept;
  void give_back() noexcept;
  sync::scope_state* of_;
};

// scope_child: its members end in reverse: the share after the function.
template <class F>
struct scope_child {
  scope_share share;
  F f;
  void operator()() {
    share.run(
        [](void* self) {
          auto& child = *static_cast<scope_child*>(self);
          if constexpr (is_expected<std::invoke_result_t<F>>) {
            child.share.judge(std::invoke(std::move(child.f)));
          } else {
            std::invoke(std::move(child.f));
          }
        },
        this);
  }
};

// task_state: between a task and its goroutine.
template <class R>
struct task_state {
  using stored = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
  task_state() { running.add(1); }
  wait_group running;
  std::optional<stored> value;
  std::exception_ptr failure;
};

// task_child: runs f and keeps what comes of it, for the task and for the scope.
template <class F, class R>
struct task_child {
  std::shared_ptr<task_state<R>> state;
  F f;
  auto operator()() {
    struct ended {
      task_state<R>& of;
      ~ended() { of.running.done(); }
    } const at_exit{*state};
    try {
      if constexpr (std::is_void_v<R>) {
        std::invoke(std::move(f));
        state->value.emplace();
      } else {
        state->value.emplace(std::invoke(std::move(f)));
      }
    } catch (...) {
      state->failure = std::current_exception();
      if (state->failure == nullptr)  // a forced unwind has no object
        state->failure = std::make_exception_ptr(misuse_error("task: it called goexit"));
      throw;
    }
    if constexpr (is_expected<R>) {
      using judged = std::expected<void, typename R::error_type>;
      return state->value->has_value() ? judged() : judged(std::unexpect, state->value->error());
    }
  }
};

}  // namespace detail

// task: what a goroutine that scope::spawn() started will return. Several may wait() for it; its
// value is taken once, by one of them.
template <class R>
class task {
 public:
  // get: waits for the goroutine's end and gives what it returned; rethrows the exception that it
  // ended with. An error means that `l` ended the wait before. A second get() throws misuse_error
  // ("task: its value was taken before"), if there was a value.
  result<R> get(const limit& l = {}) {
    if (auto ended = wait(l); !ended) return std::unexpected(ended.error());
    if (state_->failure != nullptr) std::rethrow_exception(state_->failure);
    if (!state_->value.has_value()) throw misuse_error("task: its value was taken before");
    auto taken = std::exchange(state_->value, std::nullopt);
    if constexpr (std::is_void_v<R>) {
      return {};
    } else {
      return result<R>(std::in_place, std::move(*taken));
    }
  }

  // wait: until it has ended, however.
  result<void> wait(const limit& l = {}) { return state_->running.wait(l); }

 private:
  friend class scope;
  explicit task(std::shared_ptr<detail::task_state<R>> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::task_state<R>> state_;
};

class scope {
 public:
  // scope: its context is below the caller's current one, or below `parent`.
  scope() : scope(weft::context::current()) {}
  explicit scope(const weft::context& parent);
  // scope: below the caller's current context, and done after `d` at the latest.
  template <class Rep, class Period>
  explicit scope(std::chrono::duration<Rep, Period> d)
      : scope(with_timeout(weft::context::current(), d).ctx) {}
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  // ~scope: unlike other destructors it waits, until all its goroutines have ended, and throws the
  // first failure (scope_error for one that is an error), unless join() did or an exception is
  // leaving the block already.
  ~scope() noexcept(false);

  // go: starts a goroutine of this scope; as weft::go. Also from its goroutines, while it is
  // joined.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>>
  void go(F&& f, const std::source_location& site = std::source_location::current()) {
    go({}, std::forward<F>(f), site);
  }
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>>
  void go(const go_options& options, F&& f,
          const std::source_location& site = std::source_location::current()) {
    using child = detail::scope_child<std::decay_t<F>>;
    detail::spawn(options, child{detail::scope_share(*state_), std::forward<F>(f)}, site);
  }

  // spawn: as go(), with a handle for what `f` returns.
  //
  //   auto profile = both.spawn([&] { return fetch_profile(id); });
  //   show(profile.get().value());
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>>
  auto spawn(F&& f, const std::source_location& site = std::source_location::current()) {
    return spawn({}, std::forward<F>(f), site);
  }
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>>
  auto spawn(const go_options& options, F&& f,
             const std::source_location& site = std::source_location::current()) {
    using returned = std::decay_t<std::invoke_result_t<std::decay_t<F>>>;
    auto state = std::make_shared<detail::task_state<returned>>();
    go(options, detail::task_child<std::decay_t<F>, returned>{state, std::forward<F>(f)}, site);
    return task<returned>(std::move(state));
  }

  // context: done when the scope has failed, was cancelled, or has ended, or its parent's context
  // is done.
  [[nodiscard]] const weft::context& context() const noexcept;

  // cancel: cancels the context; does not wait.
  void cancel() noexcept;

  // failure_trace: for the first failure, if it is an exception: the goroutine that threw it, the
  // stack it threw it from and where it was started, as a panic shows them. "" if there is none.
  // Also when it has been rethrown; a process that ends of it says the same.
  [[nodiscard]] std::string failure_trace() const;

  // wait: until all its goroutines have ended. An error means that `l` ended the wait before; it
  // says nothing of their failures.
  result<void> wait(const limit& l = {}) noexcept;

  // join: wait(), then reports the first failure, once: throws an exception, returns an error. It
  // returns an error of "scope join" if `l` ended the wait before, and reports nothing then.
  result<void> join(const limit& l = {});

 private:
  sync::scope_state* state_;
};

}  // namespace weft
