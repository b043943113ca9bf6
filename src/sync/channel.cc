#include <weft/channel.h>

#include <cstring>
#include <new>
#include <system_error>

#include "base/assert.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/wake_list.h"
#include "sync/channel_core.h"

namespace weft::sync {
namespace {

static_assert(sizeof(channel_core) <= 192);

// ring_bytes_max: more than any machine has; keeps sums from overflowing.
constexpr std::size_t ring_bytes_max = std::size_t{1} << 47;

// next_number: machines take them in batches: all processors would want the counter's cache line.
std::uint64_t next_number() noexcept {
  constexpr std::uint64_t batch = 16;
  static base::atomic<std::uint64_t> next{1};  // relaxed, below: only uniqueness matters
  sched::machine* m = sched::current_machine();
  if (m == nullptr) return next.fetch_add(1, base::relaxed);
  if (m->next_channel == m->end_channel) {
    m->next_channel = next.fetch_add(batch, base::relaxed);
    m->end_channel = m->next_channel + batch;
  }
  return m->next_channel++;
}

constexpr bool served(sched::token by) noexcept {
  return (by & ~sched::token_closed) == sched::token_ready;
}

constexpr outcome served_outcome(sched::token by) noexcept {
  return (by & sched::token_closed) != 0 ? outcome::closed : outcome::done;
}

// prepare_thread: a plain thread's first wait allocates its record, which must not happen under a
// lock.
void prepare_thread(sched::wait_reason reason, const void* object) noexcept {
  const sched::wait record(reason, object);
}

constexpr sched::wait_reason reason_of(direction d) noexcept {
  return d == direction::recv ? sched::wait_reason::chan_receive : sched::wait_reason::chan_send;
}

}  // namespace

outcome outcome_of(sched::token by, const sched::limits& l) noexcept {
  return sched::code_of(by, l) == errc::timeout ? outcome::timeout : outcome::cancelled;
}

inline void channel_core::copy(void* to, const void* from) const noexcept {
  // The sizes of nearly all elements, without a call.
  if (element_size_ == 8) {
    std::memcpy(to, from, 8);
  } else if (element_size_ == 4) {
    std::memcpy(to, from, 4);
  } else if (element_size_ != 0) {
    std::memcpy(to, from, element_size_);
  }
}

// publish_look: I4. A channel with a clock always seems ready: only the time can tell.
inline void channel_core::publish_look() noexcept {
  std::uint64_t now = 0;
  if (count_ > 0 || closed_ || has_clock_ || !senders_.empty()) now |= may_recv;
  if (count_ < capacity_ || closed_ || !receivers_.empty()) now |= may_send;
  const auto old = look_.load(base::relaxed);  // relaxed: written under lock_ only
  if ((old & (may_recv | may_send)) == now) return;
  // relaxed: the exchange that releases lock_ follows, and the load in look() of whoever did that
  // does not pass it: it is a full barrier on x86, and on aarch64 a release that an ldar waits for.
  look_.store((old & ~(may_recv | may_send)) + look_step + now, base::relaxed);
}

// take_first, put_last: of the ring, which holds something, or has room.
inline void channel_core::take_first(void* slot) noexcept {
  copy(slot, at(head_));
  head_ = head_ + 1 == capacity_ ? 0 : head_ + 1;
  --count_;
}

inline void channel_core::put_last(const void* slot) noexcept {
  const auto tail = head_ + count_;
  copy(at(tail < capacity_ ? tail : tail - capacity_), slot);
  ++count_;
}

channel_core::channel_core(std::size_t capacity, std::size_t element_size,
                           void (*drop)(void*) noexcept)
    : number_(next_number()),
      capacity_(capacity),
      element_size_(element_size),
      drop_(drop),
      ring_(capacity * element_size > 0 ? new std::byte[capacity * element_size] : nullptr) {
  publish_look();
}

channel_core::~channel_core() {
  for (; drop_ != nullptr && count_ > 0; --count_) {
    drop_(at(head_));
    head_ = head_ + 1 == capacity_ ? 0 : head_ + 1;
  }
}

channel_core* channel_core::make_clock(std::int64_t due_ns, std::int64_t period_ns) {
  auto* c = new channel_core(0, sizeof(std::int64_t), nullptr);
  c->has_clock_ = true;
  c->ends_.store(detail::receiving_end, base::relaxed);  // nobody sends; nobody else has it yet
  c->due_ns_ = due_ns;
  c->period_ns_ = period_ns;
  c->publish_look();
  return c;
}

outcome channel_core::take(void* slot, sched::wake_list& woken) noexcept {
  if (has_clock_) return take_tick(slot);
  if (count_ > 0) {
    WEFT_ASSERT(receivers_.empty(), "I1: no receiver waits while the ring holds something");
    take_first(slot);
    if (!senders_.empty()) refill(woken);
    publish_look();
    return outcome::done;
  }
  while (channel_node* n = senders_.pop_front()) {
    copy(slot, n->slot);  // I3: before the claim
    if (!woken.claim(*n->who, n->at, n->by)) continue;
    publish_look();
    return outcome::done;
  }
  publish_look();
  return closed_ ? outcome::closed : outcome::blocked;
}

// refill: the first sender that waits moves up into the room that a receiver made (I2).
void channel_core::refill(sched::wake_list& woken) noexcept {
  while (channel_node* n = senders_.pop_front()) {
    const auto tail = head_ + count_;
    copy(at(tail < capacity_ ? tail : tail - capacity_), n->slot);
    if (!woken.claim(*n->who, n->at, n->by)) continue;
    ++count_;
    return;
  }
}

outcome channel_core::put(const void* slot, sched::wake_list& woken) noexcept {
  if (closed_) return outcome::closed;
  while (channel_node* n = receivers_.pop_front()) {
    copy(n->slot, slot);  // I3: before the claim
    if (!woken.claim(*n->who, n->at, n->by)) continue;
    publish_look();
    return outcome::done;
  }
  if (count_ < capacity_) {
    put_last(slot);
    publish_look();
    return outcome::done;
  }
  publish_look();
  return outcome::blocked;
}

void channel_core::enter(direction d, channel_node& n) noexcept {
  WEFT_ASSERT(d == direction::recv ? count_ == 0 : count_ == capacity_ && !has_clock_,
              "I1, I2: only who has to waits");
  queue(d).push_back(n);
  publish_look();
}

void channel_core::leave(direction d, channel_node& n) noexcept {
  if (!n.linked()) return;
  queue(d).remove(n);
  publish_look();
}

// wait_in: waits in a queue. lock_ is held when it is called, and not when it returns.
sched::token channel_core::wait_in(direction d, void* slot, const sched::limits& l,
                                   kept& k) noexcept {
  k.keep(*this, end_of(d));
  sched::wait w(reason_of(d), this);
  channel_node n;
  n.who = &w.who();
  n.at = w.at();
  n.slot = slot;
  const bool orphaned = ends_watched && begins_orphaned(d, l);
  enter(d, n);
  lock_.release();
  if (orphaned) [[unlikely]]
    tell_orphaned(d);
  const sched::token by = w.park(l);
  if (served(by)) {
    lock_.pass();  // I5
  } else {
    base::locked hold(lock_);
    leave(d, n);
  }
  return by;
}

// recv, send: what is usual of a ring, and takes the fewest instructions; the rest.
outcome channel_core::recv(void* slot, const limit& l, bool of_goroutine, kept& k) noexcept {
  lock_.acquire();
  if (count_ == 0 || !senders_.empty()) return recv_locked(slot, l, of_goroutine, k);
  WEFT_ASSERT(receivers_.empty(), "I1: no receiver waits while the ring holds something");
  take_first(slot);
  publish_look();
  lock_.release();
  return outcome::done;
}

outcome channel_core::send(const void* slot, const limit& l, bool of_goroutine, kept& k) noexcept {
  lock_.acquire();
  if (count_ == capacity_ || !receivers_.empty() || closed_)
    return send_locked(slot, l, of_goroutine, k);
  put_last(slot);
  publish_look();
  lock_.release();
  return outcome::done;
}

outcome channel_core::recv_locked(void* slot, const limit& given, bool of_goroutine,
                                  kept& k) noexcept {
  sched::wake_list woken;
  outcome got = take(slot, woken);
  if (got == outcome::blocked && !of_goroutine) {
    lock_.release();
    prepare_thread(reason_of(direction::recv), this);
    lock_.acquire();
    got = take(slot, woken);
  }
  if (got != outcome::blocked) {
    lock_.release();
    return got;
  }
  const auto l = given.raw();
  while (got == outcome::blocked) {
    const auto due = due_ns_;
    sched::limits until = l;
    if (due < until.deadline_ns) until.deadline_ns = due;
    const auto by = wait_in(direction::recv, slot, until, k);
    if (served(by)) return served_outcome(by);
    const bool ticked =
        by == token_look_again || (by == sched::token_timeout && due < l.deadline_ns);
    if (!ticked) return outcome_of(by, l);
    lock_.acquire();
    got = take(slot, woken);
  }
  lock_.release();
  return got;
}

outcome channel_core::send_locked(const void* slot, const limit& given, bool of_goroutine,
                                  kept& k) noexcept {
  sched::wake_list woken;
  outcome sent = put(slot, woken);
  if (sent == outcome::blocked && !of_goroutine) {
    lock_.release();
    prepare_thread(reason_of(direction::send), this);
    lock_.acquire();
    sent = put(slot, woken);
  }
  if (sent == outcome::blocked) {
    const auto l = given.raw();
    const auto by = wait_in(direction::send, const_cast<void*>(slot), l, k);  // only read
    return served(by) ? served_outcome(by) : outcome_of(by, l);
  }
  lock_.release();
  return sent;
}

outcome channel_core::try_recv(void* slot) noexcept {
  if (!may(direction::recv, look())) return outcome::blocked;
  sched::wake_list woken;
  base::locked hold(lock_);
  return take(slot, woken);
}

outcome channel_core::try_send(const void* slot) noexcept {
  if (!may(direction::send, look())) return outcome::blocked;
  sched::wake_list woken;
  base::locked hold(lock_);
  return put(slot, woken);
}

bool channel_core::close() noexcept {
  sched::wake_list woken;
  base::locked hold(lock_);
  if (closed_) return false;
  closed_ = true;
  for (auto* waiting : {&receivers_, &senders_}) {
    while (channel_node* n = waiting->pop_front()) {
      // Frames of those who waited for long are in no cache.
      if (const channel_node* next = waiting->front()) __builtin_prefetch(next->next);
      woken.claim(*n->who, n->at, static_cast<sched::token>(n->by | sched::token_closed));
    }
  }
  publish_look();
  return true;
}

std::size_t channel_core::size() const noexcept {
  auto& self = const_cast<channel_core&>(*this);  // the lock is no part of the value
  base::locked hold(self.lock_);
  return count_;
}

// -- the clock --

// take_tick: the time at which it was due. Ticks that nobody took are dropped.
outcome channel_core::take_tick(void* slot) noexcept {
  if (due_ns_ == sched::none_due) return outcome::blocked;
  const auto late = sched::now_ns() - due_ns_;
  if (late < 0) return outcome::blocked;
  std::memcpy(slot, &due_ns_, sizeof due_ns_);
  if (period_ns_ == 0) {
    due_ns_ = sched::none_due;
    return outcome::done;
  }
  const auto skip = late - late % period_ns_;
  due_ns_ =
      due_ns_ > sched::none_due - skip - period_ns_ ? sched::none_due : due_ns_ + skip + period_ns_;
  return outcome::done;
}

bool channel_core::set_clock(std::int64_t due_ns, std::int64_t period_ns) noexcept {
  sched::wake_list woken;
  base::locked hold(lock_);
  const bool was_running = due_ns_ != sched::none_due;
  due_ns_ = due_ns;
  period_ns_ = period_ns;
  while (channel_node* n = receivers_.pop_front()) woken.claim(*n->who, n->at, token_look_again);
  publish_look();
  return was_running;
}

}  // namespace weft::sync

