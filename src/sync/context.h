#pragma once

// context_state: what a context handle points to.
//
// I1  fired() changes under lock_ only; cause_ is written before it and never afterwards. Until
//     then it is what the cause will be if the deadline passes: its own, or that of the parent
//     whose deadline it has.
// I2  A state below a parent stands in the parent's children_ until the parent fires or the state
//     goes away. The list does not count: whoever takes a child out of it by firing uses
//     try_retain().
// I3  A state counts its parent, so that a parent outlives its children.
// I4  deadline_ns_ is at most the parent's: nobody has to be told that a parent's deadline passed.
//
// A tree is cancelled and taken apart by loops: depth costs no stack.
//
// Rejected: a timer per deadline. Every wait under a context takes the deadline along (limits), and
// who asks looks at the clock, so it would only fire for nobody.

#include <weft/context.h>
#include <weft/error.h>

#include <cstdint>
#include <stop_token>
#include <system_error>

#include "base/list.h"
#include "base/lock.h"
#include "sched/cancel.h"

namespace weft::sync {

class context_state : public sched::cancel_source, public base::list_node {
 public:
  // create: with one reference, for the caller. timeout_cause: null for the ordinary one. Outside
  // the gate or inside.
  [[nodiscard]] static context_state* create(context_state* parent, std::int64_t deadline_ns,
                                             const error* timeout_cause);

  // create_for: one that a stop_token cancels. Outside the gate: a stop may have been requested.
  [[nodiscard]] static context_state* create_for(std::stop_token token, context_state* parent);

  [[nodiscard]] std::int64_t deadline_ns() const noexcept override { return deadline_ns_; }

  // cancel: fires it and all below it; false if it was done before. Inside the gate.
  bool cancel(std::error_code code, const error& cause) noexcept;

  // passed: whether its deadline has passed.
  [[nodiscard]] bool passed() const noexcept;

  // settle: whether it is done; one whose deadline has passed is fired now. Inside the gate.
  [[nodiscard]] bool settle() noexcept;

  // cause: only when fired.
  [[nodiscard]] const error& cause() const noexcept { return cause_; }

  void destroy() noexcept override;

 protected:
  explicit context_state(std::int64_t deadline_ns) noexcept;

 private:
  void attach(context_state* parent) noexcept;
  bool fire_one(std::error_code code, const error& cause, base::list<context_state>& below,
                sched::wake_list& woken) noexcept;

  // Constant once attached.
  std::int64_t deadline_ns_;
  context_state* parent_ = nullptr;  // counted

  base::lock<base::rank::context> lock_;
  base::list<context_state> children_;  // guarded by lock_; the links of each child too
  error cause_;                         // guarded by lock_ until fired
};

// context_values: what a context carries: immutable, in a row that its handles and the values below
// count. No runtime is needed for it, and the destructors of values run where a handle is dropped:
// never inside the gate.
class context_values final : public sched::counted {
 public:
  // Takes `value`, and a reference to `above`, which may be null.
  context_values(context_values* above, const void* key, void* value,
                 void (*destroy_value)(void*) noexcept) noexcept
      : above_(above), key_(key), value_(value), destroy_value_(destroy_value) {}

  [[nodiscard]] const void* find(const void* key) const noexcept {
    for (const context_values* v = this; v != nullptr; v = v->above_) {
      if (v->key_ == key) return v->value_;
    }
    return nullptr;
  }

  // destroy: in a loop: the row may be long.
  void destroy() noexcept override {
    context_values* v = this;
    while (v != nullptr) {
      context_values* above = v->above_;
      v->destroy_value_(v->value_);
      delete v;
      v = above != nullptr && above->unreference() ? above : nullptr;
    }
  }

 private:
  context_values* const above_;  // counted
  const void* const key_;
  void* const value_;
  void (*const destroy_value_)(void*) noexcept;
};

}  // namespace weft::sync

namespace weft::detail {

// context_access: between handles and what they consist of.
struct context_access {
  static sync::context_state* state(const context& c) noexcept { return c.state_; }
  static sync::context_values* values(const context& c) noexcept { return c.values_; }
  // adopt: a handle that takes over the caller's references.
  static context adopt(sync::context_state* counted,
                       sync::context_values* counted_values) noexcept {
    return {counted, counted_values};
  }
  // disown: the handle's references are now the caller's.
  static void disown(context& c) noexcept {
    c.state_ = nullptr;
    c.values_ = nullptr;
  }
  // share: a handle with references of its own.
  static context share(sync::context_state* s, sync::context_values* v) noexcept;
};

}  // namespace weft::detail
