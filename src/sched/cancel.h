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
#include "sched/waiter.h"

namespace weft::sched {

class wake_list;

// cancel_node: one wait in one source's list; it lives in the frame of the wait.
struct cancel_node : base::list_node {
  waiter* who = nullptr;
  ticket at = 0;
  token by = token_cancelled;
};

class cancel_source {
 public:
  cancel_source(const cancel_source&) = delete;
  cancel_source& operator=(const cancel_source&) = delete;

  void retain() noexcept {
    // relaxed: whoever retains has a reference already.
    references_.fetch_add(1, base::relaxed);
  }
  void release() noexcept {
    if (unreference()) destroy();
  }
  // try_retain: for who found it in a list that does not count: false if its last reference is
  // gone.
  [[nodiscard]] bool try_retain() noexcept {
    auto n = references_.load(base::relaxed);
    // relaxed: the lock that guards the list orders the rest.
    while (n != 0 && !references_.compare_exchange_weak(n, n + 1, base::relaxed, base::relaxed)) {
    }
    return n != 0;
  }
  // unreference: gives a reference back; true if it was the last one: then the caller owes a
  // destroy().
  [[nodiscard]] bool unreference() noexcept {
    // acq_rel: the last one sees all that the others did with the object.
    return references_.fetch_sub(1, base::acq_rel) == 1;
  }
  virtual void destroy() noexcept { delete this; }

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
  cancel_source() = default;
  virtual ~cancel_source() = default;

  // fire: cancels; false if somebody did before. Claimed waiters go to `woken`, for the caller to
  // fire without locks.
  bool fire(std::error_code code, wake_list& woken) noexcept;

 private:
  base::atomic<std::uint32_t> references_{1};
  base::atomic<bool> fired_{false};
  base::lock<base::rank::cancel> lock_;
  base::list<cancel_node> waiters_;  // guarded by lock_
  std::error_code code_;             // guarded by lock_ until fired
};

}  // namespace weft::sched
