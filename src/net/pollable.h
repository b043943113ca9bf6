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
// The descriptor is freed (close(2)) by the last one out: calls in flight are counted, close()
// itself is one. So its number cannot be reused under a system call that is still under way. The
// object goes when the descriptor is freed and the handle is dropped.
//
// The runtime. Who waits is a goroutine of the runtime that the descriptor was opened in (its
// home), or a thread. When that runtime ends its goroutines stop where they stand, in the middle of
// calls too: runtime_ended() takes them out of all that is here, while their records still stand,
// and sends the threads away. From then on nobody enters; close works for ever. Their calls are
// counted apart, because they never leave: a goroutine stops only in a gate, and between the gate
// at the beginning of close, hold or leave and its end there is none. While machines are out, one
// of them may stand in a system call here: then what was not seen waiting goes on counting, and the
// descriptor may stay open for good.
//
// I1  side.busy: one call stands between enter() and leave(); it alone starts operations there.
// I2  side.parked names a wait of that call, from before it parks until it has gone on; set only
//     while open. Whoever claims it does so under lock_. One wait may stand in several pollables
//     (run_any): the claims race for its one ticket.
// I3  closed_ is set once; then nobody enters, nobody queues, nobody parks.
// I4  fd is open while a call is counted or not closed_.
// I5  stranded_ is set once, when the runtime has ended; then nobody enters, queues or parks, and
//     no goroutine of it stands in a queue or a cookie.
//
// Locks: lock_ (rank sync), inside the home's; the poller's are taken outside of it. No system call
// under it.
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
#include <span>
#include <utility>

#include "base/lock.h"
#include "poll/poller.h"
#include "sched/io.h"
#include "sched/wait.h"

namespace weft::net {

// transport: what a descriptor is to us, and what errors call it.
enum class transport : std::uint8_t { tcp, unix_stream, unix_packet, udp, unix_datagram, file };

// verb: what was tried, for errors.
enum class verb : std::uint8_t { read, write, accept, connect, listen, close, control };

// words: both in an error's: "read tcp".
[[nodiscard]] const char* words(verb what, transport kind) noexcept;

// home_here: of the runtime that a descriptor opened here would belong to. Throws misuse_error
// when there is none.
[[nodiscard]] std::shared_ptr<sched::io_home> home_here();

class pollable final : public sched::tenant {
 public:
  // open: takes `fd`, which is non-blocking; closes it when it fails. Throws bad_alloc.
  [[nodiscard]] static result<pollable*> open(int fd, transport kind, const address& peer,
                                              const std::shared_ptr<sched::io_home>& home);

  // drop: the handle is gone: closes, and frees the object when the last call has left.
  void drop() noexcept;

  // close: ends every call that waits with token_closed; false if it was closed before. Never
  // waits.
  bool close() noexcept;

  // -- calls: enter .. leave --

  // enter: waits for the direction; leave() follows. The error of `what` if it could not: the
  // object may be gone then. The direction's own deadline counts once it is entered.
  [[nodiscard]] result<void> enter(poll::direction dir, verb what, sched::wait_reason reason,
                                   const sched::limits& l) noexcept;
  // try_enter: the same without waiting: false if it is busy.
  [[nodiscard]] result<bool> try_enter(poll::direction dir, verb what) noexcept;
  void leave(poll::direction dir) noexcept;

  // outcome: how an operation ended. `by` is token_ready (then value: >= 0, or -errno), or else
  // what ended the wait.
  struct outcome {
    sched::token by = sched::token_ready;
    std::int64_t value = 0;
  };

