#pragma once

// scope: goroutines that end before it does.
//
//   weft::scope both;
//   both.go([&] { profile = fetch_profile(both.context()); });
//   both.go([&] { orders = fetch_orders(both.context()); });
//   both.join();                       // or at the end of the block
//
// The first exception that leaves one of them cancels the scope's context, which the others see,
// and is rethrown by join() or by the destructor. When the block itself is left by an exception,
// the context is cancelled, the goroutines are waited for, and that exception goes on; theirs are
// dropped.
//
// A goroutine that one of them starts with weft::go inherits the context, but nobody waits for it,
// and an exception that leaves it ends the process.
//
// Usable from plain threads, as go() is.

#include <weft/context.h>
#include <weft/error.h>
#include <weft/go.h>
#include <weft/limit.h>

#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

namespace sync {
class scope_state;
}

namespace detail {

// scope_share: one goroutine's part in a scope; gives it back when it goes away.
class scope_share {
 public:
  explicit scope_share(sync::scope_state& of) noexcept;
  scope_share(scope_share&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  scope_share& operator=(scope_share&&) = delete;
  ~scope_share() {
    if (of_ != nullptr) give_back();
  }
  // enter: the current goroutine, and what it starts, inherit the scope's context.
  void enter() const noexcept;
  // fail: with the exception that is being handled.
  void fail() const noexcept;

 private:
  void give_back() noexcept;
  sync::scope_state* of_;
};

// scope_child: its members end in reverse: the share after the function.
template <class F>
struct scope_child {
  scope_share share;
  F f;
  void operator()() {
    share.enter();
    try {
      std::invoke(std::move(f));
    } catch (...) {
      share.fail();
    }
  }
};

}  // namespace detail

class scope {
 public:
  // scope: its context is below the caller's current one, or below `parent`.
  scope() : scope(weft::context::current()) {}
  explicit scope(const weft::context& parent);
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  // ~scope: unlike other destructors it waits, until all its goroutines have ended, and throws the
  // first of their exceptions, unless join() did or an exception is leaving the block already.
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

  // context: done when the scope has failed, was cancelled, or has ended, or its parent's context
  // is done.
  [[nodiscard]] const weft::context& context() const noexcept;

  // cancel: cancels the context; does not wait.
  void cancel() noexcept;

  // wait: until all its goroutines have ended. An error means that `l` ended the wait before; it
  // says nothing of their failures.
  result<void> wait(const limit& l = {}) noexcept;

  // join: wait(), then throws the first of their exceptions, once. An error means that `l` ended
  // the wait before: then it throws nothing.
  result<void> join(const limit& l = {});

 private:
  sync::scope_state* state_;
};

}  // namespace weft
