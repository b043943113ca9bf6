#include "sched/cancel.h"

#include "sched/timer.h"
#include "sched/wake_list.h"

namespace weft::sched {

std::int64_t cancel_source::deadline_ns() const noexcept { return none_due; }

bool cancel_source::add(cancel_node& n) noexcept {
  base::locked hold(lock_);
  if (fired_.load(base::relaxed)) return false;  // relaxed: written under lock_
  waiters_.push_back(n);
  return true;
}

void cancel_source::remove(cancel_node& n) noexcept {
  base::locked hold(lock_);
  if (n.linked()) waiters_.remove(n);
}

bool cancel_source::fire(std::error_code code, wake_list& woken) noexcept {
  base::locked hold(lock_);
  if (fired_.load(base::relaxed)) return false;  // relaxed: written under lock_
  code_ = code;
  // release: publishes code_ to fired().
  fired_.store(true, base::release);
  while (cancel_node* n = waiters_.pop_front()) woken.claim(*n->who, n->at, n->by);
  return true;
}

}  // namespace weft::sched
