#include "sync/context.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/scheduler.h"
#include "sched/wait.h"

namespace weft::sync {
namespace {

constexpr const char* operation = "context";

// stop_context: one that a stop_token cancels.
class stop_context final : public context_state {
 public:
  explicit stop_context(std::int64_t deadline_ns) noexcept : context_state(deadline_ns) {}

  void watch(std::stop_token token) { callback_.emplace(std::move(token), on_stop{*this}); }

 private:
  struct on_stop {
    stop_context& self;
    void operator()() const noexcept {
      const sched::gate inside;
      self.cancel(make_error_code(errc::cancelled), error(errc::cancelled, operation));
    }
  };
  // Its destructor waits for a callback that runs meanwhile; ours never waits, so that is short.
  std::optional<std::stop_callback<on_stop>> callback_;
};

}  // namespace

context_state::context_state(std::int64_t deadline_ns) noexcept
    : deadline_ns_(deadline_ns), cause_(errc::timeout, operation) {}

context_state* context_state::create(context_state* parent, std::int64_t deadline_ns,
                                     const error* timeout_cause) {
  auto* s = new context_state(deadline_ns);
  if (timeout_cause != nullptr) s->cause_ = *timeout_cause;
  s->attach(parent);
  return s;
}

context_state* context_state::create_for(std::stop_token token, context_state* parent) {
  auto* s = new stop_context(sched::none_due);
  {
    const sched::gate inside;
    s->attach(parent);
  }
  s->watch(std::move(token));
  return s;
}

void context_state::attach(context_state* parent) noexcept {
  if (parent == nullptr) return;
  parent->retain();
  parent_ = parent;
  {
    base::locked hold(parent->lock_);
    if (!parent->fired()) {
      if (parent->deadline_ns_ <= deadline_ns_) {
        deadline_ns_ = parent->deadline_ns_;  // I4
        cause_ = parent->cause_;              // I1
      }
      parent->children_.push_back(*this);
      return;
    }
  }
  cause_ = parent->cause();
  cancel(parent->code(), cause_);
}

// destroy: the last reference to this one is gone; perhaps it held the last one to its parent, ...
void context_state::destroy() noexcept {
  context_state* s = this;
  while (s != nullptr) {
    context_state* parent = s->parent_;
    if (parent != nullptr) {
      base::locked hold(parent->lock_);
      if (s->linked()) parent->children_.remove(*s);
    }
    delete s;
    s = parent != nullptr && parent->unreference() ? parent : nullptr;
  }
}

bool context_state::passed() const noexcept {
  return deadline_ns_ != sched::none_due && sched::now_ns() >= deadline_ns_;
}

bool context_state::settle() noexcept {
  if (fired()) return true;
  if (!passed()) return false;
  cancel(make_error_code(errc::timeout), cause_);
  return true;
}

// fire_one: this one alone; its children move to `below`, each with a reference. What has timed
// out, though nobody looked, has timed out.
bool context_state::fire_one(std::error_code code, const error& cause,
                             base::list<context_state>& below, sched::wake_list& woken) noexcept {
  const auto timeout = make_error_code(errc::timeout);
  const bool late = code == timeout || passed();
  base::locked hold(lock_);
  if (fired()) return false;
  if (!late) cause_ = cause;  // else I1
  fire(late ? timeout : code, woken);
  while (context_state* child = children_.pop_front()) {
    if (child->try_retain()) below.push_back(*child);
  }
  return true;
}

bool context_state::cancel(std::error_code code, const error& cause) noexcept {
  sched::wake_list woken;
  base::list<context_state> below;
  if (!fire_one(code, cause, below, woken)) return false;
  while (context_state* child = below.pop_front()) {
    child->fire_one(child->parent_->code(), child->parent_->cause(), below, woken);
    child->release();
  }
  return true;
}

}  // namespace weft::sync

