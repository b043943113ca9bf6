// echo_epoll: the same server as echo.cc without goroutines: what a runtime does for you, written
// out. Each connection's place in its work - "reading" or "so much is still to be written" - is a
// record in a table, and the code is turned inside out around the events.
//
//   $ ./echo_epoll 127.0.0.1 7777
//   $ echo "Hello World" | nc -N 127.0.0.1 7777
//   HELLO WORLD

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

namespace {

// client: what a goroutine keeps in its local variables and its program counter.
struct client {
  char buffer[1024];
  std::size_t size = 0;     // bytes in the buffer
  std::size_t written = 0;  // of them, already sent
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "echo_epoll: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

char upper(char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }

void watch(int epoll, int op, int fd, unsigned events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll, op, fd, &event) != 0) fail("epoll_ctl");
}

// on_readable: takes what is there; false when the connection is over.
bool on_readable(int epoll, int fd, client& c) {
  const auto n = read(fd, c.buffer, sizeof c.buffer);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  c.size = static_cast<std::size_t>(n);
  c.written = 0;
  std::transform(c.buffer, c.buffer + c.size, c.buffer, upper);
  watch(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT);  // from now on this connection is "writing"
  return true;
}

// on_writable: sends what the socket takes; false when the connection is over.
bool on_writable(int epoll, int fd, client& c) {
  const auto n = send(fd, c.buffer + c.written, c.size - c.written, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  c.written += static_cast<std::size_t>(n);
  if (c.written == c.size)
    watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);  // and now it is "reading" again
  return true;
}

int listen_on(const char* host, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host, &at.sin_addr) != 1) fail("address");
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) fail("bind");
  if (listen(fd, 4096) != 0) fail("listen");
  socklen_t size = sizeof at;
  getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  std::printf("listening on %s:%d\n", host, ntohs(at.sin_port));
  std::fflush(stdout);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const int listener =
      listen_on(argc > 1 ? argv[1] : "127.0.0.1", argc > 2 ? std::atoi(argv[2]) : 7777);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll_create1");
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
  std::unordered_map<int, client> clients;
  for (;;) {
    epoll_event events[64];
    const int n = epoll_wait(epoll, events, 64, -1);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        // Gone before we came; or no descriptor is left: then this spins until one is free.
        if (accepted < 0) continue;
        clients.try_emplace(accepted);
        watch(epoll, EPOLL_CTL_ADD, accepted, EPOLLIN);
        continue;
      }
      auto& c = clients.at(fd);
      const bool goes_on = (events[i].events & EPOLLOUT) != 0 ? on_writable(epoll, fd, c)
                                                              : on_readable(epoll, fd, c);
      if (goes_on) continue;
      close(fd);
      clients.erase(fd);
    }
  }
}
