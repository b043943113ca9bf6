#include "sched/wait.h"

#include <weft/error.h>

#include <utility>

#include "base/futex.h"
#include "sched/environment.h"
#include "sched/scheduler.h"

namespace weft::sched {

namespace {

base::atomic<std::uint32_t> numbers_taken{1};
base::atomic<bool> numbers_begun_anew{false};

}  // namespace

std::uint32_t take_numbers(std::uint32_t count) noexcept {
  auto taken = numbers_taken.load(base::relaxed);
  for (;;) {
    const bool anew = taken > numbers_end - count;
    const std::uint32_t first = anew ? 1 : taken;
    if (anew) numbers_begun_anew.store(true, base::relaxed);
    // relaxed, all: they say nothing of anything else.
    if (numbers_taken.compare_exchange_weak(taken, first + count, base::relaxed, base::relaxed))
      return first;
  }
}

bool numbers_repeat() noexcept {
  return numbers_begun_anew.load(base::relaxed);  // relaxed: as above
}

void exhaust_numbers() noexcept {
  numbers_taken.store(numbers_end - 1, base::relaxed);  // relaxed: as above
}

namespace {

// thread_proxy: a plain thread as a waiter. Records come from a list that only grows, and are never
// freed: a claimer with an old ticket, or a late futex_wake, reaches a record still (waiter.h, I5).
struct thread_proxy : waiter {
  thread_proxy() noexcept : waiter(true, take_numbers(1)) {
    to_runnable();
    to_running();
  }
  base::atomic<std::uint32_t> awake{0};
  thread_proxy* next_free = nullptr;
  thread_proxy* made_before = nullptr;
};

base::lock<base::rank::leaf> proxies_lock;
// Guarded by proxies_lock.
thread_proxy* free_proxies = nullptr;
thread_proxy* all_proxies = nullptr;  // for LeakSanitizer

thread_proxy* take_proxy() {
  {
    base::locked hold(proxies_lock);
    if (thread_proxy* p = free_proxies) {
      free_proxies = p->next_free;
      return p;
    }
  }
  auto* made = new thread_proxy();
  base::locked hold(proxies_lock);
  made->made_before = std::exchange(all_proxies, made);
  return made;
}

// own_proxy: the record of this thread. Without a destructor, so that objects of the thread that
// are destroyed after `proxy_return` may still wait: with a record that is then not returned.
thread_local thread_proxy* own_proxy = nullptr;

// proxy_return: returns the record when its thread ends.
struct proxy_return {
  proxy_return() = default;
  proxy_return(const proxy_return&) = delete;
  proxy_return& operator=(const proxy_return&) = delete;
  ~proxy_return() {
    thread_proxy* record = std::exchange(own_proxy, nullptr);
    base::locked hold(proxies_lock);
    record->next_free = free_proxies;
    free_proxies = record;
  }
};

[[gnu::noinline]] waiter& current_waiter() noexcept {
  if (goroutine* g = current_goroutine()) return *g;
  if (own_proxy == nullptr) {
    own_proxy = take_proxy();
    static thread_local const proxy_return at_end;
  }
  return *own_proxy;
}

// note_limit: for those who judge what is parked.
void note_limit(waiter& who, bool limited) noexcept {
  if (!who.is_thread()) static_cast<goroutine&>(who).limited = limited;
}

// cancellation: a wait's place in the list of what may cancel it; none if there is nothing.
class cancellation {
 public:
  explicit cancellation(cancel_source* source) noexcept : source_(source) {}
  cancellation(const cancellation&) = delete;
  cancellation& operator=(const cancellation&) = delete;
  ~cancellation() {
    if (!entered_) return;
    source_->remove(node_);
    note_limit(*node_.who, false);
  }
  // enter: false if it has fired already.
  [[nodiscard]] bool enter(waiter& who, ticket at) noexcept {
    if (source_ == nullptr) return true;
    node_.who = &who;
    node_.at = at;
    entered_ = source_->add(node_);
    if (entered_) note_limit(who, true);
    return entered_;
  }

