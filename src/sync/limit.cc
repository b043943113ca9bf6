#include <weft/limit.h>

#include <utility>

#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/wait.h"
#include "sync/context.h"

namespace weft {

static_assert(limit::never == sched::none_due);

limit::limit(const context& ctx) noexcept {
  auto* state = detail::context_access::state(ctx);
  if (state == nullptr) return;
  deadline_ns_ = state->deadline_ns();
  first_ = {state, false};
}

limit::limit(std::stop_token token) {
  if (!token.stop_possible()) return;
  first_ = {sync::context_state::create_for(std::move(token), nullptr), true};
}

sched::limits limit::raw() const noexcept { return {deadline_ns_, first_.get(), second_.get()}; }

std::int64_t limit::after(std::int64_t ns) noexcept {
  if (ns == 0) return 0;
  const auto now = sched::now_ns();
  return ns > never - now ? never : now + ns;
}

void limit::source::retain() const noexcept { of_->retain(); }

void limit::source::drop() noexcept {
  if (!of_->unreference()) return;
  const sched::gate inside;
  of_->destroy();
}

}  // namespace weft
