#pragma once

// channel_core: what all channels are, whatever their elements: a ring of slots, receivers and
// senders that wait, a lock. It moves bytes and never runs code of the element's type.
//
// Every operation is one short critical section: take() or put() either succeeds at once, against
// the ring or a waiter of the other side, or says `blocked`, and then the caller enters a node and
// parks.
//
// I1  Not both are true: the ring holds something, and a receiver waits.
// I2  A sender waits only while the ring is full or of size 0. A receiver that makes room moves the
//     first waiting sender's value to the end of the ring: order is kept.
// I3  Who serves a waiter does so in this order, under lock_: takes its node out, copies the value,
//     claims it. Copying first is harmless if the claim is lost: the value of a sender stays its
//     own, and the slot of a receiver is in a frame that cannot end before it has had our lock.
//     After a claim is won the waiter's frame may be gone at any moment. So a waiter that was
//     served finds its node out, and its value there, without the lock.
// I4  look_ says what take() and put() would say, as of the last critical section; its upper bits
//     count the changes. It is written under lock_ only.
// I5  Either side of a match may hold the last handle, and may be the first to go on and drop it.
//     So who parks counts its end meanwhile (`kept`), which is given back outside the gate,
//     since the elements that are left may be destroyed by it; and returns only after its server
//     has let the lock go (base::lock::pass).
// I6  A channel with a clock (time.h) has no ring and no senders: take() looks at due_ns_, and who
//     waits wakes at due_ns_ by its own deadline. So a ticker that nobody listens to costs nothing,
//     needs no runtime, and cannot hand out a stale tick.
//
// Order of locks: channels nest only in select, in rising number. Numbers, not addresses: they say
// the same in each run.
//
// Rejected. A lock-free ring: select needs to commit over several channels, and what is measured is
// the wake-up, not the lock. Holding the lock over the switch (see waiter.h). Values moved by the
// other side's code (Go copies types it knows; a C++ move may do anything, also use this channel).
//
// Tests: channel_test.cc, select_test.cc, tests/model/channel.pml, tests/model/select.pml,
// tests/model/timer.pml (I6), tests/interleave/channel_test.cc (all interleavings of a few
// threads).

#include <weft/detail/channel_core.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/atomic.h"
#include "base/list.h"
#include "base/lock.h"
#include "sched/wait.h"

namespace weft::sync {

using outcome = detail::channel_outcome;

// channel_node: one who waits, and where its value is or goes.
struct channel_node : sched::wait_node {
  void* slot = nullptr;
};

// token_look_again: served with nothing: what the wait was for may have changed.
inline constexpr sched::token token_look_again = sched::token_none;

enum class direction : unsigned char { recv, send };

// kept: the end of one who waits.
class kept {
 public:
  kept() noexcept = default;
  kept(const kept&) = delete;
  kept& operator=(const kept&) = delete;
  inline ~kept();
  inline void keep(channel_core& core, detail::ends which) noexcept;

 private:
  channel_core* core_ = nullptr;
  detail::ends which_ = 0;
};

// end_of: the end that an operation in this direction uses.
[[nodiscard]] constexpr detail::ends end_of(direction d) noexcept {
  return d == direction::recv ? detail::receiving_end : detail::sending_end;
}

// orphans: what becomes of a goroutine that waits for a channel whose other end nobody has any
// more.
enum class orphans : unsigned char { ignored, reported, fatal };
// watch_orphans: while no goroutine runs, and for channels made from now on; else WEFT_LEAKS
// decides. ends_watched: not ignored.
void watch_orphans(orphans o) noexcept;
extern bool ends_watched;

class channel_core {
 public:
  channel_core(std::size_t capacity, std::size_t element_size, void (*drop)(void*) noexcept);
  channel_core(const channel_core&) = delete;
  channel_core& operator=(const channel_core&) = delete;

  // make_clock: a channel of time points with a clock.
  [[nodiscard]] static channel_core* make_clock(std::int64_t due_ns, std::int64_t period_ns);

  // retain, release: of the ends `which`; with the last of both kinds the channel goes.
  void retain(detail::ends which) noexcept {
    // relaxed: whoever retains has an end already.
    ends_.fetch_add(which, base::relaxed);
  }
  void release(detail::ends which) noexcept {
    if (ends_watched) [[unlikely]]
      return release_watched(which);
    // acq_rel: the last one sees all that the others did.
    if (is_only(which) || ends_.fetch_sub(which, base::acq_rel) == which) delete this;
  }
  // is_only: whether the caller's end is the last one, so that nobody waits here or ever will.
  [[nodiscard]] bool is_only(detail::ends which) const noexcept {
    return ends_.load(base::acquire) == which;  // acquire: what the others did is seen
  }
  // has: whether any of the ends `which` is left.
  [[nodiscard]] bool has(detail::ends which) const noexcept {
    const auto mask = which * UINT32_MAX;
    // acquire: what the last one did before it went is seen.
    return has_clock_ || (ends_.load(base::acquire) & mask) != 0;
  }

