// select: one commit over several channels.
//
//   1  look without locks, in a random order; try what seems ready, under its own lock only
//   2  with `otherwise`: if the looks say that at some instant nothing was ready, that is it
//   3  lock all channels, in rising number; try again, in the random order; else enter a node in
//      each queue
//   4  unlock; enter the contexts; park once, until the earliest deadline
//   5  lock all, take the other nodes out, unlock; leave the contexts
//
// I1  A random order is drawn once for each select: of what is ready, each is equally likely.
// I2  Each case has a slot of its own, so a channel may copy into one whose claim it then loses.
// I3  Of all who would serve the select one wins the claim on its ticket; the token says which
//     case.
// I4  No node is in a queue when the frame ends: step 5 has had every lock. The channels are
//     counted from step 3 on, as by every one who waits.
//
// A look can tell that nothing was ready "at an instant" because look() changes with every change:
// when two rounds of looks agree, nothing changed between the end of the first and the beginning of
// the second.
//
// Tests: select_test.cc, tests/model/select.pml (verifies; fails without the order of locks, the
// exchange of the claim, the second try, step 5, or a slot for each case),
// tests/interleave/channel_test.cc.

#include <weft/select.h>

#include <algorithm>
#include <new>
#include <span>
#include <utility>

#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/wait.h"
#include "sync/channel_core.h"
#include "sync/context.h"
#include "sync/outlook.h"
#include "sync/random.h"

namespace weft::sync {
namespace {

using detail::select_case;
using detail::select_choice;
using detail::select_kind;

static_assert(sizeof(channel_node) <= sizeof(select_case::node));
static_assert(sizeof(sched::cancel_node) <= sizeof(select_case::node));
static_assert(alignof(channel_node) <= 8 && alignof(sched::cancel_node) <= 8);
static_assert(detail::select_cases_max + sched::token_first_case <= sched::token_cases_max);

constexpr std::size_t no_case = SIZE_MAX;

direction direction_of(const select_case& c) noexcept {
  return c.kind == select_kind::recv ? direction::recv : direction::send;
}

channel_node& channel_node_of(select_case& c) noexcept {
  return *std::launder(reinterpret_cast<channel_node*>(c.node));
}

sched::cancel_node& cancel_node_of(select_case& c) noexcept {
  return *std::launder(reinterpret_cast<sched::cancel_node*>(c.node));
}

sched::token token_of(std::size_t index) noexcept {
  return static_cast<sched::token>(sched::token_first_case + index);
}

class selection {
 public:
  explicit selection(std::span<select_case> cases) noexcept : cases_(cases) {}
  selection(const selection&) = delete;
  selection& operator=(const selection&) = delete;

  select_choice run() noexcept {
    const sched::waiting_gate inside(may_wait() ? 1 : 0);
    order();
    if (!look() && !(otherwise_ != no_case && settled())) wait_for_one();
    woken_.fire();
    return {chosen_, closed_};
  }

  // The references that were counted for the wait are given back outside the gate.
  ~selection() {
    if (!counted_) return;
    for (const select_case& c : cases_) {
      if (is_channel(c)) c.core->release(end_of(direction_of(c)));
    }
  }

 private:
  [[nodiscard]] bool is_channel(const select_case& c) const noexcept { return c.core != nullptr; }
  [[nodiscard]] bool is_chosen() const noexcept { return chosen_ != no_case; }
  [[nodiscard]] bool may_wait() const noexcept {
    return std::ranges::none_of(
        cases_, [](const select_case& c) { return c.kind == select_kind::otherwise; });
  }

  void order() noexcept;
  bool has_come(std::int64_t due_ns) noexcept;
  bool look() noexcept;
  bool settled() noexcept;
  bool try_case(std::size_t index) noexcept;
  bool try_all() noexcept;
  void lock_all() noexcept;
  void unlock_all() noexcept;
  void wait_for_one() noexcept;
  void enter_channels(const sched::wait& w) noexcept;
  void leave_channels() noexcept;
  sched::token enter_contexts(sched::wait& w) noexcept;
  void leave_contexts() noexcept;
  void decide(sched::token by) noexcept;
  void decide_timeout() noexcept;

