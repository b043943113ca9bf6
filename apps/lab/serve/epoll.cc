// epoll: one loop over epoll. Linux.

#include <signal.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <vector>

#include "serve/epoll_loop.h"
#include "serve/loop_client.h"
#include "serve/socket.h"

namespace lab {

namespace {

void change(int epoll, int operation, int fd, unsigned events, loop_client* client) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = client;
  if (::epoll_ctl(epoll, operation, fd, &event) != 0) die("epoll_ctl");
}

void accept_all(int epoll, int listener) {
  for (int fd = accept_client(listener); fd >= 0; fd = accept_client(listener)) {
    set_nonblocking(fd);
    change(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, new loop_client(fd));
  }
}

}  // namespace

void run_epoll_loop(int listener, const serve_options& options) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  change(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, nullptr);

  const output out(options.how, published_form::c);
  std::vector<char> buffer(out.buffer_size());
  std::array<epoll_event, 256> events;
  for (;;) {
    const int n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      auto* client = static_cast<loop_client*>(event.data.ptr);
      if (client == nullptr) {
        accept_all(epoll, listener);
        continue;
      }
      const auto next = client->ready(out, options.echo, buffer);
      if (next == loop_client::wants::nothing) {
        delete client;  // closing takes it out of the set
        continue;
      }
      const unsigned wanted = next == loop_client::wants::to_write ? EPOLLOUT : EPOLLIN;
      if ((event.events & wanted) == 0) change(epoll, EPOLL_CTL_MOD, client->fd(), wanted, client);
    }
  }
}

void serve_epoll(const serve_options& options) {
  ::signal(SIGPIPE, SIG_IGN);
  const int listener = listen_on(options);
  set_nonblocking(listener);
  announce(options.host, port_of(listener));
  run_epoll_loop(listener, options);
}

}  // namespace lab
