#include "run/link.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "run/child.h"
#include "serve/socket.h"

namespace lab {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(server_request, workload, variant, paradigm,
                                                connections, host, key)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(tree_usage, processes, threads, proportional_kib,
                                                switches)

namespace {

constexpr std::size_t line_max = std::size_t{1} << 20;

// connect_to: -1 if nobody answers.
int connect_to(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
  int connected = -1;
  for (const addrinfo* a = found; a != nullptr && connected < 0; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ::connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
      connected = fd;
    } else if (fd >= 0) {
      ::close(fd);
    }
  }
  ::freeaddrinfo(found);
  return connected;
}

// split: "host:port", with an IPv6 address in brackets.
std::pair<std::string, std::string> split(const std::string& address, const std::string& port) {
  const auto colon = address.rfind(':');
  const bool has_port = colon != std::string::npos && address.find(']', colon) == std::string::npos;
  std::string host = address.substr(0, has_port ? colon : std::string::npos);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return {host, has_port ? address.substr(colon + 1) : port};
}

template <class T>
T parsed_as(const std::string& text) {
  try {
    return nlohmann::json::parse(text).get<T>();
  } catch (const nlohmann::json::exception& e) {
    throw std::runtime_error(std::string("between run and agent: ") + e.what());
  }
}

}  // namespace

link::~link() {
  if (fd_ >= 0) ::close(fd_);
}

link link::to(const std::string& host, std::uint16_t otherwise_port) {
  const auto [name, port] = split(host, std::to_string(otherwise_port));
  const int fd = connect_to(name, port);
  if (fd < 0) throw std::runtime_error("no agent answers at " + name + ", port " + port);
  return link(fd);
}

bool link::reaches(const std::string& address) {
  const auto [name, port] = split(address, "0");
  const int fd = connect_to(name, port);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

std::optional<std::string> link::line() {
  for (;;) {
    if (const auto end = pending_.find('\n'); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    if (pending_.size() > line_max) return std::nullopt;
    std::array<char, 4096> buffer;
    const auto n = ::read(fd_, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR && !interrupted()) continue;
    if (n <= 0) return std::nullopt;
    pending_.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

bool link::say(std::string text) {
  text += '\n';
  return write_all(fd_, {text.data(), text.size()});
}

std::string link::ask(const std::string& text) {
  if (!say(text)) throw std::runtime_error("the agent has gone");
  auto said = line();
  if (!said || said->size() < 3) throw std::runtime_error("the agent has gone");
  if (said->starts_with("no ")) throw std::runtime_error("the agent: " + said->substr(3));
  return said->substr(3);
}

listening::listening(const std::string& host, std::uint16_t port) {
  serve_options options;
  options.host = host;
  options.port = port;
  fd_ = listen_on(options);
  ::fcntl(fd_, F_SETFD, FD_CLOEXEC);  // the servers it starts must not hold the port
  announce(host, port_of(fd_));
}

std::optional<link> listening::accept() const {
  pollfd wait = {.fd = fd_, .events = POLLIN, .revents = 0};
  while (::poll(&wait, 1, -1) <= 0) {
    if (interrupted()) return std::nullopt;
  }
  const int caller = accept_client(fd_);
  ::fcntl(caller, F_SETFD, FD_CLOEXEC);
  return link(caller);
}

std::string to_text(const server_request& r) { return nlohmann::json(r).dump(); }
std::string to_text(const tree_usage& u) { return nlohmann::json(u).dump(); }
std::string to_text(const std::vector<std::string>& names) { return nlohmann::json(names).dump(); }
std::string to_text(const target::reading& r) {
  return nlohmann::json{r.user_us, r.system_us, r.machine_us}.dump();
}

server_request request_from(const std::string& text) { return parsed_as<server_request>(text); }
tree_usage usage_from(const std::string& text) { return parsed_as<tree_usage>(text); }
std::vector<std::string> names_from(const std::string& text) {
  return parsed_as<std::vector<std::string>>(text);
}
target::reading reading_from(const std::string& text) {
  const auto numbers = parsed_as<std::array<double, 3>>(text);
  return {numbers[0], numbers[1], numbers[2]};
}

}  // namespace lab
