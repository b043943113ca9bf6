#include "net/call.h"

#include <sys/socket.h>

#include <cerrno>

#include "poll/sockets.h"

namespace weft::net {

using poll::direction;
using poll::opcode;
using sched::wait_reason;

poll::operation read_operation(const pollable& io, std::span<char> buffer) noexcept {
  const int flags = io.kind() == transport::unix_packet ? MSG_TRUNC : 0;
  return {opcode::read, buffer.data(), buffer.size(), flags};
}

result<std::size_t> transferred(const pollable& io, const pollable::outcome& o, std::size_t room,
                                const sched::limits& l) noexcept {
  if (o.by != sched::token_ready || o.value < 0)
    return std::unexpected(io.failure(verb::read, o, l));
  // Without its address: an end is no accident, and happens once a connection.
  if (o.value == 0) return std::unexpected(errc::eof);
  const auto size = static_cast<std::size_t>(o.value);
  if (size <= room) return size;
  return std::unexpected(io.failure(verb::read, std::make_error_code(std::errc::message_size)));
}

result<std::size_t> read_some(pollable& io, std::span<char> buffer, const limit& l) {
  const auto limits = l.raw_io();
  const call c(io, direction::read, verb::read, wait_reason::io_read, limits);
  if (!c) return std::unexpected(c.why());
  if (buffer.empty()) return 0;
  const auto o = io.run(read_operation(io, buffer), wait_reason::io_read, limits);
  return transferred(io, o, buffer.size(), limits);
}

write_result write_all(pollable& io, std::span<const char> bytes, const limit& l) {
  const auto limits = l.raw_io();
  const call c(io, direction::write, verb::write, wait_reason::io_write, limits);
  if (!c) return std::unexpected(write_error(c.why(), 0));
  std::size_t written = 0;
  while (written < bytes.size()) {
    const auto rest = bytes.subspan(written);
    const auto o = io.run({opcode::write, const_cast<char*>(rest.data()), rest.size(), 0},
                          wait_reason::io_write, limits);
    if (o.by != sched::token_ready || o.value < 0) {
      return std::unexpected(write_error(io.failure(verb::write, o, limits), written));
    }
    written += static_cast<std::size_t>(o.value);
  }
  return written;
}

result<std::size_t> write_now(pollable& io, std::span<const char> bytes) {
  const auto entered = io.try_enter(direction::write, verb::write);
  if (!entered) return std::unexpected(entered.error());
  if (!*entered) return 0;
  std::size_t written = 0;
  std::int64_t n = 0;
  while (written < bytes.size()) {
    const auto rest = bytes.subspan(written);
    n = io.attempt({opcode::write, const_cast<char*>(rest.data()), rest.size(), 0},
                   poll::trust::ask);
    if (n < 0) break;
    written += static_cast<std::size_t>(n);
  }
  io.leave(direction::write);
  // An error behind a part that went out shows at the next call.
  if (written > 0 || n >= 0 || n == -EAGAIN) return written;
  return std::unexpected(io.failure(verb::write, pollable::outcome{sched::token_ready, n}, {}));
}

address local_address(pollable& io) noexcept {
  const held_call c(io);
  sockaddr_storage native{};
  socklen_t size = sizeof native;
  if (!c || poll::socket_name(io.fd(), native, size) != 0) return {};
  return address::from_native(reinterpret_cast<const sockaddr*>(&native), size);
}

}  // namespace weft::net
