// rwmutex: a word, two queues for those who wait, and a table that all rwmutexes share.
//
//   word = readers (32 bits) | run (10) | writer | biased | woken | starving | waiting
//
// waiting   somebody is in a queue: who lets go of the lock must look there.
// starving  a writer has waited for more than starvation_ns: the next one is handed the lock.
// woken     a writer was woken and has not tried yet: nobody else is woken, and no reader comes in.
// biased    readers may be visible: stand in the table, each in the slot that its number and the
//           lock's address hash to, instead of being counted.
// writer    somebody writes; or, under the queues' lock, changes who may.
// run       reads that were counted since the last write; when it is full the lock becomes biased.
//
// A share is one reader's part in the lock: 1 of the count, or a slot that holds its address.
// Shares have no names: who lets go may take another's slot and leave the other its own count.
//
// I1  A writer owns the lock when writer is set, readers 0 and no slot holds a share. It sets
//     writer, without the queues' lock, only where readers is 0 and neither writer nor biased is
//     set.
// I2  waiting and starving are set, the queues changed, biased and woken cleared, under the lock.
// I3  A lock that somebody waits for and nobody has is on its way to somebody: woken is set. While
//     starving it goes from hand to hand.
// I4  biased excludes writer, woken and waiting: who wants to write, or finds that it must wait,
//     first takes biased away: revoke(). Readers count themselves only where none of those is set.
// I5  Who is let in has its share, or owns the lock, when the queues' lock is let go; it does not
//     return before. If its wait was over already the share is given up, and the next one is asked.
//
// Visible readers. A reader puts the lock's address into its slot, then looks whether biased is
// still set; a writer clears biased, then looks into all slots. Of the two at least one sees the
// other, as the four accesses are seq_cst: on x86-64 this costs the reader nothing, its exchange is
// a barrier. A writer does not wait for the slots to empty, since a reader may be parked for long:
// it takes the shares out of the table and counts them, holding `writer` and the queues' lock. So a
// reader that sees biased gone takes its slot back, or finds that it was counted: then it is in.
// Who lets go and finds neither slot nor count takes the lock, behind which it has been counted, or
// its share stands in somebody else's slot, or it never had one.
//
// This is BRAVO (Dice and Kogan, USENIX ATC 2019) with two changes: shares that move instead of
// writers that spin, and a count of reads instead of a clock to decide when bias pays. A revocation
// reads 8 KiB, about a microsecond; 1,024 counted reads come before each.
//
// Locks: the queues' lock, rank sync. The longest that happens under it is the loop over the table.
//
// Rejected. Counting alone: each reader writes the line that all of them read. Counters for each
// processor in each lock: 64 bytes a processor, and unlocks elsewhere than the lock. Go's way, a
// mutex for the writers: who unlocks touches the mutex last, when a reader that it let in may have
// destroyed the whole. Always handing over to the next writer: see mutex.cc.
//
// Tests: rwmutex_test.cc, tests/model/rwmutex.pml (verifies; fails without the barrier, without the
// second look at biased, if the writer does not hold `writer` while it counts, and if somebody lets
// go under the queues' lock while nobody is in a queue).

#include "sync/rwmutex.h"

#include <array>
#include <cstdint>
#include <new>

#include "base/assert.h"
#include "base/atomic.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/lock_wait.h"
#include "sync/owner.h"
#include "sync/waiters.h"