  // -- whole operations; inside the gate --

  // of_goroutine: false for a plain thread. k: outlives the gate (I5).
  [[nodiscard]] outcome recv(void* slot, const limit& l, bool of_goroutine, kept& k) noexcept;
  [[nodiscard]] outcome send(const void* slot, const limit& l, bool of_goroutine, kept& k) noexcept;
  [[nodiscard]] outcome try_recv(void* slot) noexcept;
  [[nodiscard]] outcome try_send(const void* slot) noexcept;
  // close: false if it was closed already.
  [[nodiscard]] bool close() noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  // set_clock: from now on due at `due_ns`, then every `period_ns` (0: once). True if it was
  // running.
  bool set_clock(std::int64_t due_ns, std::int64_t period_ns) noexcept;

  // -- parts of them, for select --

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] base::lock<base::rank::channel>& lock() noexcept { return lock_; }

  // look: what would be possible now, and a number that changes with it. Without lock.
  [[nodiscard]] std::uint64_t look() const noexcept {
    // seq_cst: an operation that finds nothing to do must not have passed an earlier one of its own
    // goroutine on another channel.
    return look_.load(base::seq_cst);
  }
  [[nodiscard]] static bool may(direction d, std::uint64_t look) noexcept {
    return (look & (d == direction::recv ? may_recv : may_send)) != 0;
  }

  // With lock() held; woken waiters go to `woken`, to be fired after lock() is released.
  [[nodiscard]] outcome take(void* slot, sched::wake_list& woken) noexcept;
  [[nodiscard]] outcome put(const void* slot, sched::wake_list& woken) noexcept;
  void enter(direction d, channel_node& n) noexcept;
  void leave(direction d, channel_node& n) noexcept;
  [[nodiscard]] std::int64_t due_ns() const noexcept { return due_ns_; }

 private:
  static constexpr std::uint64_t may_recv = 1;
  static constexpr std::uint64_t may_send = 2;
  static constexpr std::uint64_t look_step = 4;

  ~channel_core();
  [[nodiscard]] std::byte* at(std::size_t index) noexcept {
    return ring_.get() + index * element_size_;
  }
  inline void copy(void* to, const void* from) const noexcept;
  inline void take_first(void* slot) noexcept;
  inline void put_last(const void* slot) noexcept;
  void refill(sched::wake_list& woken) noexcept;
  [[nodiscard]] outcome take_tick(void* slot) noexcept;
  inline void publish_look() noexcept;
  // With lock_ held, which they let go.
  [[nodiscard]] outcome recv_locked(void* slot, const limit& l, bool of_goroutine,
                                    kept& k) noexcept;
  [[nodiscard]] outcome send_locked(const void* slot, const limit& l, bool of_goroutine,
                                    kept& k) noexcept;
  [[nodiscard]] base::list<channel_node>& queue(direction d) noexcept {
    return d == direction::recv ? receivers_ : senders_;
  }
  sched::token wait_in(direction d, void* slot, const sched::limits& l, kept& k) noexcept;
  // Of orphans.cc.
  void release_watched(detail::ends which) noexcept;
  [[nodiscard]] bool begins_orphaned(direction d, const sched::limits& l) const noexcept;
  static void tell_orphaned(direction d) noexcept;

  // Constant after construction.
  const std::uint64_t number_;
  const std::size_t capacity_;
  const std::size_t element_size_;
  void (*const drop_)(void*) noexcept;
  const std::unique_ptr<std::byte[]> ring_;

  base::atomic<detail::ends> ends_{detail::both_ends};
  base::atomic<std::uint64_t> look_{0};

  base::lock<base::rank::channel> lock_;
  // Guarded by lock_.
  bool closed_ = false;
  bool has_clock_ = false;  // constant once made
  std::size_t head_ = 0;
  std::size_t count_ = 0;
  base::list<channel_node> receivers_;
  base::list<channel_node> senders_;
  std::int64_t due_ns_ = sched::none_due;
  std::int64_t period_ns_ = 0;
};

kept::~kept() {
  if (core_ != nullptr) core_->release(which_);
}

void kept::keep(channel_core& core, detail::ends which) noexcept {
  if (core_ != nullptr) return;
  core.retain(which);
  core_ = &core;
  which_ = which;
}

// outcome_of: how a wait ended that nobody served.
[[nodiscard]] outcome outcome_of(sched::token by, const sched::limits& l) noexcept;

}  // namespace weft::sync
