// mutex: a word, and a queue for those who wait.
//
//   word = owner (29 bits: the number of a goroutine's record, or of a thread)
//          | woken | starving | waiting
//
// waiting   somebody is in the queue: an unlock must look there.
// woken     somebody was woken and has not tried yet: unlocks wake nobody else.
// starving  somebody has waited for more than starvation_ns: unlock hands the mutex over.
//
// I1  owner changes from 0 by compare-exchange only, and from X to anything by X only.
// I2  waiting and starving are set, and the queue changed, under the queue's lock only.
// I3  A free mutex that somebody waits for has woken set: somebody is on the way to it. While
//     starving it is never free: it goes from owner to waiter.
// I4  A waiter to whom it is handed is the owner before its wait is claimed; if the claim is lost
//     the mutex goes to the next.
//
// Normal mode lets runners take a free mutex before the woken one, which saves a switch for each
// handover; starvation mode bounds what that costs the others. Both are Go's.
//
// Rejected: always handing over (a convoy as soon as two want it); spinning without limit.
//
// Tests: mutex_test.cc, tests/model/mutex.pml (verifies; fails without the second try, `woken`,
// `starving`, the handover, or the next one in the queue).

#include <weft/mutex.h>

#include <cstdint>
#include <new>

#include "base/assert.h"
#include "base/atomic.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/lock_wait.h"
#include "sched/scheduler.h"
#include "sync/owner.h"
#include "sync/waiters.h"

namespace weft {
namespace sync {
namespace {

using word = std::uint32_t;

constexpr word waiting = 1;
constexpr word starving = 2;
constexpr word woken_bit = 4;
constexpr word flags = waiting | starving | woken_bit;
constexpr int owner_shift = 3;
static_assert(sched::numbers_end == word{1} << (32 - owner_shift));

constexpr std::int64_t starvation_ns = 1'000'000;
constexpr int spin_rounds = 4;
constexpr int spin_pauses = 30;
constexpr sched::token token_handed = sched::token_first_case;

constexpr word owner_of(word w) noexcept { return w & ~flags; }

// owner_for: the owner part of a word, for who stands in `inside`.
word owner_for(const sched::gate& inside) noexcept { return owner_in(inside) << owner_shift; }
word owner_for(const sched::goroutine& g) noexcept { return g.number() << owner_shift; }

struct mutex_node : sched::wait_node {
  word owner = 0;
  std::int64_t since_ns = 0;
};

class mutex_core {
 public:
  bool try_take(word me) noexcept {
    word old = waiters_.state.load(base::relaxed);
    while (owner_of(old) == 0) {
      // acquire: sees what the last owner did; pairs with the releases in unlock().
      if (waiters_.state.compare_exchange_weak(old, old | me, base::acquire, base::relaxed))
        return true;
    }
    return false;
  }

  // take_free, leave_alone: without the gate, for nothing of the runtime is touched: what nobody
  // has, and what nobody waits for.
  bool take_free(word me) noexcept {
    word free = 0;
    // acquire: as in try_take().
    return waiters_.state.compare_exchange_strong(free, me, base::acquire, base::relaxed);
  }
  bool leave_alone(word me) noexcept {
    // release: publishes what the owner did; pairs with the acquires of the next one.
    return waiters_.state.compare_exchange_strong(me, 0, base::release, base::relaxed);
  }

  sched::token lock(word me, const sched::limits& l) noexcept {
    if (try_take(me) || spin(me)) return sched::token_ready;
    return lock_slow(me, l);
  }

  void unlock(word me) noexcept {
    word old = me;
    // release: as in leave_alone().
    if (waiters_.state.compare_exchange_strong(old, 0, base::release, base::relaxed)) return;
    unlock_flagged(me, old);
  }

  // leave: those who wait still, and will be dropped, to themselves.
  void leave() noexcept {
    // relaxed: nobody else comes.
    if ((waiters_.state.load(base::relaxed) & (waiting | woken_bit)) == 0) return;
    waiters_.lock.acquire();  // sees that they entered (lock_wait.h), which they did before
    waiters_.lock.release();
    sched::forget_waits_for(this);
  }

