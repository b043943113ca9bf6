// semaphore: a count and a queue, both under the queue's lock.
//
// I1  Nobody waits whose request fits, unless somebody stands before it: each change of the count
//     and each leaving of the queue is followed by admit().
// I2  Who is admitted has its permissions taken from the count before the lock is let go.
//
// Rejected: a word that takes without the lock while nobody waits. Its releaser could stand in the
// lock still when the next acquirer returns and destroys the object.
//
// Tests: semaphore_test.cc.

#include <weft/semaphore.h>

#include <new>

#include "sched/gate.h"
#include "sync/waiters.h"

namespace weft {
namespace {

struct request : sched::wait_node {
  std::ptrdiff_t n = 0;
};

// waiters_in: which begin as zeros (waiters.h).
sync::waiters& waiters_in(std::byte* bytes) noexcept {
  static_assert(sizeof(sync::waiters) == 16 && alignof(sync::waiters) <= 8);
  return *std::launder(reinterpret_cast<sync::waiters*>(bytes));
}

// admit: with the lock: whoever is first and fits.
void admit(sync::waiters& w, std::ptrdiff_t& available, sched::wake_list& woken) noexcept {
  while (auto* first = static_cast<request*>(w.queue().front())) {
    if (first->n > available) return;
    w.queue().remove(*first);
    if (woken.claim(*first->who, first->at, first->by)) available -= first->n;
  }
}

// take: with the lock: false if it is not its turn.
bool take(sync::waiters& w, std::ptrdiff_t& available, std::ptrdiff_t n) noexcept {
  if (n > available || !w.queue().empty()) return false;
  available -= n;
  return true;
}

void check_weight(std::ptrdiff_t n) {
  if (n < 0) throw misuse_error("semaphore: negative weight");
}

}  // namespace

result<void> semaphore::acquire(std::ptrdiff_t n, const limit& l) {
  check_weight(n);
  const sched::waiting_gate inside;
  auto& w = waiters_in(waiters_);
  {
    base::locked hold(w.lock);
    if (take(w, available_, n)) return {};
  }
  const auto raw = l.raw();
  sched::wait wait(sched::wait_reason::semaphore, this);
  sched::token by = sched::token_none;
  if (n > size_) {
    by = wait.park(raw);
  } else {
    w.lock.acquire();
    if (take(w, available_, n)) {
      w.lock.release();
      return {};
    }
    request r;
    r.n = n;
    by = w.park(wait, r, false, raw);
    if (by == sched::token_ready) return {};
    sched::wake_list woken;
    base::locked hold(w.lock);
    admit(w, available_, woken);  // it may have stood before some that fit
  }
  return std::unexpected(error(sched::code_of(by, raw), "semaphore acquire"));
}

bool semaphore::try_acquire(std::ptrdiff_t n) {
  check_weight(n);
  const sched::gate inside;
  auto& w = waiters_in(waiters_);
  base::locked hold(w.lock);
  return take(w, available_, n);
}

void semaphore::release(std::ptrdiff_t n) {
  check_weight(n);
  bool held = false;
  {
    const sched::gate inside;
    auto& w = waiters_in(waiters_);
    sched::wake_list woken;
    base::locked hold(w.lock);
    held = n <= size_ - available_;
    if (held) {
      available_ += n;
      admit(w, available_, woken);
    }
  }
  if (!held) throw misuse_error("semaphore: released more than held");
}

}  // namespace weft
