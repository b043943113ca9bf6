#pragma once

// lock_wait: who waits without a limit for a lock that has an owner, for all to see; and the proof
// that such waits form a cycle, which nothing in the world can open.
//
//   lock_wait known(my_number, wait_reason::mutex_lock, this, node, holder_seen_by);
//   known.enter();                        // before the node is in the lock's queue
//   ... enqueue the node; let the queue's lock go ...
//   known.look(holder);                   // before it parks: ends the process if a cycle is closed
//
// The table. A lock knows its owner's number, and no more. What that one waits for stands in a
// table of small buckets by number: goroutines of all runtimes and plain threads alike. Only the
// slow path of a lock comes here, and only for waits that nobody but the lock's owner can end: with
// no deadline, no context.
//
// The look. Whoever is about to park follows the owners: from the lock's to the lock that he waits
// for, to its owner, until one does not wait, or it is the caller: then perhaps it is a cycle.
// Others move meanwhile: what was read first may be over before the last is read.
//
// The proof reads the same chain once more, from its end:
//
//   c0 (the caller) waits for c1's lock, c1 for c2's, ... cn for the caller's.
//
// I1  holder() of an entry says, under the lock of the queue, whose lock it is if the node is still
//     in the queue. A node without limit leaves the queue only when the owner unlocks, or for the
//     one to whom the owner hands over. So whoever waits for a lock of somebody who will never run
//     again will never run again.
// I2  The caller does nothing else until it has looked. So cn, found waiting for a lock of the
//     caller's, is stuck from that instant as long as the caller is; c(n-1), found waiting for a
//     lock of cn's after that instant, is stuck; and so on to c0, the caller, who if he is found in
//     the queue of a lock of c1's is himself stuck: all of them, for ever.
//
// Found when it closes. All have entered the table before they stand in their queue, and stand in
// their queue before they look. So of those who close a cycle at once, the one that came last to
// its queue sees all others in theirs. A lock that changes hands closes none: who has got it does
// not wait.
//
// I3  An entry is found only while its waiter is in lock(): then its lock is there; but for
//     goroutines that are dropped in there. What main's function destroys they are taken out of
//     (forget_waits_for). What stands on other dropped stacks is never destroyed: so entries of a
//     runtime count no more when that function has returned (stands), and go when the runtime ends
//     (forget_lock_waits).
// I4  Numbers are unique. When they have begun anew, after 2^29 of them, nobody enters any more.
//
// The bucket's count spares its lock to those who find nobody there: the common case, an owner that
// runs. enter() writes it before the node is queued, look() reads it behind that, both seq_cst: of
// two who close a cycle one sees the other's.
//
// Rejected. From the number to the goroutine's record, which says what it waits for: threads have
// none, and records of other runtimes may be unmapped. One lock for all who look: it stops nobody
// from unlocking, so the proof would still be needed. Owners' lists of what they hold: lock() and
// unlock() would pay. Two looks with equal tickets: as long a proof, and more to compare.
//
// Not seen: read locks, whose shares have no names; waits with limits, which end.
//
// Locks: a bucket's, rank lock_waits, then the lock of one queue.
//
// Tests: sync/lock_cycle_test.cc, sim/simulate_test.cc.

#include <cstdint>

#include "base/list.h"
#include "sched/wait.h"

namespace weft::sched {

class scheduler;
struct goroutine;

struct lock_wait : base::list_node {
 public:
  // holder_function: the number of who holds `lock`; 0 if nobody does, or `n` is not in its queue.
  using holder_function = std::uint32_t (*)(void* lock, const wait_node& n) noexcept;

  // number: of the caller, as locks know their owners. `lock` and `n` are loans.
  lock_wait(std::uint32_t number, wait_reason reason, void* lock, const wait_node& n,
            holder_function holder) noexcept
      : number_(number), reason_(reason), lock_(lock), node_(n), holder_(holder) {}
  ~lock_wait() {
    if (entered_) leave();
  }
  lock_wait(const lock_wait&) = delete;
  lock_wait& operator=(const lock_wait&) = delete;

  // enter: from now on it is known that the caller waits. With no runtime lock held.
  void enter() noexcept;

  // look: the wait has begun, for a lock that `holder` has. If that closes a cycle the process
  // ends, or the simulation does and the caller parks for ever. Nothing if it has not entered.
  void look(std::uint32_t holder) noexcept {
    if (entered_) follow(holder);
  }

 private:
  friend class lock_chain;
  template <class F>
  static void forget(F&& which) noexcept;
  friend void forget_waits_for(const void* lock) noexcept;
  friend void forget_lock_waits(const scheduler& of) noexcept;

  void leave() noexcept;
  [[nodiscard]] bool stands() const noexcept;
  void follow(std::uint32_t holder) noexcept;

  const std::uint32_t number_;
  const wait_reason reason_;
  void* const lock_;
  const wait_node& node_;
  const holder_function holder_;
  bool entered_ = false;      // of the waiter alone; whether it is linked still the bucket knows
  goroutine* who_ = nullptr;  // null: a plain thread
  int thread_id_ = 0;         // of a plain thread
};

// forget_waits_for: of those who wait for a lock that is being destroyed: nobody looks into it
// afterwards, no dump either. What they entered before has been seen.
void forget_waits_for(const void* lock) noexcept;

// forget_lock_waits: of goroutines that will never go on, as their runtime has ended.
void forget_lock_waits(const scheduler& of) noexcept;

}  // namespace weft::sched
