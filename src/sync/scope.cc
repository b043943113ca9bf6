#include <weft/scope.h>

#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "base/lock.h"
#include "sched/gate.h"
#include "sched/scheduler.h"
#include "sched/throw_trace.h"
#include "sync/context.h"
#include "sync/wait_group_core.h"

namespace weft {
namespace sync {

// scope_state: what the goroutines of a scope share. Every one of them gives its share back before
// the scope's join returns, so it needs no count of its own.
class scope_state {
 public:
  explicit scope_state(cancellable c) noexcept : own(std::move(c)) {}

  // failure: an exception, and from where it was thrown, or an error; neither if it is none.
  struct failure {
    std::exception_ptr thrown;
    std::unique_ptr<const sched::throw_trace> from;
    std::optional<error> returned;
  };

  // fail: the first is recorded before the others can see that the context is done: what they
  // return because of it is not the first.
  void fail(failure f) noexcept {
    const std::optional<error> cause = f.returned;
    {
      base::locked hold(lock_);
      if (failed_) return;
      failed_ = true;
      std::swap(failure_, f);
    }
    if (cause.has_value()) {
      own.cancel(*cause);
    } else {
      own.cancel();
    }
  }
  // take_failure: what has to be reported; once. Where it was thrown stays here.
  [[nodiscard]] std::pair<std::exception_ptr, std::optional<error>> take_failure() noexcept {
    base::locked hold(lock_);
    return {std::exchange(failure_.thrown, nullptr), std::exchange(failure_.returned, {})};
  }
  // from: null if there is no exception. Constant once there is one.
  [[nodiscard]] const sched::throw_trace* from() noexcept {
    base::locked hold(lock_);
    return failure_.from.get();
  }
  // report: throws, or returns the error.
  result<void> report() {
    auto [thrown, returned] = take_failure();
    if (thrown != nullptr) {
      const sched::rethrowing first(*from());
      std::rethrow_exception(std::move(thrown));
    }
    if (returned.has_value()) return std::unexpected(*returned);
    return {};
  }

  const cancellable own;
  wait_group_core members;
  // uncaught: exceptions in flight when the scope was entered.
  const int uncaught = std::uncaught_exceptions();

 private:
  base::lock<base::rank::scope> lock_;
  bool failed_ = false;  // guarded by lock_
  failure failure_;      // guarded by lock_; nothing is destroyed under it
};

}  // namespace sync

namespace detail {

scope_share::scope_share(sync::scope_state& of) noexcept : of_(&of) {
  const sched::gate inside;
  of.members.add(1);
}

void scope_share::give_back() noexcept {
  const sched::gate inside;
  of_->members.add(-1);
}

void scope_share::run(void (*f)(void*), void* argument) const {
  static_cast<void>(exchange_current(of_->own.ctx));
  sched::throw_trace from;
  try {
    sched::call_observed(f, argument, from);
  } catch (...) {
    const auto thrown = std::current_exception();
    if (thrown == nullptr) throw;  // goexit(): it has ended, not failed
    of_->fail({thrown, std::make_unique<sched::throw_trace>(from), std::nullopt});
  }
}

void scope_share::fail(const error& why) const noexcept { of_->fail({nullptr, nullptr, why}); }

}  // namespace detail

scope::scope(const weft::context& parent) : state_(new sync::scope_state(with_cancel(parent))) {}

scope::~scope() noexcept(false) {
  const std::unique_ptr<sync::scope_state> owned(state_);
  const bool body_failed = std::uncaught_exceptions() > state_->uncaught;
  if (body_failed) cancel();
  static_cast<void>(wait());
  cancel();
  if (body_failed) return;
  if (const auto reported = state_->report(); !reported) throw scope_error(reported.error());
}

const weft::context& scope::context() const noexcept { return state_->own.ctx; }

void scope::cancel() noexcept { state_->own.cancel(); }

result<void> scope::wait(const limit& l) noexcept {
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  const auto by = state_->members.wait(sched::wait_reason::scope_join, raw);
  if (by == sched::token_ready) return {};
  return std::unexpected(error(sched::code_of(by, raw), "scope join"));
}

result<void> scope::join(const limit& l) {
  auto ended = wait(l);
  return ended ? state_->report() : ended;
}

std::string scope::failure_trace() const {
  const sched::throw_trace* from = state_->from();
  return from != nullptr ? text_of(*from) : std::string();
}

}  // namespace weft
