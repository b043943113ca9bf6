// once: fresh -> running -> done; each change under the queue's lock, done also read without it.
//
// Tests: once_test.cc.

#include <weft/once.h>

#include <cstdint>
#include <new>

#include "base/atomic.h"
#include "sched/gate.h"
#include "sync/waiters.h"

namespace weft {
namespace sync {
namespace {

enum class once_state : std::uint32_t { fresh, running, done };

class once_core {
 public:
  // begin: true if the caller has to do it. False: it is done.
  bool begin() noexcept {
    // acquire: sees what the one call did; pairs with the store in end().
    if (state_.load(base::acquire) == once_state::done) return false;
    sched::wait w(sched::wait_reason::once, this);
    waiters_.lock.acquire();
    const auto at = state_.load(base::relaxed);  // relaxed: guarded by the lock
    if (at == once_state::running) {
      sched::wait_node n;
      waiters_.park(w, n, false, {});
      return false;
    }
    if (at == once_state::fresh)
      state_.store(once_state::running, base::relaxed);  // relaxed: guarded
    waiters_.lock.release();
    return at == once_state::fresh;
  }

  void end() noexcept {
    sched::wake_list woken;
    base::locked hold(waiters_.lock);
    state_.store(once_state::done, base::release);  // release: publishes what the call did
    waiters_.claim_all(woken);
  }

 private:
  base::atomic<once_state> state_{once_state::fresh};
  waiters waiters_;
};

once_core& core_of(std::byte* bytes) noexcept {
  return *std::launder(reinterpret_cast<once_core*>(bytes));
}

}  // namespace
}  // namespace sync

once::once() noexcept {
  static_assert(sizeof(sync::once_core) <= sizeof core_ && alignof(sync::once_core) <= 8);
  ::new (static_cast<void*>(core_)) sync::once_core;
}

bool once::begin() noexcept {
  const sched::waiting_gate inside;
  return sync::core_of(core_).begin();
}

void once::end() noexcept {
  const sched::gate inside;
  sync::core_of(core_).end();
}

}  // namespace weft
