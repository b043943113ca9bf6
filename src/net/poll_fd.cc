#include <fcntl.h>
#include <weft/poll_fd.h>

#include <cerrno>
#include <utility>

#include "net/call.h"
#include "net/pollable.h"
#include "net/unique_fd.h"

namespace weft {
namespace {

using net::verb;
using poll::direction;
using poll::opcode;
using sched::wait_reason;

std::unexpected<error> closed_fd(const char* op) {
  return std::unexpected(error(errc::closed, op));
}

result<void> wait_ready(net::pollable& io, direction dir, const limit& l) {
  const auto limits = l.raw_io();
  const bool reads = dir == direction::read;
  const auto reason = reads ? wait_reason::io_read : wait_reason::io_write;
  const auto what = reads ? verb::read : verb::write;
  const net::call c(io, dir, what, reason, limits);
  if (!c) return std::unexpected(c.why());
  const auto code = reads ? opcode::readable : opcode::writable;
  const auto o = io.run({code, nullptr, 0, 0}, reason, limits);
  if (o.by != sched::token_ready || o.value < 0)
    return std::unexpected(io.failure(what, o, limits));
  return {};
}

}  // namespace

result<poll_fd> poll_fd::open(int fd) {
  net::unique_fd owned(fd);
  auto home = net::home_here();
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    return std::unexpected(error::from_errno(errno, "open"));
  }
  const auto opened = net::pollable::open(owned.take(), net::transport::file, {}, home);
  if (opened) return poll_fd(*opened);
  if (opened.error() != std::errc::operation_not_permitted) return std::unexpected(opened.error());
  return std::unexpected(error(opened.error().code(), "open: a file or device that never waits"));
}

void poll_fd::drop() noexcept { std::exchange(io_, nullptr)->drop(); }

result<std::size_t> poll_fd::read(std::span<char> buffer, const limit& l) {
  if (io_ == nullptr) return closed_fd("read");
  return net::read_some(*io_, buffer, l);
}

net::write_result poll_fd::write(std::span<const char> bytes, const limit& l) {
  if (io_ == nullptr) return std::unexpected(net::write_error(closed_fd("write").error(), 0));
  return net::write_all(*io_, bytes, l);
}

result<std::size_t> poll_fd::try_write(std::span<const char> bytes) {
  if (io_ == nullptr) return closed_fd("write");
  return net::write_now(*io_, bytes);
}

result<void> poll_fd::readable(const limit& l) {
  if (io_ == nullptr) return closed_fd("read");
  return wait_ready(*io_, direction::read, l);
}

result<void> poll_fd::writable(const limit& l) {
  if (io_ == nullptr) return closed_fd("write");
  return wait_ready(*io_, direction::write, l);
}

result<void> poll_fd::close() {
  if (io_ == nullptr) return closed_fd("close");
  if (io_->close()) return {};
  return std::unexpected(io_->failure(verb::close, make_error_code(errc::closed)));
}

int poll_fd::native_handle() const noexcept { return io_ != nullptr ? io_->fd() : -1; }

}  // namespace weft