  std::span<select_case> cases_;
  std::size_t channels_ = 0;  // cases with a channel; the first entries of `locked`
  std::size_t otherwise_ = no_case;
  std::size_t chosen_ = no_case;
  bool closed_ = false;
  bool counted_ = false;  // each channel, once a case (channel_core.h, I5)
  std::int64_t deadline_ns_ = sched::none_due;
  std::int64_t now_ns_ = 0;
  sched::wake_list woken_;
};

// order: a random order to look in (Fisher and Yates, inside out), and the order of locks.
void selection::order() noexcept {
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    const auto j = i == 0 ? 0 : random_below(static_cast<std::uint32_t>(i + 1));
    cases_[i].looked_at = cases_[j].looked_at;
    cases_[j].looked_at = static_cast<std::uint16_t>(i);
    const select_case& c = cases_[i];
    if (c.kind == select_kind::otherwise) otherwise_ = i;
    if (is_channel(c)) cases_[channels_++].locked = static_cast<std::uint16_t>(i);
  }
  // An insertion sort: there are few, and often they come in order.
  for (std::size_t i = 1; i < channels_; ++i) {
    const auto item = cases_[i].locked;
    std::size_t at = i;
    for (; at > 0 && cases_[cases_[at - 1].locked].core->number() > cases_[item].core->number();
         --at) {
      cases_[at].locked = cases_[at - 1].locked;
    }
    cases_[at].locked = item;
  }
}

// has_come: with the time of the first question, asked for when it matters.
bool selection::has_come(std::int64_t due_ns) noexcept {
  if (due_ns <= 0 || due_ns == sched::none_due) return due_ns <= 0;
  if (now_ns_ == 0) now_ns_ = sched::now_ns();
  return due_ns <= now_ns_;
}

// look: step 1. True if a case was done.
bool selection::look() noexcept {
  for (std::size_t n = 0; n < cases_.size(); ++n) {
    const std::size_t index = cases_[n].looked_at;
    select_case& c = cases_[index];
    if (c.kind == select_kind::done && c.context != nullptr && c.context->settle()) {
      chosen_ = index;
      return true;
    }
    if (c.kind == select_kind::after && has_come(c.deadline_ns)) {
      chosen_ = index;
      return true;
    }
    if (!is_channel(c)) continue;
    c.seen = c.core->look();
    if (!channel_core::may(direction_of(c), c.seen)) continue;
    base::locked hold(c.core->lock());
    if (try_case(index)) return true;
    c.seen = c.core->look();
  }
  return false;
}

// settled: step 2. True if `otherwise` is chosen.
bool selection::settled() noexcept {
  for (const select_case& c : cases_) {
    if (is_channel(c) && c.core->look() != c.seen) return false;
    if (c.kind == select_kind::done && c.context != nullptr && c.context->fired()) return false;
  }
  chosen_ = otherwise_;
  return true;
}

// try_case: with the lock of its channel.
bool selection::try_case(std::size_t index) noexcept {
  select_case& c = cases_[index];
  const auto got =
      c.kind == select_kind::recv ? c.core->take(c.slot, woken_) : c.core->put(c.slot, woken_);
  if (got == outcome::blocked) return false;
  chosen_ = index;
  closed_ = got == outcome::closed;
  return true;
}

bool selection::try_all() noexcept {
  for (std::size_t n = 0; n < cases_.size(); ++n) {
    const std::size_t index = cases_[n].looked_at;
    if (is_channel(cases_[index]) && try_case(index)) return true;
  }
  return false;
}

// lock_all, unlock_all: each channel once, however many cases it has.
void selection::lock_all() noexcept {
  channel_core* last = nullptr;
  for (std::size_t n = 0; n < channels_; ++n) {
    channel_core* core = cases_[cases_[n].locked].core;
    if (core != last) core->lock().acquire();
    last = core;
  }
}

void selection::unlock_all() noexcept {
  channel_core* last = nullptr;
  for (std::size_t n = channels_; n-- > 0;) {
    channel_core* core = cases_[cases_[n].locked].core;
    if (core != last) core->lock().release();
    last = core;
  }
}

void selection::wait_for_one() noexcept {
  sched::wait w(cases_.empty() ? sched::wait_reason::select_no_cases : sched::wait_reason::select,
                &cases_);
  // Before a value changes hands: then the other side may drop the handles, of the channels that
  // are still locked too.
  for (const select_case& c : cases_) {
    if (is_channel(c)) c.core->retain(end_of(direction_of(c)));
  }
  counted_ = true;
  for (;;) {
    lock_all();
    if (try_all() || otherwise_ != no_case) {
      unlock_all();
      if (!is_chosen()) chosen_ = otherwise_;
      return;
    }
    enter_channels(w);
    unlock_all();
    sched::token by = enter_contexts(w);
    if (by == sched::token_none) by = w.park({deadline_ns_, nullptr});
    leave_channels();
    leave_contexts();
    decide(by);
    if (is_chosen()) return;
    w.again();  // a clock ticked for somebody else, or was set
  }
}

void selection::enter_channels(const sched::wait& w) noexcept {
  deadline_ns_ = sched::none_due;
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    select_case& c = cases_[i];
    if (c.kind == select_kind::after) deadline_ns_ = std::min(deadline_ns_, c.deadline_ns);
    if (c.context != nullptr) deadline_ns_ = std::min(deadline_ns_, c.context->deadline_ns());
    if (!is_channel(c)) continue;
    auto* node = ::new (static_cast<void*>(c.node)) channel_node;
    node->who = &w.who();
    node->at = w.at();
    node->by = token_of(i);
    node->slot = c.slot;
    c.core->enter(direction_of(c), *node);
    if (c.kind == select_kind::recv) deadline_ns_ = std::min(deadline_ns_, c.core->due_ns());
  }
}

