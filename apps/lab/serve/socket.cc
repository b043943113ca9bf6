#include "serve/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace lab {

namespace {

constexpr int backlog = 4096;

void set_option(int fd, int level, int name, int value) {
  if (::setsockopt(fd, level, name, &value, sizeof value) != 0) die("setsockopt");
}

}  // namespace

void die(const char* what) {
  std::fprintf(stderr, "lab: ");
  std::perror(what);
  std::exit(1);
}

int listen_on(const serve_options& options, bool reuse_port) {
  addrinfo hints{};
  hints.ai_family = options.network == family::v4   ? AF_INET
                    : options.network == family::v6 ? AF_INET6
                                                    : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options.port);
  if (const int e = ::getaddrinfo(options.host.c_str(), port.c_str(), &hints, &found); e != 0) {
    std::fprintf(stderr, "lab: %s: %s\n", options.host.c_str(), ::gai_strerror(e));
    std::exit(1);
  }
  const int fd = ::socket(found->ai_family, SOCK_STREAM, 0);
  if (fd < 0) die("socket");
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (reuse_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  // Systems differ in what [::] takes if nothing is said.
  if (found->ai_family == AF_INET6)
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.network == family::v6 ? 1 : 0);
  if (::bind(fd, found->ai_addr, found->ai_addrlen) != 0) die("bind");
  if (::listen(fd, backlog) != 0) die("listen");
  ::freeaddrinfo(found);
  return fd;
}

std::uint16_t port_of(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    die("getsockname");
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void announce(std::string_view host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  std::fprintf(stderr, "listening on %s%.*s%s:%u\n", v6 ? "[" : "", static_cast<int>(host.size()),
               host.data(), v6 ? "]" : "", static_cast<unsigned>(port));
}

int accept_client(int listener) {
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd >= 0) {
      // Small answers leave at once, as they do from Go and weft.
      set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      return fd;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return -1;
    die("accept");
  }
}

void set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) die("fcntl");
}

bool write_all(int fd, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

void close_fd(int fd) { ::close(fd); }

}  // namespace lab
