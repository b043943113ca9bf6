#include "chat/client.h"

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "chat/lines.h"
#include "serve/socket.h"

namespace lab::chat {

namespace {

// connect_to: tries the addresses one after the other. -1 after saying why not.
int connect_to(const client_options& o) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int e = ::getaddrinfo(o.host.c_str(), o.port.c_str(), &hints, &found); e != 0) {
    std::fprintf(stderr, "weft-chat: %s: %s\n", o.host.c_str(), ::gai_strerror(e));
    return -1;
  }
  int connected = -1;
  for (const addrinfo* a = found; a != nullptr && connected < 0; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, SOCK_STREAM, 0);
    if (fd >= 0 && ::connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
      connected = fd;
    } else if (fd >= 0) {
      const int why = errno;
      ::close(fd);
      errno = why;
    }
  }
  if (connected < 0) std::perror(("weft-chat: " + o.host + " port " + o.port).c_str());
  ::freeaddrinfo(found);
  return connected;
}

bool send_text(int server, const std::string& text) {
  return write_all(server, {text.data(), text.size()});
}

// relay_input: what was typed, line by line, with the name before each. False at its end.
bool relay_input(int server, const std::string& name, line_gatherer& typed) {
  std::array<char, line_max / 2> buffer;
  const auto n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (n < 0 && errno == EINTR) return true;
  const auto lines = n > 0 ? typed.add({buffer.data(), static_cast<std::size_t>(n)}) : typed.rest();
  std::string out;
  bool at_start = true;
  for (const char c : lines) {
    if (at_start) out += name + ": ";
    out += c;
    at_start = c == '\n';
  }
  return send_text(server, out) && n > 0;
}

}  // namespace

int run_client(const client_options& o) {
  ::signal(SIGPIPE, SIG_IGN);
  const int server = connect_to(o);
  if (server < 0) return 1;
  if (!send_text(server, o.key)) return 1;
  std::array<pollfd, 2> wait = {pollfd{server, POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
  line_gatherer typed;
  std::array<char, line_max> buffer;
  bool leaving = false;
  for (;;) {
    if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) die("poll");
    if (!leaving && wait[1].revents != 0 && !relay_input(server, o.name, typed)) {
      leaving = true;
      wait[1].fd = -1;
      ::shutdown(server, SHUT_WR);
    }
    if (wait[0].revents == 0) continue;
    const auto n = ::read(server, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const std::string text = harmless({buffer.data(), static_cast<std::size_t>(n)});
    if (!write_all(STDOUT_FILENO, {text.data(), text.size()})) break;
  }
  ::close(server);
  if (leaving) return 0;
  std::fputs("weft-chat: the server closed the connection: a wrong key, or it ended\n", stderr);
  return 1;
}

}  // namespace lab::chat