void selection::leave_channels() noexcept {
  lock_all();
  for (select_case& c : cases_) {
    if (is_channel(c)) c.core->leave(direction_of(c), channel_node_of(c));
  }
  unlock_all();
}

// enter_contexts: what decided the wait already, or token_none.
sched::token selection::enter_contexts(sched::wait& w) noexcept {
  sched::token by = sched::token_none;
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    select_case& c = cases_[i];
    if (c.context == nullptr) continue;
    auto* node = ::new (static_cast<void*>(c.node)) sched::cancel_node;
    node->who = &w.who();
    node->at = w.at();
    node->by = token_of(i);
    if (by != sched::token_none || c.context->add(*node)) continue;
    by = w.give_up();
    if (by == sched::token_none) by = node->by;
  }
  return by;
}

void selection::leave_contexts() noexcept {
  for (select_case& c : cases_) {
    if (c.context != nullptr) c.context->remove(cancel_node_of(c));
  }
}

void selection::decide(sched::token by) noexcept {
  if (by == token_look_again) return;
  if (by == sched::token_timeout) {
    decide_timeout();
    return;
  }
  closed_ = (by & sched::token_closed) != 0;
  chosen_ = static_cast<std::size_t>((by & ~sched::token_closed) - sched::token_first_case);
}

// decide_timeout: a case whose time has come; none if it was a clock's: then we look again.
void selection::decide_timeout() noexcept {
  for (std::size_t n = 0; n < cases_.size(); ++n) {
    const std::size_t index = cases_[n].looked_at;
    const select_case& c = cases_[index];
    const bool time_is_up = c.kind == select_kind::after
                                ? c.deadline_ns <= deadline_ns_
                                : c.context != nullptr && c.context->settle();
    if (!time_is_up) continue;
    chosen_ = index;
    return;
  }
}

}  // namespace

outlook outlook_of_select(const void* object) noexcept {
  constexpr std::size_t looked_at_most = 64;  // somebody may spin meanwhile
  const auto& cases = *static_cast<const std::span<select_case>*>(object);
  if (cases.size() > looked_at_most) return {prospect::others, ""};
  bool sends = false;
  for (const select_case& c : cases) {
    switch (c.kind) {
      case select_kind::recv:
        if (c.core != nullptr && c.core->has(detail::sending_end)) return {prospect::others, ""};
        break;
      case select_kind::send:
        if (c.core == nullptr) break;
        if (c.core->has(detail::receiving_end)) return {prospect::others, ""};
        sends = true;
        break;
      case select_kind::done:
        if (c.context != nullptr) return {prospect::others, ""};
        break;
      case select_kind::after:
      case select_kind::otherwise: break;  // `after` without a limit: never
    }
  }
  if (sends) return {prospect::doubtful, "nobody has the other ends: only a close wakes it"};
  return {prospect::never, "nobody has the other end of any of its channels"};
}

}  // namespace weft::sync

namespace weft::detail {

sync::context_state* state_of(const context& ctx) noexcept { return context_access::state(ctx); }

select_choice select_cases(select_case* cases, std::size_t n) noexcept {
  return sync::selection({cases, n}).run();
}

}  // namespace weft::detail