 private:
  cancel_source* const source_;
  bool entered_ = false;
  cancel_node node_;
};

}  // namespace

void ready(waiter& w) noexcept {
  if (!w.is_thread()) {
    auto& g = static_cast<goroutine&>(w);
    WEFT_ASSERT(g.owner != nullptr, "who was claimed has been started");
    g.owner->make_runnable(g);
    return;
  }
  auto& proxy = static_cast<thread_proxy&>(w);
  // release: what the claimer wrote is visible to the thread; pairs with the load in park_thread().
  proxy.awake.store(1, base::release);
  base::futex_wake(proxy.awake, 1);
}

void wake_list::keep_runtime(waiter& w) noexcept {
  scheduler* owner = static_cast<goroutine&>(w).owner;
  const machine* here = current_machine();
  if (here == nullptr || here->owner != owner) owner->begin_visit();
}

void wake_list::fire_many() noexcept {
  while (waiter* w = take()) ready(*w);
}

wait::wait(wait_reason reason, const void* object) noexcept
    : who_(current_waiter()), ticket_(who_.arm()) {
  if (who_.is_thread()) return;
  auto& g = static_cast<goroutine&>(who_);
  g.reason = reason;
  g.object = object;
}

wait::~wait() {
  if (open_) give_up();
}

void wait::again() noexcept {
  WEFT_ASSERT(!open_, "a wait begins again only when the last one is over");
  ticket_ = who_.arm();
  open_ = true;
}

token wait::give_up() noexcept {
  open_ = false;
  if (who_.disarm()) return token_none;
  return who_.resume();
}

token wait::park(const limits& l) noexcept {
  WEFT_ASSERT(open_, "a wait parks once");
  open_ = false;
  if (endless(l) && !who_.is_thread()) return park_bare();
  cancellation first(l.cancel);
  cancellation second(l.also);
  cancellation third(l.scope);
  const auto enter = [&](cancellation& c) { return c.enter(who_, ticket_); };
  if (!enter(first) || !enter(second) || !enter(third)) {
    // Cancelled already. Somebody else may have decided otherwise by now; then that holds.
    if (who_.disarm()) return token_cancelled;
    return who_.resume();
  }
  token by = token_none;
  if (who_.is_thread()) {
    by = park_thread(l.deadline_ns);
  } else if (l.deadline_ns == none_due) {
    by = park_bare();
  } else {
    timer deadline(who_, ticket_);
    note_limit(who_, true);
    static_cast<goroutine&>(who_).owner->arm_timer(deadline, l.deadline_ns);
    by = park_bare();
    stop_timer(deadline);
    note_limit(who_, false);
  }
  return by;
}

token wait::park_bare() noexcept {
  if (!who_.decided()) {
    machine& m = *current_machine();
    m.current->since_ns = coarse_now_ns();
    scheduler::park_current(m);
  }
  return who_.resume();
}

token wait::park_thread(std::int64_t deadline_ns) noexcept {
  auto& proxy = static_cast<thread_proxy&>(who_);
  if (!who_.try_park()) return who_.resume();
  // acquire: pairs with the store in ready().
  while (proxy.awake.load(base::acquire) == 0) {
    if (deadline_ns == none_due) {
      base::futex_wait(proxy.awake, 0);
      continue;
    }
    const auto left = deadline_ns - now_ns();
    if (left > 0) {
      base::futex_wait(proxy.awake, 0, left);
      continue;
    }
    // We claim it ourselves; if we lose, the winner's wake-up is on its way and must be waited for.
    if (who_.claim(ticket_, token_timeout) == claim_outcome::won_parked) return who_.resume();
    deadline_ns = none_due;
  }
  proxy.awake.store(0, base::relaxed);  // relaxed: the next waker comes after our next arm()
  return who_.resume();
}

std::error_code code_of(token by, const limits& l) noexcept {
  if (by == token_cancelled) {
    for (const cancel_source* source : {l.cancel, l.also, l.scope}) {
      if (source != nullptr && source->fired()) return source->code();
    }
  }
  return make_error_code(errc::timeout);
}

}  // namespace weft::sched
