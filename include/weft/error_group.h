#pragma once

// error_group: goroutines that work on one task, of which the first to fail stops the others.
//
//   weft::error_group all;
//   all.set_limit(8);                                   // at most 8 at a time
//   for (auto& url : urls) all.go([&] { return fetch(url, all.context()); });
//   if (auto done = all.wait(); !done) return done;     // the first error
//
// It is a scope (scope.h: failures, contexts, what may be referred to) with Go's errgroup on top:
// a limit, and waits that report the first error again. Different from Go: an exception of
// one of them is rethrown by wait(), and its destructor waits.

#include <weft/context.h>
#include <weft/error.h>
#include <weft/limit.h>
#include <weft/mutex.h>
#include <weft/scope.h>
#include <weft/semaphore.h>

#include <cstddef>
#include <expected>
#include <functional>
#include <mutex>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

namespace weft {

class error_group {
 public:
  // error_group: its context is below the caller's current one, or below `parent`.
  error_group() : error_group(weft::context::current()) {}
  explicit error_group(const weft::context& parent) : scope_(parent) {}
  error_group(const error_group&) = delete;
  error_group& operator=(const error_group&) = delete;
  // ~error_group: waits for all, and throws what no wait() has reported, as a scope's does.
  ~error_group() noexcept(false) = default;

  // go: starts a goroutine that calls `f`, which returns nothing or a result. Waits while as many
  // run as set_limit() allows; an error means that `l` ended that wait, and f was not started.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>>
  result<void> go(F&& f, const limit& l = {},
                  const std::source_location& site = std::source_location::current()) {
    if (slots_) {
      if (auto got = slots_->acquire(l); !got) return got;
    }
    start(std::forward<F>(f), site);
    return {};
  }

  // try_go: go() if it need not wait. False: f was not started.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>>
  [[nodiscard]] bool try_go(F&& f,
                            const std::source_location& site = std::source_location::current()) {
    if (slots_ && !slots_->try_acquire()) return false;
    start(std::forward<F>(f), site);
    return true;
  }

  // set_limit: at most `n` at a time; 0 lets none start, a negative one is no limit. Not while any
  // that were started under a limit run: throws misuse_error ("errgroup: modify limit while 2
  // goroutines in the group are still active"). Not at the same time as go().
  void set_limit(std::ptrdiff_t n) {
    if (slots_) {
      std::ptrdiff_t idle = limit_;
      while (idle > 0 && !slots_->try_acquire(idle)) --idle;
      if (idle < limit_) {
        slots_->release(idle);
        throw misuse_error("errgroup: modify limit while " + std::to_string(limit_ - idle) +
                           " goroutines in the group are still active");
      }
    }
    slots_.reset();
    limit_ = n;
    if (n >= 0) slots_.emplace(n);
  }

  // wait: until all have ended; then the context is cancelled, and the first failure reported: an
  // error is returned, by every later wait as well; an exception is rethrown, once. An error of
  // "scope join" means that `l` ended the wait before.
  result<void> wait(const limit& l = {}) {
    if (auto ended = scope_.wait(l); !ended) return ended;
    scope_.cancel();
    const std::lock_guard hold(lock_);
    if (!failed_) {
      if (const auto joined = scope_.join(); !joined) failed_ = joined.error();
    }
    if (failed_) return std::unexpected(*failed_);
    return {};
  }

  // context: done at the first failure (its cause() is then the error), when wait() has returned,
  // or its parent is.
  [[nodiscard]] const weft::context& context() const noexcept { return scope_.context(); }

 private:
  // slot: of the limit; gives it back when the function is gone.
  class slot {
   public:
    explicit slot(semaphore* of) noexcept : of_(of) {}
    slot(slot&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    slot& operator=(slot&&) = delete;
    ~slot() {
      if (of_ != nullptr) of_->release();
    }

   private:
    semaphore* of_;
  };

  // child: its slot is given back after the function.
  template <class F>
  struct child {
    slot held;
    F f;
    auto operator()() { return std::invoke(std::move(f)); }
  };

  template <class F>
  void start(F&& f, const std::source_location& site) {
    slot held(slots_ ? &*slots_ : nullptr);
    scope_.go(child<std::decay_t<F>>{std::move(held), std::forward<F>(f)}, site);
  }

  std::ptrdiff_t limit_ = -1;
  std::optional<semaphore> slots_;
  mutex lock_;
  std::optional<error> failed_;  // guarded by lock_: what wait() has reported
  weft::scope scope_;            // last: it waits for those who use the others
};

}  // namespace weft
