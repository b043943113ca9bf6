// poll: one loop over poll(2). POSIX alone.

#include <poll.h>
#include <signal.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "serve/loop_client.h"
#include "serve/socket.h"

namespace lab {

void serve_poll(const serve_options& options) {
  ::signal(SIGPIPE, SIG_IGN);
  const int listener = listen_on(options);
  set_nonblocking(listener);
  announce(options.host, port_of(listener));

  const output out(options.how, published_form::c);
  std::vector<char> buffer(out.buffer_size());
  // clients[i] is what fds[i + 1] belongs to.
  std::vector<pollfd> fds = {{.fd = listener, .events = POLLIN, .revents = 0}};
  std::vector<std::unique_ptr<loop_client>> clients;
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      die("poll");
    }
    // Backwards: the place of one that ends is taken by the last, which has had its turn.
    for (std::size_t i = clients.size(); i-- > 0;) {
      if (fds[i + 1].revents == 0) continue;
      const auto next = clients[i]->ready(out, options.echo, buffer);
      fds[i + 1].events = next == loop_client::wants::to_write ? POLLOUT : POLLIN;
      if (next == loop_client::wants::nothing) {
        fds[i + 1] = fds.back();
        fds.pop_back();
        std::swap(clients[i], clients.back());
        clients.pop_back();
      }
    }
    if (fds[0].revents == 0) continue;
    for (int fd = accept_client(listener); fd >= 0; fd = accept_client(listener)) {
      set_nonblocking(fd);
      clients.push_back(std::make_unique<loop_client>(fd));
      fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
  }
}

}  // namespace lab
