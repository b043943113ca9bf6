// weft-bench-epoll: the echo server as an event loop written by hand: one thread, epoll
// edge-triggered, one buffer for all. The least that a server over epoll can cost.
// usage: weft-bench-epoll echo [ADDRESS]

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "c/listen.h"

namespace {

// answer: reads what is there and sends it back. False at the end of the connection. A message is
// short and a peer waits for its answer, so the socket's buffer always takes all.
bool answer(int fd) {
  static std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    if (::send(fd, buffer.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) return false;
    if (static_cast<std::size_t>(n) < buffer.size()) return true;  // a short read: drained
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "echo") != 0) {
    std::fputs("usage: weft-bench-epoll echo\n", stderr);
    return 2;
  }
  const int listener = bench::listen_here(SOCK_NONBLOCK);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [&](int fd, unsigned events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) bench::die("epoll_ctl");
  };
  watch(listener, EPOLLIN);
  std::array<epoll_event, 256> events;
  for (;;) {
    const int n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd != listener) {
        if (!answer(fd)) ::close(fd);
        continue;
      }
      const int conn = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (conn < 0) continue;
      bench::no_delay(conn);
      watch(conn, EPOLLIN | EPOLLRDHUP | EPOLLET);
    }
  }
}
