// pool: threads that are there before the clients. Each accepts a client, serves it to its end and
// takes the next; more clients than threads wait.

#include <thread>
#include <vector>

#include "serve/socket.h"

namespace lab {

void serve_pool(const serve_options& options) {
  const int listener = listen_on(options);
  const unsigned workers = options.workers == 0 ? 64 : options.workers;
  std::vector<std::jthread> pool;
  for (unsigned i = 0; i < workers; ++i) {
    pool.emplace_back([listener, &options] {
      for (;;) serve_client(accept_client(listener), options);
    });
  }
  announce(options.host, port_of(listener));
}

}  // namespace lab
