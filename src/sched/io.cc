#include "sched/io.h"

#include <cerrno>

#include "sched/gate.h"
#include "sched/inspect.h"
#include "sched/scheduler.h"

namespace weft::sched {
namespace {

poll::direction direction_of(poll::opcode code) noexcept {
  switch (code) {
    case poll::opcode::read:
    case poll::opcode::accept:
    case poll::opcode::recvmsg:
    case poll::opcode::readable:
      return poll::direction::read;
    case poll::opcode::write:
    case poll::opcode::writev:
    case poll::opcode::connect:
    case poll::opcode::sendmsg:
    case poll::opcode::writable:
      return poll::direction::write;
  }
  return poll::direction::read;
}

}  // namespace

io_outcome run_operation(poll::poller& p, poll::descriptor& d, const poll::operation& op, wait_reason reason,
                         const limits& l) noexcept {
  wait w(reason, &d);
  for (;;) {
    const poll::cookie who{&w.who(), w.at()};
    const auto started = p.start(d, op, who);
    if (!started.pending) {
      w.give_up();
      return {token_ready, started.result};
    }
    token by = token_none;
    {
      const gate inside;
      if (scheduler* s = current_scheduler()) s->ensure_watched();
      by = w.park(l);
    }
    if (by != token_ready) {
      if (by != token_closed) static_cast<void>(p.cancel(d, direction_of(op.code), who));
      return {by, 0};
    }
    w.again();
  }
}

void evict(const poll::cookie& who, token by, wake_list& woken) noexcept {
  if (who.who != nullptr) woken.claim(*static_cast<waiter*>(who.who), who.ticket, by);
}

poll::poller* current_poller() noexcept {
  scheduler* s = current_scheduler();
  if (s == nullptr) s = only_scheduler();
  return s != nullptr ? &s->poller() : nullptr;
}

}  // namespace weft::sched
