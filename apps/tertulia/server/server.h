#pragma once

// server: listens, gives each connection a session, and ends everything in order.

#include <weft/context.h>

#include "server/config.h"

namespace tertulia {

// serve: runs a server until `stop` is done, then drains it: no more clients are let in, those that
// are there are told and sent what waits for them, what was said is committed. Returns the
// process's exit status. Inside weft::run.
[[nodiscard]] int serve(const config& conf, const weft::context& stop);

}  // namespace tertulia