namespace weft {
namespace sync {
namespace {

using word = std::uint64_t;

constexpr word waiting = 1;
constexpr word starving = 2;
constexpr word woken_bit = 4;
constexpr word biased = 8;
constexpr word writer = 16;
constexpr word one_run = 32;
constexpr word run_mask = 1023 * one_run;
constexpr word one_reader = word{1} << 32;
constexpr word queue_flags = waiting | starving | woken_bit;

constexpr std::int64_t starvation_ns = 1'000'000;
constexpr sched::token token_handed = sched::token_first_case;

constexpr bool has_readers(word w) noexcept { return w >= one_reader; }
constexpr bool admits_readers(word w) noexcept { return (w & (writer | waiting | woken_bit)) == 0; }
// last_awaited: who lets its share go now has to look at the queues (I3).
constexpr bool last_awaited(word w) noexcept {
  return w < 2 * one_reader && (w & (waiting | woken_bit)) == waiting;
}
// counted: with one reader more.
constexpr word counted(word w) noexcept {
  const word next = w + one_reader;
  if ((w & biased) != 0) return next;
  return (next & run_mask) != run_mask ? next + one_run : (next & ~run_mask) | biased;
}

class rwmutex_core;

// The table. Slots hold the lock's address or null.
constexpr std::size_t slot_count = 1024;
alignas(64) constinit std::array<base::atomic<rwmutex_core*>, slot_count> slots{};

struct writer_node : sched::wait_node {
  owner_number owner = 0;
  std::int64_t since_ns = 0;
};

class rwmutex_core {
 public:
  sched::token lock(owner_number me, const sched::limits& l) noexcept {
    if (try_take()) {
      set_owner(me);
      return sched::token_ready;
    }
    return lock_slow(me, l);
  }
  bool try_lock(owner_number me) noexcept;
  void unlock(owner_number me) noexcept;

  sched::token lock_shared(owner_number me, const sched::limits& l) noexcept {
    return try_lock_shared(me) ? sched::token_ready : lock_shared_slow(me, l);
  }
  bool try_lock_shared(owner_number me) noexcept {
    word old = word_.load(base::relaxed);
    if ((old & biased) != 0 && appear(me)) return true;
    while (admits_readers(old)) {
      // acquire: sees what the last writer did; pairs with the releases of unlock(), to which this
      // is a read-modify-write away: so it does for those who see the bias it may set.
      if (word_.compare_exchange_weak(old, counted(old), base::acquire, base::relaxed)) return true;
    }
    return false;
  }
  // leave: those who wait still, and will be dropped, to themselves.
  void leave() noexcept {
    // relaxed: nobody else comes.
    if ((word_.load(base::relaxed) & (waiting | woken_bit)) == 0) return;
    waiters_.lock.acquire();  // sees that they entered (lock_wait.h), which they did before
    waiters_.lock.release();
    sched::forget_waits_for(this);
  }

  // owner: who owns the write lock; 0 is nobody. relaxed: only whether it is the caller is asked,
  // and that changes by the caller, or by who hands over, before the claim; else it is a glance.
  [[nodiscard]] owner_number owner() const noexcept { return waiters_.state.load(base::relaxed); }

  void unlock_shared(owner_number me) noexcept {
    do {
      word old = word_.load(base::relaxed);
      if ((old & biased) != 0 && disappear(me)) return;
      while (has_readers(old) && !last_awaited(old)) {
        // release: our reads are over; pairs with the acquires of who writes next.
        if (word_.compare_exchange_weak(old, old - one_reader, base::release, base::relaxed))
          return;
      }
    } while (!unlock_shared_slow());
  }

  [[nodiscard]] bool is_biased() const noexcept {
    return (word_.load(base::relaxed) & biased) != 0;
  }

 private:
  base::atomic<rwmutex_core*>& slot_of(owner_number me) noexcept {
    // The lock's part is an odd number, so that numbers that follow each other are spread.
    const auto here = reinterpret_cast<std::uintptr_t>(this) / alignof(rwmutex_core);
    const std::uint64_t mixed = (std::uint64_t{me} + here) * 0x9e3779b97f4a7c15;
    return slots[mixed >> (64 - 10)];
  }
  static_assert(slot_count == 1 << 10);

  bool appear(owner_number me) noexcept;
  bool disappear(owner_number me) noexcept;
  bool revoke(word also_clear) noexcept;

  bool try_take() noexcept;
  bool take_or_announce(bool was_woken, bool starves) noexcept;
  bool share_or_announce() noexcept;
  sched::token lock_slow(owner_number me, const sched::limits& l) noexcept;
  sched::token lock_shared_slow(owner_number me, const sched::limits& l) noexcept;
  bool unlock_shared_slow() noexcept;
  bool unlock_slow() noexcept;