namespace weft::detail {
namespace {

// wait_for_nobody: the nil channel.
channel_outcome wait_for_nobody(sched::wait_reason reason, const limit& l) noexcept {
  const auto raw = l.raw();
  sched::wait w(reason, nullptr);
  return sync::outcome_of(w.park(raw), raw);
}

}  // namespace

channel_core* make_channel(std::ptrdiff_t capacity, std::size_t element_size,
                           void (*drop)(void*) noexcept) {
  const auto room = static_cast<std::size_t>(capacity);
  if (capacity < 0 || (element_size > 0 && room > sync::ring_bytes_max / element_size)) {
    throw misuse_error("makechan: size out of range");
  }
  return new sync::channel_core(room, element_size, drop);
}

void retain_channel(channel_core& c, ends of) noexcept { c.retain(of); }
void release_channel(channel_core& c, ends of) noexcept { c.release(of); }
bool channel_has(const channel_core* c, ends which) noexcept {
  return c != nullptr && c->has(which);
}

channel_outcome channel_send(channel_core* c, const void* slot, const limit& l) noexcept {
  sync::kept k;
  const sched::waiting_gate inside;
  if (c == nullptr) return wait_for_nobody(sched::wait_reason::chan_send_nil, l);
  return c->send(slot, l, inside.caller() != nullptr, k);
}

channel_outcome channel_recv(channel_core* c, void* slot, const limit& l) noexcept {
  sync::kept k;
  const sched::waiting_gate inside;
  if (c == nullptr) return wait_for_nobody(sched::wait_reason::chan_receive_nil, l);
  return c->recv(slot, l, inside.caller() != nullptr, k);
}

channel_outcome channel_try_send(channel_core* c, const void* slot) noexcept {
  if (c == nullptr) return channel_outcome::blocked;
  const sched::gate inside;
  return c->try_send(slot);
}

channel_outcome channel_try_recv(channel_core* c, void* slot) noexcept {
  if (c == nullptr) return channel_outcome::blocked;
  const sched::gate inside;
  return c->try_recv(slot);
}

bool channel_may_send(const channel_core* c) noexcept {
  return c != nullptr && channel_core::may(sync::direction::send, c->look());
}

void close_channel(channel_core* c) {
  if (c == nullptr) throw misuse_error("close of nil channel");
  bool closed = false;
  {
    const sched::gate inside;
    closed = c->close();
  }
  if (!closed) throw misuse_error("close of closed channel");
}

std::size_t channel_size(const channel_core* c) noexcept {
  if (c == nullptr) return 0;
  const sched::gate inside;
  return c->size();
}

std::size_t channel_capacity(const channel_core* c) noexcept {
  return c == nullptr ? 0 : c->capacity();
}

void throw_send_on_closed() { throw misuse_error("send on closed channel"); }

error error_of(channel_outcome o, const char* operation) noexcept {
  switch (o) {
    case channel_outcome::closed: return {errc::closed, operation};
    case channel_outcome::timeout: return {errc::timeout, operation};
    case channel_outcome::cancelled: return {errc::cancelled, operation};
    case channel_outcome::done:
    case channel_outcome::blocked: break;
  }
  return {std::make_error_code(std::errc::operation_would_block), operation};
}

void* take_cell(std::size_t size, std::size_t alignment) {
  if (alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    return ::operator new(size, std::align_val_t(alignment));
  }
  return ::operator new(size);
}

void give_cell(void* cell, std::size_t size, std::size_t alignment) noexcept {
  if (alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    ::operator delete(cell, size, std::align_val_t(alignment));
  } else {
    ::operator delete(cell, size);
  }
}

}  // namespace weft::detail
