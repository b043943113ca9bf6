#include "sync/outlook.h"

#include "sync/channel_core.h"

namespace weft::sync {

outlook outlook_of(const sched::goroutine& g) noexcept {
  using sched::wait_reason;
  if (g.limited) return {prospect::open, "its wait has a limit"};
  const auto* channel = static_cast<const channel_core*>(g.object.get());
  switch (g.reason.get()) {
    case wait_reason::chan_receive_nil:
    case wait_reason::chan_send_nil: return {prospect::never, "it waits for a nil channel"};
    case wait_reason::select_no_cases: return {prospect::never, "it waits for nothing"};
    case wait_reason::select: return outlook_of_select(g.object);
    case wait_reason::chan_receive:
      if (!channel->has(detail::sending_end))
        return {prospect::never, "the channel's last sender has gone"};
      break;
    case wait_reason::chan_send:
      if (!channel->has(detail::receiving_end))
        return {prospect::doubtful, "the channel's last receiver has gone: only a close wakes it"};
      break;
    case wait_reason::sleep:
    case wait_reason::resolve:
    case wait_reason::file_slot: return {prospect::open, "it waits for the system"};
    case wait_reason::io_read:
    case wait_reason::io_write:
    case wait_reason::io_accept:
    case wait_reason::io_connect: return {prospect::open, "it waits for a descriptor"};
    default: break;
  }
  return {prospect::others, ""};
}

}  // namespace weft::sync
