#pragma once

// helper: blocking system calls, with or without a limit.
//
// A call under way has one helper, so callers bound their number; but a helper whose caller has
// left keeps its thread until the system answers. Who tries again and again on a disk that hangs
// comes to the runtime's limit of threads (run_options::max_threads), as in Go.

#include <weft/go.h>
#include <weft/limit.h>
#include <weft/runtime.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/lock.h"
#include "poll/poller.h"
#include "sched/cancel.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/wait.h"

namespace weft::fs {

// run_detached: `f` once, on a goroutine of the caller's runtime in blocking(), which ends with it;
// for plain threads on a thread. Throws when there are no means for either.
template <class F>
void run_detached(F f) {
  if (in_goroutine()) {
    go({.name = "file helper"}, [f = std::move(f)]() mutable { blocking(f); });
    return;
  }
  auto boxed = std::make_unique<F>(std::move(f));
  const int code = sched::start_thread(
      [](void* raw) {
        const std::unique_ptr<F> owned(static_cast<F*>(raw));
        (*owned)();
      },
      boxed.get());
  if (code != 0) throw std::bad_alloc();
  static_cast<void>(boxed.release());
}

// may_end: whether `l`, or the scope it is made in, can end a wait.
[[nodiscard]] inline bool may_end(const limit& l) noexcept {
  const auto raw = l.raw_io();
  return raw.deadline_ns != sched::none_due || raw.cancel != nullptr || raw.also != nullptr ||
         raw.scope != nullptr;
}

// passed: why `l` ends a wait already; nothing while it does not.
[[nodiscard]] inline std::optional<std::error_code> passed(const limit& l) noexcept {
  const auto raw = l.raw_io();
  for (const auto* source : {raw.cancel, raw.also, raw.scope}) {
    if (source != nullptr && source->fired()) return source->code();
  }
  if (raw.deadline_ns != sched::none_due && sched::now_ns() >= raw.deadline_ns)
    return make_error_code(errc::timeout);
  return std::nullopt;
}

// finish_line: where a caller waits for its helper, which may come after the caller has left.
class finish_line {
 public:
  void cross() noexcept {
    const sched::gate inside;
    sched::wake_list woken;
    const base::locked hold(lock_);
    crossed_ = true;
    if (asker_.who != nullptr)
      woken.claim(*static_cast<sched::waiter*>(asker_.who), asker_.ticket, sched::token_ready);
  }

  // wait: token_ready when it was crossed, else what ended the wait.
  [[nodiscard]] sched::token wait(const sched::limits& l) noexcept {
    const sched::gate inside;
    sched::wait w(sched::wait_reason::io_read, this);
    {
      const base::locked hold(lock_);
      if (crossed_) return sched::token_ready;
      asker_ = {&w.who(), w.at()};
    }
    const auto by = w.park(l);
    const base::locked hold(lock_);
    asker_ = {};
    return by;
  }

 private:
  base::lock<base::rank::sync> lock_;
  bool crossed_ = false;  // guarded by lock_
  poll::cookie asker_;    // guarded by lock_: whoever waits, while it does
};

// helped: what `f()` returns, which works on things of its own: it may still run when this has
// returned. An error code when the limit came first; what f returns is destroyed then.
template <class F>
auto helped(const limit& l, F f) -> std::expected<std::invoke_result_t<F&>, std::error_code> {
  if (!may_end(l)) return blocking(f);
  if (const auto why = passed(l)) return std::unexpected(*why);
  using value = std::invoke_result_t<F&>;
  struct shared {
    explicit shared(F&& g) : f(std::move(g)) {}
    F f;
    std::optional<value> returned;
    finish_line line;
  };
  auto state = std::make_shared<shared>(std::move(f));
  run_detached([state] {
    state->returned.emplace(state->f());
    state->line.cross();
  });
  const auto raw = l.raw_io();
  const auto by = state->line.wait(raw);
  if (by != sched::token_ready) return std::unexpected(sched::code_of(by, raw));
  return std::move(*state->returned);
}

}  // namespace weft::fs
