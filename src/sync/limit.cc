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
  source_ = state;
}

limit::limit(std::stop_token token) {
  if (!token.stop_possible()) return;
  source_ = sync::context_state::create_for(std::move(token), nullptr);
  owned_ = true;
}

limit::limit(const limit& other) noexcept
    : deadline_ns_(other.deadline_ns_), source_(other.source_), owned_(other.owned_) {
  if (owned_) source_->retain();
}

limit::limit(limit&& other) noexcept
    : deadline_ns_(other.deadline_ns_),
      source_(other.source_),
      owned_(std::exchange(other.owned_, false)) {}

sched::limits limit::raw() const noexcept { return {deadline_ns_, source_}; }

std::int64_t limit::after(std::int64_t ns) noexcept {
  const auto now = sched::now_ns();
  return ns > never - now ? never : now + ns;
}

void limit::drop() noexcept {
  if (!source_->unreference()) return;
  const sched::gate inside;
  source_->destroy();
}

}  // namespace weft
