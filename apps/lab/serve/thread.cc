// thread: a thread per client.

#include <thread>

#include "serve/socket.h"

namespace lab {

void serve_thread(const serve_options& options) {
  const int listener = listen_on(options);
  announce(options.host, port_of(listener));
  for (;;) {
    const int client = accept_client(listener);
    std::thread(serve_client, client, options).detach();
  }
}

}  // namespace lab
