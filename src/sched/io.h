#pragma once

// io: what the layers above need of a runtime to wait for descriptors: its poller, and somebody who
// looks at it. The wait itself is an ordinary one (wait.h): the cookie of a pending operation is
// {&w.who(), w.at()}, and its completion claims the wait with token_ready.

#include <memory>

#include "poll/poller.h"

namespace weft::sched {

// current_poller: of the caller's runtime, or of the only one; null without a runtime. Shared: a
// descriptor may outlive it.
[[nodiscard]] std::shared_ptr<poll::poller> current_poller() noexcept;

// ensure_watched: after an operation was left pending in that poller, before the park; inside the
// gate.
void ensure_watched() noexcept;

}  // namespace weft::sched
