// process: a process per client, as the paper's C server. POSIX alone.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "serve/children.h"
#include "serve/socket.h"

namespace lab {

void serve_process(const serve_options& options) {
  reap_children();
  const int listener = listen_on(options);
  announce(options.host, port_of(listener));
  for (;;) {
    const int client = accept_client(listener);
    const pid_t child = ::fork();
    if (child < 0) die("fork");
    if (child == 0) {
      close_fd(listener);
      serve_client(client, options);
      std::exit(0);  // flushes what printf still holds
    }
    close_fd(client);
  }
}

}  // namespace lab
