// prefork: processes that are there before the clients. Each accepts a client, serves it to its end
// and takes the next; more clients than processes wait. POSIX alone.

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "serve/socket.h"

namespace lab {

void serve_prefork(const serve_options& options) {
  const int listener = listen_on(options);
  const unsigned workers = options.workers == 0 ? 64 : options.workers;
  for (unsigned i = 0; i < workers; ++i) {
    const pid_t worker = ::fork();
    if (worker < 0) die("fork");
    if (worker == 0) {
      for (;;) {
        serve_client(accept_client(listener), options);
        std::fflush(stdout);
      }
    }
  }
  announce(options.host, port_of(listener));
  // Workers do not end by themselves: one that does is a failure.
  ::wait(nullptr);
  std::fputs("lab: a worker ended\n", stderr);
  ::_exit(1);
}

}  // namespace lab
