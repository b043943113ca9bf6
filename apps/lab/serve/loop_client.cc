#include "serve/loop_client.h"

#include <unistd.h>

#include <cerrno>

#include "serve/socket.h"

namespace lab {

namespace {

bool try_again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

loop_client::~loop_client() { close_fd(fd_); }

loop_client::wants loop_client::ready(const output& out, bool echo, std::span<char> buffer) {
  if (!unsent_.empty()) {
    const std::vector<char> left = std::move(unsent_);
    unsent_.clear();
    return send(left);
  }
  const auto n = ::read(fd_, buffer.data(), buffer.size());
  if (n < 0 && try_again()) return wants::to_read;
  if (n <= 0) return wants::nothing;
  const auto bytes = buffer.first(static_cast<std::size_t>(n));
  if (echo) return send(bytes);
  out.print(bytes);
  return wants::to_read;
}

loop_client::wants loop_client::send(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && try_again()) {
      unsent_.assign(bytes.begin(), bytes.end());
      return wants::to_write;
    }
    if (n < 0) return wants::nothing;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return wants::to_read;
}

}  // namespace lab
