#include <weft/limit.h>

#include <algorithm>
#include <utility>

#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/scheduler.h"
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

sched::limits limit::raw() const noexcept {
  return {deadline_ns_, first_.get(), second_.get(), nullptr};
}

sched::limits limit::raw_io() const noexcept {
  auto l = raw();
  const sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr || g->inherited == nullptr) return l;
  l.scope = g->inherited;
  l.deadline_ns = std::min(l.deadline_ns, l.scope->deadline_ns());
  return l;
}

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
