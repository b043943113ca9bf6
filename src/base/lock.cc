#include "base/lock.h"

#include "base/assert.h"
#include "base/futex.h"

namespace weft::base {
namespace {

#if defined(WEFT_CHECK_RANKS)
constexpr int held_max = 4200;  // a select of the largest size holds one lock a channel
struct held_ranks {
  int depth = 0;
  std::uint8_t rank[held_max];
};
thread_local held_ranks held;

// here: one noinline accessor, so that the address of the thread-local is never kept over a switch.
[[gnu::noinline]] held_ranks& here() noexcept {
  asm volatile("" ::: "memory");
  return held;
}
#endif

}  // namespace

void plain_lock::take_slow() noexcept {
  for (int i = 0; i < spins_max; ++i) {
    cpu_relax();
    // relaxed: only a hint whether the compare-exchange is worth its cache line.
    if (word_.load(relaxed) != 0) continue;
    std::uint32_t free = 0;
    // acquire: as in take().
    if (word_.compare_exchange_weak(free, 1, base::acquire, relaxed)) return;
  }
  // acquire: as in take(). 2 stays set while anybody may sleep, which costs at most one needless
  // wake (I2).
  while (word_.exchange(2, base::acquire) != 0) futex_wait(word_, 2);
}

void plain_lock::wake_one() noexcept { futex_wake(word_, 1); }

#if defined(WEFT_CHECK_RANKS)
void plain_lock::note_acquired(rank r) noexcept {
  auto& h = here();
  WEFT_ASSERT(h.depth < held_max, "too many runtime locks held");
  const auto mine = static_cast<std::uint8_t>(r);
  if (h.depth > 0) {
    const auto top = h.rank[h.depth - 1];
    WEFT_ASSERT(top < mine || (top == mine && r == rank::channel),
                "runtime locks taken out of rank");
  }
  h.rank[h.depth++] = mine;
}

void plain_lock::note_released(rank r) noexcept {
  auto& h = here();
  const auto mine = static_cast<std::uint8_t>(r);
  for (int i = h.depth - 1; i >= 0; --i) {
    if (h.rank[i] != mine) continue;
    for (int j = i; j + 1 < h.depth; ++j) h.rank[j] = h.rank[j + 1];
    --h.depth;
    return;
  }
  WEFT_ASSERT(false, "runtime lock released by a thread that does not hold it");
}
#endif

}  // namespace weft::base
