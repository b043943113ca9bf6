#pragma once

#include "serve/server.h"

namespace lab {

// run_epoll_loop: serves the clients of a non-blocking listener on the calling thread, for ever.
[[noreturn]] void run_epoll_loop(int listener, const serve_options& options);

}  // namespace lab
