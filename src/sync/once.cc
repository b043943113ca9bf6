// once: fresh -> running -> done; each change under the queue's lock, done also read without it.
//
// Tests: wait_group_test.cc.

#include <weft/once.h>

#include <cstdint>
#include <new>

#include "base/atomic.h"
#include "sched/gate.h"
#include "sync/waiters.h"

namespace weft {
namespace sync {
namespace {

enum once_state : std::uint32_t { fresh, running, done };

class once_core {
 public:
  // begin: token_none if the caller has to do it; token_ready: it is done; else what ended the
  // wait.
  sched::token begin(const sched::limits& l) noexcept {
    // acquire: sees what the one call did; pairs with the store in end().
    if (waiters_.state.load(base::acquire) == done) return sched::token_ready;
    sched::wait w(sched::wait_reason::once, this);
    waiters_.lock.acquire();
    const auto at = waiters_.state.load(base::relaxed);  // relaxed: guarded by the lock
    if (at == running) {
      sched::wait_node n;
      return waiters_.park(w, n, false, l);
    }
    if (at == fresh) waiters_.state.store(running, base::relaxed);  // relaxed: guarded
    waiters_.lock.release();
    return at == fresh ? sched::token_none : sched::token_ready;
  }

  void end() noexcept {
    sched::wake_list woken;
    base::locked hold(waiters_.lock);
    waiters_.state.store(done, base::release);  // release: publishes what the call did
    waiters_.claim_all(woken);
  }

 private:
  waiters waiters_;  // its state is a once_state
};

// core_of: which begins as zeros (waiters.h).
once_core& core_of(std::byte* bytes) noexcept {
  static_assert(sizeof(once_core) <= sizeof(once) && alignof(once_core) <= alignof(once));
  return *std::launder(reinterpret_cast<once_core*>(bytes));
}

}  // namespace
}  // namespace sync

result<bool> once::begin(const limit& l) noexcept {
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  const auto by = sync::core_of(core_).begin(raw);
  if (by == sched::token_none) return true;
  if (by == sched::token_ready) return false;
  return std::unexpected(error(sched::code_of(by, raw), "once"));
}

void once::end() noexcept {
  const sched::gate inside;
  sync::core_of(core_).end();
}

}  // namespace weft
