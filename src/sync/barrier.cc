#include <weft/barrier.h>

#include <new>

#include "sched/gate.h"
#include "sync/waiters.h"

namespace weft::detail {
namespace {

// waiters_in: which begin as zeros (waiters.h).
sync::waiters& waiters_in(std::byte* bytes) noexcept {
  static_assert(sizeof(sync::waiters) == 16 && alignof(sync::waiters) <= 8);
  return *std::launder(reinterpret_cast<sync::waiters*>(bytes));
}

}  // namespace

barrier_core::barrier_core(std::ptrdiff_t expected) : expected_(expected), missing_(expected) {
  if (expected < 0) throw misuse_error("barrier: negative count");
}

barrier_core::arrival barrier_core::arrive(std::ptrdiff_t n, bool drop) {
  arrival at{};
  bool counted = false;
  {
    const sched::gate inside;
    base::locked hold(waiters_in(waiters_).lock);
    counted = 0 < n && n <= missing_;  // none is missing while the completion function runs
    if (counted) {
      missing_ -= n;
      if (drop) --expected_;
      at = {phase_, missing_ == 0};
    }
  }
  if (!counted) throw misuse_error("barrier: more arrivals than expected");
  return at;
}

void barrier_core::open() noexcept {
  const sched::gate inside;
  auto& w = waiters_in(waiters_);
  sched::wake_list woken;
  base::locked hold(w.lock);
  ++phase_;
  missing_ = expected_;
  w.claim_all(woken);
}

result<void> barrier_core::wait(std::uint64_t phase, const limit& l) noexcept {
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  auto& w = waiters_in(waiters_);
  sched::wait wait(sched::wait_reason::barrier, this);
  w.lock.acquire();
  if (phase_ != phase) {
    w.lock.release();
    return {};
  }
  sched::wait_node n;
  const auto by = w.park(wait, n, false, raw);
  if (by == sched::token_ready) return {};
  return std::unexpected(error(sched::code_of(by, raw), "barrier wait"));
}

}  // namespace weft::detail