namespace weft {
namespace {

sync::context_state* state_of(const context& c) noexcept {
  return detail::context_access::state(c);
}

// with_values_of: a handle that takes over a reference to `counted`.
context with_values_of(const context& parent, sync::context_state* counted) noexcept {
  auto* values = detail::context_access::values(parent);
  if (values != nullptr) values->retain();
  return detail::context_access::adopt(counted, values);
}

}  // namespace

namespace detail {

context context_access::share(sync::context_state* s, sync::context_values* v) noexcept {
  if (s != nullptr) s->retain();
  if (v != nullptr) v->retain();
  return adopt(s, v);
}

cancellable make_context(const context& parent, std::int64_t deadline_ns,
                         const error* timeout_cause) {
  const sched::gate inside;
  auto* s = sync::context_state::create(state_of(parent), deadline_ns, timeout_cause);
  auto ctx = with_values_of(parent, s);
  // One whose deadline has passed is done at once, and its children from their beginning.
  static_cast<void>(s->settle());
  return {ctx, cancel_function(ctx)};
}

context make_value_context(const context& parent, const void* key, void* value,
                           void (*destroy)(void*) noexcept) {
  std::unique_ptr<void, void (*)(void*) noexcept> owned(value, destroy);
  auto* above = context_access::values(parent);
  auto* values = new sync::context_values(above, key, value, destroy);
  static_cast<void>(owned.release());
  if (above != nullptr) above->retain();
  if (auto* s = state_of(parent)) s->retain();
  return context_access::adopt(state_of(parent), values);
}

context exchange_current(context next) noexcept {
  sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr) return next;
  auto before = context_access::adopt(static_cast<sync::context_state*>(g->inherited),
                                      static_cast<sync::context_values*>(g->inherited_values));
  g->inherited = context_access::state(next);
  g->inherited_values = context_access::values(next);
  context_access::disown(next);
  return before;
}

bool stop_waiting(const context& own) noexcept {
  const auto stopped = make_error_code(errc::closed);
  auto* s = state_of(own);
  const sched::gate inside;
  return s->cancel(stopped, error(stopped, sync::operation)) && s->code() == stopped;
}

}  // namespace detail

context context::current() noexcept {
  const sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr) return {};
  // Whoever sets `inherited` (scope) sets it to what a context consists of.
  return detail::context_access::share(static_cast<sync::context_state*>(g->inherited),
                                       static_cast<sync::context_values*>(g->inherited_values));
}

context::context(const context& other) noexcept : state_(other.state_), values_(other.values_) {
  if (state_ != nullptr) state_->retain();
  if (values_ != nullptr) values_->retain();
}

void context::drop() noexcept {
  if (values_ != nullptr) values_->release();
  if (state_ == nullptr || !state_->unreference()) return;
  const sched::gate inside;
  state_->destroy();
}

bool context::done() const noexcept {
  if (state_ == nullptr) return false;
  if (state_->fired()) return true;
  if (!state_->passed()) return false;
  const sched::gate inside;
  return state_->settle();
}

std::optional<error> context::err() const noexcept {
  if (!done()) return std::nullopt;
  return error(state_->code(), sync::operation);
}

std::optional<error> context::cause() const noexcept {
  if (!done()) return std::nullopt;
  return state_->cause();
}

const void* context::find(const void* key) const noexcept {
  return values_ == nullptr ? nullptr : values_->find(key);
}

std::optional<context::clock::time_point> context::deadline() const noexcept {
  if (state_ == nullptr || state_->deadline_ns() == limit::never) return std::nullopt;
  return clock::time_point(std::chrono::nanoseconds(state_->deadline_ns()));
}

result<void> context::wait(const limit& l) const {
  const bool was_done = done();
  const sched::waiting_gate inside;
  if (was_done) return {};
  const sched::limits raw = l.raw();
  sched::limits both = raw;
  sched::wait w(sched::wait_reason::context_done, state_);
  sched::cancel_node node;
  if (state_ != nullptr) {
    both.deadline_ns = std::min(both.deadline_ns, state_->deadline_ns());
    node.who = &w.who();
    node.at = w.at();
    node.by = sched::token_ready;
    if (!state_->add(node)) return {};
  }
  const sched::token by = w.park(both);
  if (state_ == nullptr) return std::unexpected(error(sched::code_of(by, raw), sync::operation));
  state_->remove(node);
  if (by == sched::token_ready || state_->settle()) return {};
  return std::unexpected(error(sched::code_of(by, raw), sync::operation));
}

void cancel_function::operator()() const noexcept {
  operator()(error(errc::cancelled, sync::operation));
}

void cancel_function::operator()(const error& cause) const noexcept {
  const sched::gate inside;
  state_of(target_)->cancel(make_error_code(errc::cancelled), cause);
}

context without_cancel(const context& parent) noexcept {
  return detail::context_access::share(nullptr, detail::context_access::values(parent));
}

context with_stop_token(std::stop_token token, const context& parent) {
  return with_values_of(parent,
                        sync::context_state::create_for(std::move(token), state_of(parent)));
}

}  // namespace weft
