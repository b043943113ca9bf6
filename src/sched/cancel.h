#pragma once

// cancel_source: what a wait can be cancelled by. Contexts derive from it (sync/context.cc); the
// scheduler only knows the list of waiters and the code that explains why. Waking a waiter is claim
// + ready: no user code runs here.
//
// I1  fired_ goes from false to true once; code_ is written before and never changes afterwards.
// I2  A node is in waiters_ only while its wait is open or its frame is about to take it out; both
//     under lock_.

#include <cstdint>
#include <system_error>

#include "base/atomic.h"
#include "base/list.h"
#include "base/lock.h"
#include "sched/counted.h"
#include "sched/waiter.h"

namespace weft::sched {

class wake_list;

// cancel_node: one wait in one source's list; it lives in the frame of the wait.
struct cancel_node : base::list_node {
  waiter* who = nullptr;
  ticket at = 0;
  token by = token_cancelled;
};

class cancel_source : public counted {
 public:
  // fired: whether it has been cancelled; then code() says why.
  [[nodiscard]] bool fired() const noexcept {
    // acquire: sees code_; pairs with the store in fire().
    return fired_.load(base::acquire);
  }
  [[nodiscard]] std::error_code code() const noexcept { return code_; }

  // deadline_ns: when it will fire by itself, or none_due.
  [[nodiscard]] virtual std::int64_t deadline_ns() const noexcept;

  // add: enters a wait; false if it has fired already. remove: takes it out if it is still in.
  [[nodiscard]] bool add(cancel_node& n) noexcept;
  void remove(cancel_node& n) noexcept;

 protected:
  // fire: cancels; false if somebody did before. Claimed waiters go to `woken`, for the caller to
  // fire without locks.
  bool fire(std::error_code code, wake_list& woken) noexcept;

 private:
  base::atomic<bool> fired_{false};
  base::lock<base::rank::cancel> lock_;
  base::list<cancel_node> waiters_;  // guarded by lock_
  std::error_code code_;             // guarded by lock_ until fired
};

}  // namespace weft::sched