  void settle(sched::wake_list& woken) noexcept;
  void pass_on(bool after_write, sched::wake_list& woken) noexcept;
  word let_readers_in(sched::wake_list& woken) noexcept;
  bool let_writer_in(sched::wake_list& woken) noexcept;
  bool hand_over(sched::wake_list& woken) noexcept;

  sched::wait_queue& writers() noexcept { return waiters_.queue(); }
  [[nodiscard]] bool nobody_waits() noexcept { return writers().empty() && readers_.empty(); }
  [[nodiscard]] word waiting_if_any() noexcept { return nobody_waits() ? 0 : waiting; }

  // relaxed: as owner().
  void set_owner(owner_number n) noexcept { waiters_.state.store(n, base::relaxed); }
  static std::uint32_t writer_seen_by(void* core, const sched::wait_node& n) noexcept;

  base::atomic<word> word_{0};
  waiters waiters_;            // writers; its state is the owner
  sched::wait_queue readers_;  // guarded by the lock in waiters_
};

// appear: true if the caller has a share now.
bool rwmutex_core::appear(owner_number me) noexcept {
  auto& slot = slot_of(me);
  rwmutex_core* seen = nullptr;
  // relaxed: only whether the exchange is worth its cache line.
  if (slot.load(base::relaxed) != nullptr) return false;
  // seq_cst: comes before our look at the word in the one order of which revoke() knows.
  if (!slot.compare_exchange_strong(seen, this, base::seq_cst, base::relaxed)) return false;
  // seq_cst: as above. As an acquire it sees what the last writer did (try_lock_shared).
  if ((word_.load(base::seq_cst) & biased) != 0) return true;
  seen = this;
  // If it is not there any more it was counted, or is the share of who took ours: we are in.
  // acquire: when it fails, sees what the one did who took it; success needs nothing.
  return !slot.compare_exchange_strong(seen, nullptr, base::acquire, base::acquire);
}

// disappear: true if the caller has let a share go.
bool rwmutex_core::disappear(owner_number me) noexcept {
  auto& slot = slot_of(me);
  rwmutex_core* seen = this;
  if (slot.load(base::relaxed) != this) return false;  // relaxed: as in appear()
  // release: our reads are over; pairs with the loads in revoke(): slots change by exchanges alone.
  return slot.compare_exchange_strong(seen, nullptr, base::release, base::relaxed);
}

// revoke: with the lock: takes the bias and `also_clear` away, and counts the visible. True: the
// caller has the write bit, and has to give it up or, if there are no readers, may keep it.
bool rwmutex_core::revoke(word also_clear) noexcept {
  word old = word_.load(base::relaxed);
  do {
    if ((old & biased) == 0) return false;
    WEFT_ASSERT((old & (writer | woken_bit | waiting)) == 0, "bias excludes who waits (I4)");
    // seq_cst: comes before our look at the slots in the one order of which appear() knows.
  } while (!word_.compare_exchange_weak(old, (old & ~(biased | also_clear)) | writer, base::seq_cst,
                                        base::relaxed));
  for (auto& slot : slots) {
    // seq_cst: as above. As an acquire it sees the end of the reads of who stood there.
    rwmutex_core* seen = slot.load(base::seq_cst);
    if (seen != this) continue;
    // acq_rel: as above if it fails; a reader that finds it gone sees that it was biased no more.
    if (slot.compare_exchange_strong(seen, nullptr, base::acq_rel, base::acquire)) {
      word_.fetch_add(one_reader, base::relaxed);  // relaxed: nobody may enter but by us
    }
  }
  return true;
}

bool rwmutex_core::try_take() noexcept {
  word old = word_.load(base::relaxed);
  while (!has_readers(old) && (old & (writer | biased)) == 0) {
    // acquire: sees what was done before the last unlocks; pairs with their releases.
    if (word_.compare_exchange_weak(old, (old & queue_flags) | writer, base::acquire,
                                    base::relaxed)) {
      return true;
    }
  }
  return false;
}

// take_or_announce: with the lock. True: taken. False: somebody has it who will look at the queue.
bool rwmutex_core::take_or_announce(bool was_woken, bool starves) noexcept {
  const word done = was_woken ? woken_bit : 0;
  const word announced = waiting | (starves ? starving : 0);
  bool ours = false;
  word old = word_.load(base::relaxed);
  for (;;) {
    if ((old & biased) != 0) {  // which readers may set until one of our exchanges succeeds
      ours = revoke(done);
      old = word_.load(base::relaxed);
      continue;
    }
    const bool free = !has_readers(old) && (ours || (old & writer) == 0);
    const word kept = old & ~(done | (ours ? writer : 0));
    const word next = free ? (kept & queue_flags) | writer : kept | announced;
    // acquire: as in try_take(). release: it may give up the bit that revoke() took.
    if (word_.compare_exchange_weak(old, next, base::acq_rel, base::relaxed)) return free;
  }
}

sched::token rwmutex_core::lock_slow(owner_number me, const sched::limits& l) noexcept {
  sched::wait w(sched::wait_reason::rwmutex_lock, this);
  writer_node n;
  n.owner = me;
  n.since_ns = sched::now_ns();
  sched::lock_wait known(me, sched::wait_reason::rwmutex_lock, this, n, writer_seen_by);
  if (sched::endless(l)) known.enter();
  bool was_woken = false;
  bool starves = false;
  for (;;) {
    waiters_.lock.acquire();
    if (take_or_announce(was_woken, starves)) {
      set_owner(me);
      waiters_.lock.release();
      return sched::token_ready;
    }
    const auto by = waiters_.park(w, n, was_woken, l, [&] { known.look(owner()); });
    if (by == token_handed) return sched::token_ready;
    if (by != sched::token_ready) {
      sched::wake_list woken;
      base::locked hold(waiters_.lock);
      settle(woken);
      return by;
    }
    was_woken = true;
    starves = sched::now_ns() - n.since_ns > starvation_ns;
    w.again();
  }
}

// writer_seen_by: for lock_wait.h. Who owns it has said so before it waits anywhere, and says
// otherwise before it lets go; under the lock nobody else can (hand_over).
std::uint32_t rwmutex_core::writer_seen_by(void* core, const sched::wait_node& n) noexcept {
  auto& m = *static_cast<rwmutex_core*>(core);
  const base::locked hold(m.waiters_.lock);
  return n.linked() ? m.owner() : 0;
}

bool rwmutex_core::try_lock(owner_number me) noexcept {
  bool taken = try_take();
  if (!taken && is_biased()) {
    sched::wake_list woken;
    base::locked hold(waiters_.lock);
    if (!revoke(0)) return false;
    // acquire: as in try_take().
    taken = !has_readers(word_.load(base::acquire));
    if (!taken) pass_on(false, woken);
  }
  if (taken) set_owner(me);
  return taken;
}

void rwmutex_core::unlock(owner_number me) noexcept {
  if (waiters_.state.load(base::relaxed) != me) base::fatal("sync: Unlock of unlocked RWMutex");
  set_owner(0);
  for (;;) {
    word old = writer;
    // release: publishes what the writer did; pairs with the acquires of those who come next.
    if (word_.compare_exchange_strong(old, 0, base::release, base::relaxed)) return;
    if (unlock_slow()) return;
  }
}

// unlock_slow, unlock_shared_slow: false if nobody waits any more, or is on the way: then the
// caller has its part in the lock still. For whoever comes next may destroy it, so that we let the
// queues' lock go after our part only where somebody is in a lock() who takes that lock as well.
bool rwmutex_core::unlock_slow() noexcept {
  sched::wake_list woken;
  base::locked hold(waiters_.lock);
  // relaxed, twice: I2 by the lock.
  if (nobody_waits() && (word_.load(base::relaxed) & woken_bit) == 0) {
    word_.fetch_and(~(waiting | starving), base::relaxed);
    return false;
  }
  pass_on(true, woken);
  return true;
}

// share_or_announce: with the lock. True: in.
bool rwmutex_core::share_or_announce() noexcept {
  word old = word_.load(base::relaxed);
  for (;;) {
    const bool in = admits_readers(old);
    // acquire: as in try_lock_shared().
    if (word_.compare_exchange_weak(old, in ? counted(old) : old | waiting, base::acquire,
                                    base::relaxed)) {
      return in;
    }
  }
}

sched::token rwmutex_core::lock_shared_slow(owner_number me, const sched::limits& l) noexcept {
  sched::wait w(sched::wait_reason::rwmutex_rlock, this);
  sched::wait_node n;
  sched::lock_wait known(me, sched::wait_reason::rwmutex_rlock, this, n, writer_seen_by);
  if (sched::endless(l)) known.enter();
  waiters_.lock.acquire();
  if (share_or_announce()) {
    waiters_.lock.release();
    return sched::token_ready;
  }
  const auto by = waiters_.park_in(readers_, w, n, false, l, [&] { known.look(owner()); });
  if (by == sched::token_ready) return by;
  sched::wake_list woken;
  base::locked hold(waiters_.lock);
  settle(woken);
  return by;
}

bool rwmutex_core::unlock_shared_slow() noexcept {
  sched::wake_list woken;
  base::locked hold(waiters_.lock);
  word old = word_.load(base::relaxed);
  if (!has_readers(old)) {
    // Its share stands in another's slot, and is counted from now on; or the caller had none.
    if (!revoke(0) || !has_readers(word_.load(base::relaxed)))
      base::fatal("sync: RUnlock of unlocked RWMutex");
    pass_on(false, woken);
    return false;
  }
  if (nobody_waits()) {
    word_.fetch_and(~(waiting | starving), base::relaxed);  // relaxed: I2 by the lock
    return false;
  }
  for (;;) {
    if (!has_readers(old)) base::fatal("sync: RUnlock of unlocked RWMutex");
    const bool last = last_awaited(old) && (old & writer) == 0;
    const word next = (old - one_reader) | (last ? writer : 0);
    // release: as in unlock_shared(). acquire: we let the next one in for all who read.
    if (!word_.compare_exchange_weak(old, next, base::acq_rel, base::relaxed)) continue;
    if (last) pass_on(false, woken);
    return true;
  }
}

// settle: with the lock, by who gave up waiting: those behind it may come in now.
void rwmutex_core::settle(sched::wake_list& woken) noexcept {
  word old = word_.load(base::relaxed);
  while (!nobody_waits() && (old & (writer | woken_bit)) == 0) {
    // acquire: as in try_take().
    if (word_.compare_exchange_weak(old, old | writer, base::acquire, base::relaxed)) {
      pass_on(false, woken);
      return;
    }
  }
  // relaxed: flags order nothing (I2 by the lock).
  const word over = (nobody_waits() ? waiting : 0) | (writers().empty() ? starving : 0);
  word_.fetch_and(~over, base::relaxed);
}

// pass_on: with the lock: gives up the write bit, to whom the lock goes now: after a write the
// readers that queued during it, else a writer first. There may be readers; none but us lets more
// in.
void rwmutex_core::pass_on(bool after_write, sched::wake_list& woken) noexcept {
  for (;;) {
    const word in = after_write || writers().empty() ? let_readers_in(woken) : 0;
    word old = word_.load(base::relaxed);
    WEFT_ASSERT((old & (writer | biased)) == writer, "who passes it on has the write bit (I4)");
    if (in == 0 && !has_readers(old) && (old & woken_bit) == 0 && !writers().empty()) {
      if (let_writer_in(woken)) return;
      continue;  // all the writers had given up
    }
    const word over = (nobody_waits() ? waiting : 0) | (writers().empty() ? starving : 0);
    // acq_rel: as in unlock(); we may be the last of many readers.
    while (!word_.compare_exchange_weak(old, (old & ~(writer | over)) + in * one_reader,
                                        base::acq_rel, base::relaxed)) {
    }
    return;
  }
}

// let_readers_in: how many.
word rwmutex_core::let_readers_in(sched::wake_list& woken) noexcept {
  word in = 0;
  while (sched::wait_node* n = readers_.pop_front()) {
    if (woken.claim(*n->who, n->at, n->by)) ++in;
  }
  return in;
}

// let_writer_in: nobody has the lock, nobody is on the way to it, and writers wait. False: they
// had all given up.
bool rwmutex_core::let_writer_in(sched::wake_list& woken) noexcept {
  // relaxed: guarded (I2).
  if ((word_.load(base::relaxed) & starving) != 0) return hand_over(woken);
  while (sched::wait_node* n = writers().pop_front()) {
    // It cannot try before we let the queues' lock go, so the claim may come before the word.
    if (!woken.claim(*n->who, n->at, sched::token_ready)) continue;
    word_.store(woken_bit | waiting_if_any(), base::release);  // release: as in unlock()
    return true;
  }
  return false;
}

// hand_over: the mode ends with one that has not waited long, or is the last.
bool rwmutex_core::hand_over(sched::wake_list& woken) noexcept {
  const auto now = sched::now_ns();
  while (auto* n = static_cast<writer_node*>(writers().pop_front())) {
    const bool over = writers().empty() || now - n->since_ns < starvation_ns;
    set_owner(n->owner);
    // release: as in unlock(); the new owner sees it by the claim as well.
    word_.store(writer | waiting_if_any() | (over ? 0 : starving), base::release);
    if (woken.claim(*n->who, n->at, token_handed)) return true;
    set_owner(0);
  }
  return false;
}

// core_in: which begins as zeros (waiters.h).
rwmutex_core& core_in(std::byte* bytes) noexcept {
  static_assert(sizeof(rwmutex_core) == sizeof(rwmutex) &&
                alignof(rwmutex_core) <= alignof(rwmutex));
  return *std::launder(reinterpret_cast<rwmutex_core*>(bytes));
}

result<void> outcome(sched::token by, const sched::limits& l, const char* operation) noexcept {
  if (by == sched::token_ready) return {};
  return std::unexpected(error(sched::code_of(by, l), operation));
}

}  // namespace

bool readers_are_visible(rwmutex& m) noexcept {
  return core_in(reinterpret_cast<std::byte*>(&m)).is_biased();
}

owner_number owner_of_rwmutex(const void* object) noexcept {
  return static_cast<const rwmutex_core*>(object)->owner();
}

}  // namespace sync

rwmutex::~rwmutex() { sync::core_in(core_).leave(); }

void rwmutex::lock() noexcept {
  const sched::waiting_gate inside;
  sync::core_in(core_).lock(sync::owner_in(inside), {});
}

result<void> rwmutex::lock(const limit& l) noexcept {
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  return sync::outcome(sync::core_in(core_).lock(sync::owner_in(inside), raw), raw, "rwmutex lock");
}

bool rwmutex::try_lock() noexcept {
  const sched::gate inside;
  return sync::core_in(core_).try_lock(sync::owner_in(inside));
}

void rwmutex::unlock() noexcept {
  const sched::gate inside;
  sync::core_in(core_).unlock(sync::owner_in(inside));
}

void rwmutex::lock_shared() noexcept {
  const sched::waiting_gate inside;
  sync::core_in(core_).lock_shared(sync::owner_in(inside), {});
}

result<void> rwmutex::lock_shared(const limit& l) noexcept {
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  return sync::outcome(sync::core_in(core_).lock_shared(sync::owner_in(inside), raw), raw,
                       "rwmutex lock_shared");
}

bool rwmutex::try_lock_shared() noexcept {
  const sched::gate inside;
  return sync::core_in(core_).try_lock_shared(sync::owner_in(inside));
}

void rwmutex::unlock_shared() noexcept {
  const sched::gate inside;
  sync::core_in(core_).unlock_shared(sync::owner_in(inside));
}

}  // namespace weft
