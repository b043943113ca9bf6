#include <weft/latch.h>

#include <new>

#include "sched/gate.h"
#include "sync/waiters.h"

namespace weft {
namespace {

// waiters_in: which begin as zeros (waiters.h).
sync::waiters& waiters_in(std::byte* bytes) noexcept {
  static_assert(sizeof(sync::waiters) == 16 && alignof(sync::waiters) <= 8);
  return *std::launder(reinterpret_cast<sync::waiters*>(bytes));
}

}  // namespace

void latch::count_down(std::ptrdiff_t n) {
  bool counted = false;
  {
    const sched::gate inside;
    auto& w = waiters_in(waiters_);
    sched::wake_list woken;
    base::locked hold(w.lock);
    counted = 0 <= n && n <= count_;
    if (counted) count_ -= n;
    if (count_ == 0) w.claim_all(woken);
  }
  if (!counted) throw misuse_error("latch: counted down below zero");
}

bool latch::try_wait() const noexcept {
  const sched::gate inside;
  base::locked hold(waiters_in(waiters_).lock);
  return count_ == 0;
}

result<void> latch::wait(const limit& l) const noexcept {
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  auto& w = waiters_in(waiters_);
  sched::wait wait(sched::wait_reason::latch, this);
  w.lock.acquire();
  if (count_ == 0) {
    w.lock.release();
    return {};
  }
  sched::wait_node n;
  const auto by = w.park(wait, n, false, raw);
  if (by == sched::token_ready) return {};
  return std::unexpected(error(sched::code_of(by, raw), "latch wait"));
}

}  // namespace weft
