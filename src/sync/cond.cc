// cond: a queue whose nodes come before their waits: a waiter enters it while it holds the user's
// lock, and can be notified from then on; only when it has let that go does it begin to wait. So no
// wait of ours is open while the user's unlock() runs.
//
//   node   entered (who is null) -> waiting (who is set) -> out of the queue
//                     \-> notified: out of the queue before it waited
//
// I1  who, notified and the links of a node change under the queue's lock only.
// I2  A notification goes to exactly one node: an entered one is told so, a waiting one is claimed;
//     if its wait was over already the next one is asked.
//
// Tests: cond_test.cc.

#include <weft/cond.h>

#include <new>

#include "sched/gate.h"
#include "sync/waiters.h"

namespace weft {
namespace {

struct cond_node : sched::wait_node {
  bool notified = false;
};

// waiters_in: which begin as zeros (waiters.h).
sync::waiters& waiters_in(std::byte* bytes) noexcept {
  static_assert(sizeof(sync::waiters) == 16 && alignof(sync::waiters) <= 8);
  return *std::launder(reinterpret_cast<sync::waiters*>(bytes));
}

cond_node& node_in(std::byte* bytes) noexcept {
  static_assert(sizeof(cond_node) <= 48 && alignof(cond_node) <= 8);
  return *std::launder(reinterpret_cast<cond_node*>(bytes));
}

// notify: with the lock: the first one that still waits. False if nobody does.
bool notify(sync::waiters& w, sched::wake_list& woken) noexcept {
  while (auto* n = static_cast<cond_node*>(w.queue().pop_front())) {
    if (n->who == nullptr) {
      n->notified = true;
      return true;
    }
    if (woken.claim(*n->who, n->at, n->by)) return true;
  }
  return false;
}

}  // namespace

cond::place::place(cond& of) noexcept : of_(of) {
  auto& n = *::new (node_) cond_node;
  const sched::gate inside;
  auto& w = waiters_in(of.waiters_);
  base::locked hold(w.lock);
  w.queue().push_back(n);
}

// ~place: the user's unlock() threw.
cond::place::~place() {
  if (waited_) return;
  const sched::gate inside;
  auto& w = waiters_in(of_.waiters_);
  auto& n = node_in(node_);
  sched::wake_list woken;
  base::locked hold(w.lock);
  if (n.linked()) {
    w.queue().remove(n);
  } else {
    notify(w, woken);  // the next one's then
  }
}

result<void> cond::place::wait(const limit& l) noexcept {
  waited_ = true;
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  auto& w = waiters_in(of_.waiters_);
  auto& n = node_in(node_);
  sched::wait wait(sched::wait_reason::cond_wait, &of_);
  w.lock.acquire();
  if (n.notified) {
    w.lock.release();
    return {};
  }
  n.who = &wait.who();
  n.at = wait.at();
  w.lock.release();
  const auto by = wait.park(raw);
  if (by == sched::token_ready) {
    w.lock.pass();
    return {};
  }
  {
    base::locked hold(w.lock);
    if (n.linked()) w.queue().remove(n);
  }
  return std::unexpected(error(sched::code_of(by, raw), "cond wait"));
}

void cond::notify_one() noexcept {
  const sched::gate inside;
  auto& w = waiters_in(waiters_);
  sched::wake_list woken;
  base::locked hold(w.lock);
  notify(w, woken);
}

void cond::notify_all() noexcept {
  const sched::gate inside;
  auto& w = waiters_in(waiters_);
  sched::wake_list woken;
  base::locked hold(w.lock);
  while (notify(w, woken)) {
  }
}

}  // namespace weft
