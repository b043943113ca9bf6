// epoll-per-core: as many loops as there are CPUs, each on a thread with a listener of its own,
// among which the kernel distributes the clients (SO_REUSEPORT). Linux.

#include <signal.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "serve/epoll_loop.h"
#include "serve/socket.h"

namespace lab {

void serve_epoll_per_core(const serve_options& options) {
  ::signal(SIGPIPE, SIG_IGN);
  const unsigned loops =
      options.workers != 0 ? options.workers : std::max(1U, std::thread::hardware_concurrency());
  serve_options here = options;
  std::vector<int> listeners;
  for (unsigned i = 0; i < loops; ++i) {
    listeners.push_back(listen_on(here, true));
    set_nonblocking(listeners.back());
    here.port = port_of(listeners.back());
  }
  std::vector<std::jthread> threads;
  for (const int listener : listeners) {
    threads.emplace_back([listener, &options] { run_epoll_loop(listener, options); });
  }
  announce(options.host, here.port);
}

}  // namespace lab
