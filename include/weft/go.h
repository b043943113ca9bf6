#pragma once

// go: starts a goroutine.
//
//   weft::go([] { ... });
//   weft::go({.name = "reaper", .stack_size = 1 << 20}, [] { ... });

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft {

// priority: which of the goroutines that could run is dispatched first. One of high priority goes
// before all others, one in the background only where nothing else could run; but none waits for
// ever: every 61st dispatch of a processor is for who waited longest, and every 100 ms one of the
// background gets a turn. It decides among those that are ready: nobody is interrupted for it.
enum class priority : std::int8_t { background = -1, normal = 0, high = 1 };

// go_options: what a goroutine can be given besides its function.
struct go_options {
  // name: shown in lists and reports; kept up to 23 bytes.
  std::string_view name = {};
  // stack_size: bytes of its stack, guard of 64 KiB included; 0 means 256 KiB. Rounded up to a
  // power of two. Memory is committed by the page as it is touched.
  std::size_t stack_size = 0;
  // priority: not inherited by what the goroutine starts.
  weft::priority priority = weft::priority::normal;
};

namespace detail {

// pending_goroutine: a goroutine between its making and its start. `closure` has
// closure_inline_size bytes.
struct pending_goroutine {
  void* record;
  void* closure;
  bool visiting;  // made by a thread that is no machine of the runtime
};
inline constexpr std::size_t closure_inline_size = 64;

[[nodiscard]] pending_goroutine make_goroutine(const go_options& options,
                                               const std::source_location& site);
void start_goroutine(const pending_goroutine& g, void (*invoke)(void*)) noexcept;

template <class F>
void invoke_closure(void* raw) {
  auto& f = *static_cast<F*>(raw);
  struct guard {
    F& f;
    ~guard() { f.~F(); }
  } destroy{f};
  std::invoke(std::move(f));
}

template <class F>
void invoke_boxed(void* raw) {
  const std::unique_ptr<F> f(*static_cast<F**>(raw));
  std::invoke(std::move(*f));
}

// is_nil: whether it is a null pointer, or a std::function without a function.
template <class F>
bool is_nil(const F& f) noexcept {
  if constexpr (std::is_constructible_v<F, std::nullptr_t> && requires { f == nullptr; }) {
    return f == nullptr;
  } else {
    return false;
  }
}
[[noreturn]] void go_of_nil() noexcept;

template <class F>
void spawn(const go_options& options, F&& f, const std::source_location& site) {
  using closure = std::decay_t<F>;
  if (is_nil<closure>(f)) go_of_nil();
  if constexpr (sizeof(closure) <= closure_inline_size && alignof(closure) <= 16 &&
                std::is_nothrow_constructible_v<closure, F>) {
    const auto g = make_goroutine(options, site);
    new (g.closure) closure(std::forward<F>(f));
    start_goroutine(g, invoke_closure<closure>);
  } else {
    auto boxed =
        std::make_unique<closure>(std::forward<F>(f));  // may throw: before the goroutine is made
    const auto g = make_goroutine(options, site);
    new (g.closure) closure*(boxed.release());
    start_goroutine(g, invoke_boxed<closure>);
  }
}

}  // namespace detail

// go: queues `f` to run as a goroutine and returns at once: it never waits, never switches, never
// moves its caller to another thread. `f` is moved (or copied) into the goroutine and destroyed
// there when it has run; what it returns is dropped. Starting happens before f; its end is ordered
// with nothing (use a wait_group, a channel or a scope).
//
// An exception that leaves f ends the process as Go's panic does: "panic: ...", the goroutine's
// trace, status 2. In a scope it is rethrown at the join instead.
//
// Called from a goroutine, the new one belongs to the same runtime and inherits the context of the
// current scope. From a plain thread it goes to the runtime that runs; with none running (or
// several) it throws misuse_error. Thread-safe. Throws what copying f throws, and bad_alloc. An
// empty std::function or null pointer ends the process ("go of nil func value").
template <class F>
  requires std::is_invocable_v<std::decay_t<F>>
void go(F&& f, const std::source_location& site = std::source_location::current()) {
  detail::spawn({}, std::forward<F>(f), site);
}

template <class F>
  requires std::is_invocable_v<std::decay_t<F>>
void go(const go_options& options, F&& f,
        const std::source_location& site = std::source_location::current()) {
  detail::spawn(options, std::forward<F>(f), site);
}

// yield: lets other goroutines run; the caller goes behind those that wait for this processor.
// Returns at once when nobody does. On a plain thread: std::this_thread::yield().
void yield() noexcept;

// checkpoint: for long computations: yields if the caller has run for a while and others wait,
// which it is told of once a millisecond; else it costs about as much as a call. Who never calls it
// stops nobody either, but after 10 ms goes on as a thread of its own, with a lower priority.
void checkpoint() noexcept;

namespace detail {
void enter_blocking() noexcept;
void leave_blocking() noexcept;
}  // namespace detail

// blocking: calls `f` and returns what it returns, with the processor at the disposal of other
// goroutines meanwhile: for calls that are known to block the thread (fsync, a database). It is a
// mark, and costs a few nanoseconds while nobody needs the processor; without it others may wait
// for a millisecond until it is taken, and for ten if f computes. Inside f the caller is an
// ordinary thread that may use weft all the same. An exception of f passes through. Afterwards the
// goroutine takes a processor again if it has lost it, for which it may have to wait its turn. On a
// plain thread it just calls f.
template <class F>
decltype(auto) blocking(F&& f) {
  struct scope {
    scope() noexcept { detail::enter_blocking(); }
    ~scope() { detail::leave_blocking(); }
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
  } const outside;
  return std::invoke(std::forward<F>(f));
}

}  // namespace weft
