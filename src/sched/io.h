#pragma once

// io: an operation of the poller as a wait of the current goroutine (or plain thread).

#include "poll/poller.h"
#include "sched/wait.h"

namespace weft::sched {

// io_outcome: how an operation ended. `by` is token_ready (then `value` is the result: >= 0, or -errno), token_timeout,
// token_cancelled, or token_closed (the descriptor was closed meanwhile).
struct io_outcome {
  token by = token_ready;
  std::int64_t value = 0;
};

// run_operation: starts `op` on `d` of poller `p` and waits for it. The system calls happen outside the gate: call it outside of
// one. When a wait ends by timeout or cancel, the operation has been withdrawn before this returns. `extra_deadline_ns` is the
// descriptor's own deadline, if it has one; a deadline that is moved while the wait lasts is evict()-ed by the caller.
[[nodiscard]] io_outcome run_operation(poll::poller& p, poll::descriptor& d, const poll::operation& op,
                                       wait_reason reason, const limits& l) noexcept;

// evict: ends a wait inside run_operation from outside (close, or a deadline that has come): decides it with `by`.
void evict(const poll::cookie& who, token by, wake_list& woken) noexcept;

// current_poller: of the caller's runtime, or of the only one; null without a runtime.
[[nodiscard]] poll::poller* current_poller() noexcept;

}  // namespace weft::sched
