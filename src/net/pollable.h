#pragma once

// pollable: an open descriptor as goroutines use it. What conn, listener and poll_fd are made of.
//
// Purpose. The poller runs one operation a direction and knows no goroutines. Here stands who may
// use a direction, how long a call waits for it, and when the descriptor is freed.
//
// A call has three steps: enter() a direction, run() operations in it, leave(). Callers of a
// direction take turns in the order they came: a read gets whole pieces, a write is not
// interleaved. The direction is handed over: nobody overtakes.
//
// Close and deadlines reach a call through its parked cookie: whoever closes, or moves the
// deadline, claims the wait under lock_. A moved deadline makes the call look again, with the new
// one.
//
// The descriptor is freed (close(2)) by the last one out: calls in flight count in calls_, close()
// itself is one. So its number cannot be reused under a system call that is still under way. The
// object goes when the descriptor is freed and the handle is dropped.
//
// I1  side.busy: one call stands between enter() and leave(); it alone starts operations there.
// I2  side.parked names a wait of that call, from before it parks until it has gone on; set only
// while
//     open. Whoever claims it does so under lock_.
// I3  closed_ is set once; then nobody enters, nobody queues, nobody parks.
// I4  fd is open while calls_ > 0 or not closed_.
//
// Locks: lock_ (rank sync); the poller's are taken outside of it. No system call under it.
//
// Rejected: one word for all of it, as Go has (fdMutex): two exchanges a call either way, and the
// queues and deadlines need a lock besides.
//
// Tests: conn_test.cc, listener_test.cc, poll_fd_test.cc.

#include <weft/error.h>
#include <weft/net/address.h>

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/lock.h"
#include "poll/poller.h"
#include "sched/wait.h"

namespace weft::net {

// stream_kind: what errors call it.
enum class stream_kind : std::uint8_t { tcp, unix_socket, file };

// verb: what was tried, for errors.
enum class verb : std::uint8_t { read, write, accept, connect, close, control };

class pollable {
 public:
  // open: takes `fd`, which is non-blocking; closes it when it fails. Throws misuse_error when no
  // runtime runs here, bad_alloc.
  [[nodiscard]] static result<pollable*> open(int fd, stream_kind kind, const address& peer);

  // drop: the handle is gone: closes, and frees the object when the last call has left.
  void drop() noexcept;

  // close: ends every call that waits with token_closed; false if it was closed before. Never
  // waits.
  bool close() noexcept;

  // -- calls: enter .. leave
  // -------------------------------------------------------------------------

  // enter: waits for the direction. token_ready, and leave() follows; else token_timeout,
  // token_cancelled or token_closed. The direction's own deadline counts once it is entered.
  [[nodiscard]] sched::token enter(poll::direction dir, sched::wait_reason reason,
                                   const sched::limits& l) noexcept;
  // try_enter: the same without waiting: token_none if it is busy, else as enter().
  [[nodiscard]] sched::token try_enter(poll::direction dir) noexcept;
  void leave(poll::direction dir) noexcept;

  // outcome: how an operation ended. `by` is token_ready (then value: >= 0, or -errno),
  // token_timeout, token_cancelled or token_closed.
  struct outcome {
    sched::token by = sched::token_ready;
    std::int64_t value = 0;
  };

  // run: an operation to its end. When the time is up it is tried a last time: what can be done at
  // once is done. attempt: once, -EAGAIN when it would wait.
  [[nodiscard]] outcome run(const poll::operation& op, sched::wait_reason reason,
                            const sched::limits& l) noexcept;
  [[nodiscard]] std::int64_t attempt(const poll::operation& op, poll::trust how) noexcept {
    return poller_->attempt(*record_, op, how);
  }
  // await: waits until the direction may be ready; value 0 then. Spurious ends are possible.
  [[nodiscard]] outcome await(poll::direction dir, sched::wait_reason reason,
                              const sched::limits& l) noexcept;
  // pause: waits for `delay_ns`, so that a close ends it: token_timeout is its ordinary end.
  [[nodiscard]] sched::token pause(poll::direction dir, sched::wait_reason reason,
                                   const sched::limits& l, std::int64_t delay_ns) noexcept;

  // hold: a call that uses the descriptor beside the two directions; false when closed. unhold()
  // ends it.
  [[nodiscard]] bool hold() noexcept;
  void unhold() noexcept;

  // set_deadline: on the runtime's clock, for what waits in this direction and what comes later.
  void set_deadline(poll::direction dir, std::int64_t deadline_ns) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] const address& peer() const noexcept { return peer_; }

  // failure: the error of a call.
  [[nodiscard]] error failure(verb what, std::error_code code) const noexcept;
  [[nodiscard]] error failure(verb what, sched::token by, const sched::limits& l) const noexcept;
  [[nodiscard]] error failure(verb what, const outcome& o, const sched::limits& l) const noexcept;

 private:
  struct side {
    bool busy = false;
    sched::wait_queue waiting;
    std::int64_t deadline_ns = sched::none_due;
    poll::cookie parked;
  };

  pollable(int fd, stream_kind kind, const address& peer, std::shared_ptr<poll::poller> poller,
           poll::descriptor* record) noexcept
      : fd_(fd), kind_(kind), peer_(peer), poller_(std::move(poller)), record_(record) {}
  ~pollable() = default;

  side& side_of(poll::direction dir) noexcept { return sides_[static_cast<std::size_t>(dir)]; }
  sched::token queue_up(side& s, sched::wait_reason reason, const sched::limits& l) noexcept;
  outcome wait_once(sched::wait& w, const poll::operation& op, const sched::limits& l) noexcept;
  sched::token park(sched::wait& w, side& s, sched::limits l) noexcept;
  void finish_call(base::lock& held) noexcept;

  // Constant after construction.
  const int fd_;
  const stream_kind kind_;
  const address peer_;
  const std::shared_ptr<poll::poller> poller_;
  poll::descriptor* const record_;

  base::lock lock_{base::rank::sync};
  std::array<side, 2> sides_;  // guarded by lock_
  bool closed_ = false;        // guarded by lock_
  bool freed_ = false;         // guarded by lock_: somebody has taken it on to free the descriptor
  bool owned_ = true;          // guarded by lock_: the handle stands
  std::uint32_t calls_ = 0;    // guarded by lock_
};

}  // namespace weft::net
