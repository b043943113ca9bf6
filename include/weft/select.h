#pragma once

// select: waits until one of several things can go on, and does that one.
//
//   weft::select(weft::recv(jobs, [&](int job) { ... }),
//                weft::send(results, value, [&] { ... }),
//                weft::after(10ms, [&] { ... }),
//                weft::done(ctx, [&] { ... }));
//
// Among several that can go on one is chosen at random, evenly. With `otherwise` it does not wait.
// Without any case, or with nil channels only, it waits for ever. The same channel may stand in
// several cases, in both directions. A send on a closed channel can go on: it throws if it is
// chosen.
//
// The arguments are evaluated once, whether chosen or not, in the order the compiler likes.
// Functions may be left out. They run after the select is over: they may wait, throw, and use the
// same channels. What they return is dropped. Cases stand in the call itself: they borrow their
// channel or context, and what one has sent is gone.
//
// Usable from plain threads.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/detail/channel_core.h>
#include <weft/detail/element.h>
#include <weft/limit.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {
namespace detail {

struct nothing {
  void operator()() const noexcept {}
};

template <class T, class F>
class recv_case {
 public:
  recv_case(channel_core* core, F f) : core_(core), f_(std::move(f)) {}
  recv_case(const recv_case&) = delete;
  recv_case& operator=(const recv_case&) = delete;

  void enter(select_case& c) noexcept {
    c.kind = select_kind::recv;
    c.core = core_;
    c.slot = in_.slot();
  }
  void chosen(bool closed) {
    if constexpr (std::is_invocable_v<F&, result<T>>) {
      if (closed) {
        std::invoke(f_,
                    result<T>(std::unexpect, error_of(channel_outcome::closed, "chan receive")));
      } else {
        std::invoke(f_, in_.template take<result<T>>(std::in_place));
      }
    } else if constexpr (std::is_invocable_v<F&, T>) {
      if (!closed) std::invoke(f_, in_.take());
    } else {
      if (!closed) static_cast<void>(in_.take());
      std::invoke(f_);
    }
  }

 private:
  channel_core* core_;
  F f_;
  incoming<T> in_;
};

template <class T, class F>
class send_case {
 public:
  template <class V>
  send_case(channel_core* core, V&& value, F f)
      : core_(core), f_(std::move(f)), value_(std::forward<V>(value)), out_(std::move(value_)) {}
  send_case(const send_case&) = delete;
  send_case& operator=(const send_case&) = delete;

  void enter(select_case& c) noexcept {
    c.kind = select_kind::send;
    c.core = core_;
    c.slot = const_cast<void*>(out_.slot());  // only read
  }
  void chosen(bool closed) {
    if (closed) throw_send_on_closed();
    out_.sent();
    std::invoke(f_);
  }

 private:
  channel_core* core_;
  F f_;
  T value_;
  outgoing<T> out_;
};

template <class F>
class after_case {
 public:
  after_case(std::int64_t deadline_ns, F f) : deadline_ns_(deadline_ns), f_(std::move(f)) {}
  void enter(select_case& c) const noexcept {
    c.kind = select_kind::after;
    c.deadline_ns = deadline_ns_;
  }
  void chosen(bool) { std::invoke(f_); }

 private:
  std::int64_t deadline_ns_;
  F f_;
};

// state_of: the loan that a select takes of a context.
[[nodiscard]] sync::context_state* state_of(const context& ctx) noexcept;

template <class F>
class done_case {
 public:
  done_case(const context& ctx, F f) : context_(state_of(ctx)), f_(std::move(f)) {}
  void enter(select_case& c) const noexcept {
    c.kind = select_kind::done;
    c.context = context_;
  }
  void chosen(bool) { std::invoke(f_); }

 private:
  sync::context_state* context_;
  F f_;
};

template <class F>
class otherwise_case {
 public:
  explicit otherwise_case(F f) : f_(std::move(f)) {}
  void enter(select_case& c) const noexcept { c.kind = select_kind::otherwise; }
  void chosen(bool) { std::invoke(f_); }

 private:
  F f_;
};

}  // namespace detail

// recv: a case that receives from `ch`, a channel<T> or receiver<T>. `f` takes a result<T>, which
// says errc::closed when it is closed and drained; or a T, and is then not called for a close; or
// nothing, and is called for both.
template <class T, class F = detail::nothing>
[[nodiscard]] auto recv(const channel<T>& ch, F f = {}) {
  return detail::recv_case<T, F>(ch.core(), std::move(f));
}
template <class T, class F = detail::nothing>
[[nodiscard]] auto recv(const receiver<T>& ch, F f = {}) {
  return detail::recv_case<T, F>(ch.core(), std::move(f));
}

// send: a case that sends `value` to `ch`, a channel<T> or sender<T>. A value that is not sent is
// destroyed with the case.
template <class T, class V = T, class F = detail::nothing>
  requires std::is_convertible_v<V, T>
[[nodiscard]] auto send(const channel<T>& ch, V&& value, F f = {}) {
  return detail::send_case<T, F>(ch.core(), std::forward<V>(value), std::move(f));
}
template <class T, class V = T, class F = detail::nothing>
  requires std::is_convertible_v<V, T>
[[nodiscard]] auto send(const sender<T>& ch, V&& value, F f = {}) {
  return detail::send_case<T, F>(ch.core(), std::forward<V>(value), std::move(f));
}

// after: a case for when `d` has gone by, counted from this call, or `t` has come (which may have
// been long ago). It costs no goroutine and no channel.
template <class Rep, class Period, class F = detail::nothing>
[[nodiscard]] auto after(std::chrono::duration<Rep, Period> d, F f = {}) {
  return detail::after_case<F>(limit(d).deadline_ns(), std::move(f));
}
template <class Duration, class F = detail::nothing>
[[nodiscard]] auto after(std::chrono::time_point<limit::clock, Duration> t, F f = {}) {
  return detail::after_case<F>(limit(t).deadline_ns(), std::move(f));
}

// done: a case for when `ctx` is done.
template <class F = detail::nothing>
[[nodiscard]] auto done(const context& ctx, F f = {}) {
  return detail::done_case<F>(ctx, std::move(f));
}

// otherwise: the case for when no other can go on now. At most one.
template <class F = detail::nothing>
[[nodiscard]] auto otherwise(F f = {}) {
  return detail::otherwise_case<F>(std::move(f));
}

// select: does one of the cases and returns its index, counted from 0.
template <class... Cases>
std::size_t select(Cases&&... cases) {
  static_assert(sizeof...(Cases) <= detail::select_cases_max, "weft::select: too many cases");
  static_assert((!std::is_lvalue_reference_v<Cases> && ...),
                "weft::select: a case is made in the call, for one select");
  detail::select_case table[sizeof...(Cases) + 1];
  std::size_t at = 0;
  (cases.enter(table[at++]), ...);
  const auto choice = detail::select_cases(table, sizeof...(Cases));
  at = 0;
  (void(choice.index == at++ ? cases.chosen(choice.closed) : void()), ...);
  return choice.index;
}

}  // namespace weft
