#pragma once

// waiters: a queue of those who wait for one object, with its lock. Who wakes them claims under the
// lock and fires after it; who is woken returns only after the waker has let the lock go, so that
// it may destroy the object.
//
// Memory of zeros is a free lock and an empty queue. So a mutex, wait_group or once of static
// storage is there before any code runs (the constructors of others may use it), and making one is
// inline.

#include <cstdint>

#include "base/atomic.h"
#include "base/lock.h"
#include "sched/wait.h"

namespace weft::sync {

class waiters {
  struct nothing {
    void operator()() const noexcept {}
  };

 public:
  base::lock<base::rank::sync> lock;

  // state: of the object, which alone knows what it means. It lies here because there is room.
  base::atomic<std::uint32_t> state{0};

  // queue: with `lock` held.
  sched::wait_queue& queue() noexcept { return queue_; }

  // park: waits in the queue. `lock` is held when it is called and not when it returns. The node is
  // in nobody's hands afterwards.
  template <class Node, class Before = nothing>
  sched::token park(sched::wait& w, Node& n, bool at_front, const sched::limits& l,
                    Before&& before = {}) noexcept {
    return park_in(queue_, w, n, at_front, l, before);
  }

  // park_in: in another queue of the object, which the same lock guards. `before` is called when
  // the node is in the queue and the lock is not held, before anybody parks.
  template <class Node, class Before = nothing>
  sched::token park_in(sched::wait_queue& queue, sched::wait& w, Node& n, bool at_front,
                       const sched::limits& l, Before&& before = {}) noexcept {
    n.who = &w.who();
    n.at = w.at();
    if (at_front) {
      queue.push_front(n);
    } else {
      queue.push_back(n);
    }
    lock.release();
    before();
    const sched::token by = w.park(l);
    if (by == sched::token_timeout || by == sched::token_cancelled) {
      base::locked hold(lock);
      if (n.linked()) queue.remove(n);
    } else {
      lock.pass();
    }
    return by;
  }

  // claim_all: with `lock` held.
  void claim_all(sched::wake_list& woken) noexcept {
    while (sched::wait_node* n = queue_.pop_front()) woken.claim(*n->who, n->at, n->by);
  }

 private:
  sched::wait_queue queue_;  // guarded by lock
};

}  // namespace weft::sync
