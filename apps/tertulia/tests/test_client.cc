#include "tests/test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <stop_token>
#include <utility>

namespace tertulia::testing {

namespace {

constexpr int wait_max_ms = 30'000;
constexpr std::size_t transcript_max = 4000;

int connect_to(std::uint16_t port) {
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (s < 0 || ::connect(s, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0)
    throw std::runtime_error("cannot connect");
  return s;
}

}  // namespace

test_client::test_client(std::uint16_t port) : socket_(connect_to(port)) {}

test_client::test_client(std::uint16_t port, const std::string& nick, const std::string& caps)
    : test_client(port) {
  if (!caps.empty()) send("CAP REQ :" + caps);
  send("NICK " + nick);
  send("USER " + nick + " 0 * :" + nick);
  if (!caps.empty()) {
    expect(" ACK ");
    send("CAP END");
  }
  expect(" 422 ");
}

test_client::~test_client() { close(); }

test_client::test_client(test_client&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      pings_(other.pings_),
      buffer_(std::move(other.buffer_)),
      transcript_(std::move(other.transcript_)) {}

void test_client::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void test_client::shut_writing() { ::shutdown(socket_, SHUT_WR); }

void test_client::send(std::string_view line) { send_raw(std::string(line) + "\r\n"); }

void test_client::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) throw std::runtime_error("cannot send; so far:\n" + transcript_);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool test_client::fill() {
  pollfd p{socket_, POLLIN, 0};
  if (::poll(&p, 1, wait_max_ms) == 0)
    throw std::runtime_error("nothing came; so far:\n" + transcript_);
  std::array<char, 16384> bytes;
  const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
  if (got <= 0) return false;
  buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  return true;
}

bool test_client::take_line(std::string& line) {
  const std::size_t end = buffer_.find("\r\n");
  if (end == buffer_.npos) return false;
  line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  if (transcript_.size() > transcript_max) transcript_.clear();
  transcript_ += line + "\n";
  return true;
}

std::string test_client::next() {
  std::string line;
  while (!take_line(line))
    if (!fill()) throw std::runtime_error("the connection was closed; so far:\n" + transcript_);
  return line;
}

std::string test_client::expect(std::string_view part) {
  for (;;) {
    try {
      std::string line = next();
      if (line.find(part) != line.npos) return line;
    } catch (const std::runtime_error& e) {
      throw std::runtime_error("expected \"" + std::string(part) + "\": " + e.what());
    }
  }
}

lines test_client::settle() {
  const std::string token = "settle-" + std::to_string(++pings_);
  send("PING " + token);
  lines out;
  for (;;) {
    std::string line = next();
    if (line.ends_with(" PONG irc.test :" + token)) return out;
    out.push_back(std::move(line));
  }
}

lines test_client::ask(std::string_view line) {
  send(line);
  return settle();
}

lines test_client::rest() {
  lines out;
  std::string line;
  do {
    while (take_line(line)) out.push_back(line);
  } while (fill());
  return out;
}

std::jthread never_stops_sending(test_client& c, std::string_view text) {
  std::string burst;
  for (int i = 0; i < 500; ++i) burst += text;
  return std::jthread([&c, burst](const std::stop_token& stop) {
    try {
      while (!stop.stop_requested()) c.send_raw(burst);
    } catch (const std::runtime_error&) {
      return;  // the server closed the connection
    }
  });
}

std::string without_tags(std::string_view line) {
  if (line.starts_with('@')) line.remove_prefix(line.find(' ') + 1);
  return std::string(line);
}

std::string tag_of(std::string_view line, std::string_view key) {
  if (!line.starts_with('@')) return "";
  std::string tags = ";" + std::string(line.substr(1, line.find(' ') - 1)) + ";";
  const std::size_t at = tags.find(";" + std::string(key) + "=");
  if (at == tags.npos) return "";
  const std::size_t from = at + key.size() + 2;
  return tags.substr(from, tags.find(';', from) - from);
}

lines bare(const lines& all) {
  lines out;
  for (const auto& line : all) out.push_back(without_tags(line));
  return out;
}

}  // namespace tertulia::testing
