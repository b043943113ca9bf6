#include "sched/file_slots.h"

#include <utility>

#include "base/assert.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/scheduler.h"

namespace weft::sched {

bool file_slots::take_locked() noexcept {
  if (taken_ >= room_) return false;
  ++taken_;
  return true;
}

bool file_slots::try_enter() noexcept {
  const base::locked hold(lock_);
  return take_locked();
}

void file_slots::enter() noexcept {
  if (try_enter()) return;
  wait w(wait_reason::file_slot, this);
  wait_node node;
  node.who = &w.who();
  node.at = w.at();
  bool arms = false;
  {
    const base::locked hold(lock_);
    if (take_locked()) return;
    queue_.push_back(node);
    arms = !std::exchange(watched_, true);
    if (arms) seen_ = returned_;
  }
  if (arms) arm();
  w.park();
}

void file_slots::leave() noexcept {
  wake_list woken;
  const base::locked hold(lock_);
  --taken_;
  ++returned_;
  if (taken_ < slots) room_ = slots;
  admit_locked(woken);
}

void file_slots::admit_locked(wake_list& woken) noexcept {
  while (taken_ < room_) {
    wait_node* first = queue_.pop_front();
    if (first == nullptr) return;
    ++taken_;
    const bool claimed = woken.claim(*first->who, first->at, token_ready);
    WEFT_ASSERT(claimed, "nothing but a slot ends the wait for one");
  }
}

void file_slots::arm() noexcept { owner_.arm_timer(watch_, now_ns() + stall_); }

void file_slots::look() noexcept {
  {
    wake_list woken;
    const base::locked hold(lock_);
    watched_ = !queue_.empty();
    if (!watched_) return;
    if (seen_ == returned_) ++room_;
    seen_ = returned_;
    admit_locked(woken);
  }
  arm();
}

file_call::file_call() noexcept : file_call(when::idle) {
  if (entered_) return;
  const gate inside;
  slots_->enter();
  entered_ = true;
}

file_call::file_call(when) noexcept {
  const gate inside;
  if (inside.caller() == nullptr) return;
  slots_ = &inside.caller()->owner->files();
  entered_ = slots_->try_enter();
}

file_call::~file_call() {
  if (slots_ == nullptr || !entered_) return;
  const gate inside;
  slots_->leave();
}

}  // namespace weft::sched