  // run: an operation to its end. When the time is up, or the context cancelled, it is tried a last
  // time: what can be done at once is done. attempt: once, -EAGAIN when it would wait.
  [[nodiscard]] outcome run(const poll::operation& op, sched::wait_reason reason,
                            const sched::limits& l) noexcept;
  [[nodiscard]] std::int64_t attempt(const poll::operation& op, poll::trust how) noexcept {
    return poller().attempt(*record_, op, how);
  }
  // take_held: as the poller's, for who has entered the read direction.
  [[nodiscard]] std::int64_t take_held(std::span<char> into) noexcept {
    return poller().take_held(*record_, into);
  }
  // entrant: one of several operations that are waited for together, each in a pollable of its own
  // whose direction the caller has entered.
  struct entrant {
    pollable* io = nullptr;
    poll::operation op;
    bool done = false;
    std::int64_t value = 0;  // when done: >= 0, or -errno
  };
  // run_any: until one of `all`, which are not done, is: token_ready, or else what ended the wait,
  // behind a last try of each. The others are withdrawn when it returns. At least one, all of one
  // runtime.
  [[nodiscard]] static sched::token run_any(std::span<entrant> all, sched::wait_reason reason,
                                            const sched::limits& l) noexcept;
  // await: waits until the direction may be ready; value 0 then. Spurious ends are possible.
  [[nodiscard]] outcome await(poll::direction dir, sched::wait_reason reason,
                              const sched::limits& l) noexcept;
  // pause: waits for `delay_ns`; token_ready is its ordinary end, everything that ends a wait ends
  // it before.
  [[nodiscard]] sched::token pause(poll::direction dir, sched::wait_reason reason,
                                   const sched::limits& l, std::int64_t delay_ns) noexcept;
  // check: what would end a wait at once; token_ready if nothing would.
  [[nodiscard]] sched::token check(poll::direction dir, const sched::limits& l) noexcept;

  // hold: a call that uses the descriptor beside the two directions; false when closed. unhold()
  // ends it.
  [[nodiscard]] bool hold() noexcept;
  void unhold() noexcept;

  // set_deadline: on the runtime's clock, for what waits in this direction and what comes later.
  void set_deadline(poll::direction dir, std::int64_t deadline_ns) noexcept;

  // runtime_ended, settle: of the home (sched/io.h).
  [[nodiscard]] bool runtime_ended(bool all_in, sched::wake_list& woken) noexcept override;
  void settle() noexcept override { end_call(calls_of_others_); }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] transport kind() const noexcept { return kind_; }
  [[nodiscard]] const std::shared_ptr<sched::io_home>& home() const noexcept { return home_; }
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

  // remains: what the last one out has to free, without a lock and outside of the gate.
  struct remains {
    std::shared_ptr<sched::io_home> home;
    poll::descriptor* record = nullptr;
    int fd = -1;
    pollable* object = nullptr;  // null: its handle stands
    void free() const noexcept;
  };

  pollable(int fd, transport kind, const address& peer, std::shared_ptr<sched::io_home> home,
           poll::descriptor* record) noexcept
      : fd_(fd), kind_(kind), peer_(peer), home_(std::move(home)), record_(record) {}
  ~pollable() { home_->delist(*this); }

  [[nodiscard]] poll::poller& poller() const noexcept { return home_->poller(); }
  side& side_of(poll::direction dir) noexcept { return sides_[static_cast<std::size_t>(dir)]; }
  [[nodiscard]] std::uint32_t& calls_of(sched::caller_kind who) noexcept {
    return who == sched::caller_kind::own ? own_calls_ : calls_of_others_;
  }
  sched::token queue_up(side& s, sched::wait_reason reason, const sched::limits& l) noexcept;
  [[nodiscard]] sched::token refusal_locked() const noexcept;
  void end_call(std::uint32_t& calls) noexcept;
  [[nodiscard]] remains end_call_locked(std::uint32_t& calls) noexcept;
  [[nodiscard]] sched::token enlist(const sched::wait& w, side& s,
                                    std::int64_t& deadline_ns) noexcept;
  outcome wait_once(sched::wait& w, const poll::operation& op, const sched::limits& l) noexcept;
  sched::token park(sched::wait& w, side& s, sched::limits l) noexcept;
  static sched::token park_any(sched::wait& w, std::span<entrant> all, sched::limits l) noexcept;

  // Constant after construction.
  const int fd_;
  const transport kind_;
  const address peer_;
  const std::shared_ptr<sched::io_home> home_;
  poll::descriptor* const record_;

  base::lock<base::rank::sync> lock_;
  std::array<side, 2> sides_;  // guarded by lock_
  bool closed_ = false;        // guarded by lock_
  bool stranded_ = false;      // guarded by lock_: the runtime has ended
  bool freed_ = false;         // guarded by lock_: somebody has taken it on to free the descriptor
  bool owned_ = true;          // guarded by lock_: the handle stands
  // Calls in flight, both guarded by lock_: of the home's goroutines, which may never leave, and of
  // threads and other runtimes' goroutines, which always do.
  std::uint32_t own_calls_ = 0;
  std::uint32_t calls_of_others_ = 0;
};

}  // namespace weft::net
