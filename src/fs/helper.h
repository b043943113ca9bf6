#pragma once

// helper: blocking system calls, with or without a limit.
//
// A call under way has one helper, so callers bound their number; but a helper whose caller has
// left keeps its thread until the system answers. Calls on disks have slots (sched/file_slots.h):
// who tries again and again on one that hangs gets a thread more each 100 ms, and so comes to the
// runtime's limit of threads (run_options::max_threads) late.

#include <weft/go.h>
#include <weft/limit.h>
#include <weft/runtime.h>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/lock.h"
#include "poll/poller.h"
#include "sched/cancel.h"
#include "sched/environment.h"
#include "sched/file_slots.h"
#include "sched/gate.h"
#include "sched/wait.h"

namespace weft::fs {

// run_detached: `f` once, on a goroutine of the caller's runtime, which ends with it; for plain
// threads on a thread. Throws when there are no means for either.
template <class F>
void run_detached(F f) {
  if (in_goroutine()) {
    go({.name = "file helper"}, std::move(f));
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

  // left: whether who waited has gone.
  [[nodiscard]] bool left() noexcept {
    const base::locked hold(lock_);
    return left_;
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
    left_ = by != sched::token_ready;
    return by;
  }

 private:
  base::lock<base::rank::sync> lock_;
  bool crossed_ = false;  // guarded by lock_
  bool left_ = false;     // guarded by lock_
  poll::cookie asker_;    // guarded by lock_: whoever waits, while it does
};

// blocking_on: what a call blocks on; one on a disk takes a slot.
enum class blocking_on : std::uint8_t { disk, other };

// helped: what `f()` returns, which works on things of its own: it may still run when this has
// returned. An error code when the limit came first; what f returns is destroyed then, and if it
// had no slot yet it does not run.
template <blocking_on What, class F>
auto helped(const limit& l, F f) -> std::expected<std::invoke_result_t<F&>, std::error_code> {
  using slot = std::conditional_t<What == blocking_on::disk, sched::file_call, std::monostate>;
  if (!may_end(l)) {
    [[maybe_unused]] const slot held{};
    return blocking(f);
  }
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
    [[maybe_unused]] const slot held{};
    if (state->line.left()) return;
    state->returned.emplace(blocking(state->f));
    state->line.cross();
  });
  const auto raw = l.raw_io();
  const auto by = state->line.wait(raw);
  if (by != sched::token_ready) return std::unexpected(sched::code_of(by, raw));
  return std::move(*state->returned);
}

}  // namespace weft::fs
