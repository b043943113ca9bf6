#pragma once

// runtime: where goroutines live.
//
//   int main() { return weft::run([] { ...; return 0; }); }

#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

// sigquit_action: what SIGQUIT does to a program that asks weft to handle it.
enum class sigquit_action : unsigned char {
  leave,          // weft installs no handler
  list,           // writes all goroutines and their stacks (dump.h) to standard error, and goes on
  list_and_exit,  // the same, then ends the process with status 2, as Go does
};

struct run_options {
  // max_procs: how many goroutines may run at the same instant. 0: WEFT_MAXPROCS from the
  // environment, else the CPUs this process may use (its affinity and its control group's quota,
  // rounded up).
  unsigned max_procs = 0;
  // max_threads: how many threads the runtime may have, for goroutines that run and for those that
  // block or compute without a processor (runtime/debug.SetMaxThreads). 0: 10,000. The program ends
  // with an error when one more is needed; it names the system calls that the others sit in.
  unsigned max_threads = 0;
  sigquit_action sigquit = sigquit_action::leave;
};

namespace detail {
void run_runtime(const run_options& options, void (*invoke)(void*), void* closure,
                 const std::source_location& site);
[[noreturn]] void exit_process(int status) noexcept;
}  // namespace detail

// run: builds a runtime, calls `f` as its first goroutine, and returns what f returned. The calling
// thread only waits. When f has returned, no goroutine of this runtime runs again: what is
// unfinished is dropped without unwinding (objects that such goroutines wait on must not be used
// afterwards), and goroutines inside a foreign call stop at their next use of weft. Machines that
// are still out there after a short grace are reported on standard error if WEFT_REPORT is set. An
// exception that leaves f ends the process like that of any goroutine. May be called again, and
// from several threads at once: each call is a runtime of its own. Not from a goroutine: throws
// misuse_error.
template <class F>
auto run(F&& f, const run_options& options = {},
         const std::source_location& site = std::source_location::current())
    -> std::invoke_result_t<F> {
  using value = std::invoke_result_t<F>;
  if constexpr (std::is_void_v<value>) {
    auto call = [&f] { std::invoke(std::forward<F>(f)); };
    detail::run_runtime(
        options, [](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call, site);
  } else {
    std::optional<value> returned;
    auto call = [&] { returned.emplace(std::invoke(std::forward<F>(f))); };
    detail::run_runtime(
        options, [](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call, site);
    return std::move(*returned);
  }
}

// main: run() for a whole program, as Go's main is: SIGQUIT lists the goroutines and ends the
// process with status 2, and when f has returned (its value, or 0, is the exit status) standard
// streams are flushed and the process ends at once: no destructor of a static object runs, since
// goroutines may still stand in foreign calls. Does not return.
template <class F>
[[noreturn]] void main(F&& f, run_options options = {},
                       const std::source_location& site = std::source_location::current()) {
  if (options.sigquit == sigquit_action::leave) options.sigquit = sigquit_action::list_and_exit;
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    run(std::forward<F>(f), options, site);
    detail::exit_process(0);
  } else {
    detail::exit_process(run(std::forward<F>(f), options, site));
  }
}

// max_procs: processors of the caller's runtime; on a plain thread, what run() would choose.
[[nodiscard]] unsigned max_procs() noexcept;

// goroutine_count: goroutines of the caller's runtime that have been started and have not ended. A
// snapshot.
[[nodiscard]] std::size_t goroutine_count() noexcept;

// in_goroutine: whether the caller is one.
[[nodiscard]] bool in_goroutine() noexcept;

// list_goroutines: writes all goroutines to standard error: number, name, state and what it waits
// for, where it was started. From any thread; allocates nothing; does not stop anybody.
void list_goroutines() noexcept;

}  // namespace weft