  [[nodiscard]] word owner() const noexcept {
    return owner_of(waiters_.state.load(base::relaxed)) >> owner_shift;  // relaxed: a glance
  }

 private:
  static std::uint32_t holder_seen_by(void* core, const sched::wait_node& n) noexcept;
  bool spin(word me) noexcept;
  bool take_or_announce(word me, bool was_woken, bool starves) noexcept;
  sched::token lock_slow(word me, const sched::limits& l) noexcept;
  [[gnu::noinline]] void unlock_flagged(word me, word old) noexcept;
  bool unlock_slow(word& now) noexcept;
  void hand_over(sched::wake_list& woken) noexcept;
  void wake_one(sched::wake_list& woken) noexcept;
  [[nodiscard]] word waiting_if_any() noexcept { return waiters_.queue().empty() ? 0 : waiting; }

  waiters waiters_;  // its state is the word
};

// spin: the owner may be about to unlock, if it runs on another processor.
bool mutex_core::spin(word me) noexcept {
  const sched::scheduler* s = sched::current_scheduler();
  if (s != nullptr && s->max_procs() == 1) return false;
  for (int i = 0; i < spin_rounds; ++i) {
    if ((waiters_.state.load(base::relaxed) & starving) != 0) return false;
    for (int j = 0; j < spin_pauses; ++j) base::cpu_relax();
    if (try_take(me)) return true;
  }
  return false;
}

// take_or_announce: with the queue's lock. True: taken. False: it has an owner, who will look at
// the queue.
bool mutex_core::take_or_announce(word me, bool was_woken, bool starves) noexcept {
  word old = waiters_.state.load(base::relaxed);
  for (;;) {
    const word base = was_woken ? old & ~woken_bit : old;
    const bool free = owner_of(old) == 0;
    const word next = free ? base | me : base | waiting | (starves ? starving : 0);
    // acquire: as in try_take().
    if (waiters_.state.compare_exchange_weak(old, next, base::acquire, base::relaxed)) return free;
  }
}

sched::token mutex_core::lock_slow(word me, const sched::limits& l) noexcept {
  sched::wait w(sched::wait_reason::mutex_lock, this);
  mutex_node n;
  n.owner = me;
  n.since_ns = sched::now_ns();
  sched::lock_wait known(me >> owner_shift, sched::wait_reason::mutex_lock, this, n,
                         holder_seen_by);
  if (sched::endless(l)) known.enter();
  bool was_woken = false;
  bool starves = false;
  for (;;) {
    waiters_.lock.acquire();
    if (take_or_announce(me, was_woken, starves)) {
      waiters_.lock.release();
      return sched::token_ready;
    }
    const auto by = waiters_.park(w, n, was_woken, l, [&] { known.look(owner()); });
    if (by == token_handed) return sched::token_ready;
    if (by != sched::token_ready) {
      base::locked hold(waiters_.lock);
      // relaxed: flags order nothing (I2 by the lock).
      if (waiters_.queue().empty()) waiters_.state.fetch_and(~(waiting | starving), base::relaxed);
      return by;
    }
    was_woken = true;
    starves = sched::now_ns() - n.since_ns > starvation_ns;
    w.again();
  }
}

// holder_seen_by: for lock_wait.h. Under the lock a hand-over is whole, and an owner is one (I1).
std::uint32_t mutex_core::holder_seen_by(void* core, const sched::wait_node& n) noexcept {
  auto& m = *static_cast<mutex_core*>(core);
  const base::locked hold(m.waiters_.lock);
  return n.linked() ? m.owner() : 0;
}

// unlock_flagged: the word was `old`.
void mutex_core::unlock_flagged(word me, word old) noexcept {
  if (owner_of(old) != me) base::fatal("sync: unlock of unlocked mutex");
  do {
    while ((old & starving) == 0 && ((old & waiting) == 0 || (old & woken_bit) != 0)) {
      // release: as in unlock().
      if (waiters_.state.compare_exchange_weak(old, old & flags, base::release, base::relaxed))
        return;
    }
  } while (!unlock_slow(old));
}

// unlock_slow: false if those who waited have given up: then the mutex is still the caller's, and
// the word is `now`. For whoever gets it may destroy it, so that we let the queue's lock go after
// the mutex only where somebody is in lock() who takes that lock as well.
bool mutex_core::unlock_slow(word& now) noexcept {
  sched::wake_list woken;
  base::locked hold(waiters_.lock);
  if (waiters_.queue().empty()) {
    constexpr word over = waiting | starving;
    now = waiters_.state.fetch_and(~over, base::relaxed) & ~over;  // relaxed: I2 by the lock
    return false;
  }
  // relaxed: nobody but us changes the owner, and the flags are guarded (I1, I2).
  if ((waiters_.state.load(base::relaxed) & starving) != 0) {
    hand_over(woken);
  } else {
    wake_one(woken);
  }
  return true;
}

// hand_over: to the first waiter; the mode ends with one that has not waited long, or is the last.
void mutex_core::hand_over(sched::wake_list& woken) noexcept {
  const word kept = waiters_.state.load(base::relaxed) & woken_bit;
  const auto now = sched::now_ns();
  while (auto* n = static_cast<mutex_node*>(waiters_.queue().pop_front())) {
    const bool over = waiters_.queue().empty() || now - n->since_ns < starvation_ns;
    // release: as in unlock(); the new owner sees it by the claim as well.
    waiters_.state.store(n->owner | kept | waiting_if_any() | (over ? 0 : starving), base::release);
    if (woken.claim(*n->who, n->at, token_handed)) return;
  }
  waiters_.state.store(kept, base::release);  // release: as in unlock()
}

// wake_one: the mutex becomes free; the first waiter is woken to try.
void mutex_core::wake_one(sched::wake_list& woken) noexcept {
  while (sched::wait_node* n = waiters_.queue().pop_front()) {
    // It cannot try before we let the queue's lock go, so the claim may come before the word.
    if (!woken.claim(*n->who, n->at, sched::token_ready)) continue;
    waiters_.state.store(woken_bit | waiting_if_any(), base::release);  // release: as in unlock()
    return;
  }
  waiters_.state.store(0, base::release);  // release: as in unlock()
}

}  // namespace

owner_number owner_of_mutex(const void* object) noexcept {
  return static_cast<const mutex_core*>(object)->owner();
}

}  // namespace sync

namespace {

// core_of: which begins as zeros (waiters.h).
sync::mutex_core& core_of(std::byte* bytes) noexcept {
  static_assert(sizeof(sync::mutex_core) <= sizeof(mutex) &&
                alignof(sync::mutex_core) <= alignof(mutex));
  return *std::launder(reinterpret_cast<sync::mutex_core*>(bytes));
}

// lock_inside, unlock_inside: by the gate, and apart, so that the quick way saves no registers.
[[gnu::noinline]] void lock_inside(sync::mutex_core& core, sched::machine* here) noexcept {
  const sched::waiting_gate inside(here);
  core.lock(sync::owner_for(inside), {});
}

[[gnu::noinline]] void unlock_inside(sync::mutex_core& core, sched::machine* here) noexcept {
  const sched::gate inside(here);
  core.unlock(sync::owner_for(inside));
}

}  // namespace

mutex::~mutex() { core_of(core_).leave(); }

void mutex::lock() noexcept {
  sched::machine* here = sched::current_machine();
  if (here != nullptr && sched::count_operation(*here)) [[likely]] {
    if (core_of(core_).take_free(sync::owner_for(*here->current))) return;
  }
  lock_inside(core_of(core_), here);
}

result<void> mutex::lock(const limit& l) noexcept {
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  const auto by = core_of(core_).lock(sync::owner_for(inside), raw);
  if (by == sched::token_ready) return {};
  return std::unexpected(error(sched::code_of(by, raw), "mutex lock"));
}

bool mutex::try_lock() noexcept {
  const sched::gate inside;
  return core_of(core_).try_take(sync::owner_for(inside));
}

void mutex::unlock() noexcept {
  sched::machine* here = sched::current_machine();
  if (here != nullptr && sched::may_stay_out(*here)) [[likely]] {
    if (core_of(core_).leave_alone(sync::owner_for(*here->current))) return;
  }
  unlock_inside(core_of(core_), here);
}

}  // namespace weft
