#pragma once

// operation: one attempt at the system call behind an operation. What the backends that say "ready,
// try again" share.

#include <cstdint>

#include "poll/poller.h"

namespace weft::poll {

// fd_kind: what a descriptor is, found out once when it is opened.
enum class fd_kind : std::uint8_t {
  other,   // terminal, eventfd: read(2) and write(2)
  pipe,    // as other; write(2) without SIGPIPE
  socket,  // recv(2) and send(2), which do not raise SIGPIPE
  tcp,     // as socket, a stream of bytes; a transfer that is short has drained it
};

// kind_of: asks the kernel; never fails (what is no socket is `other`).
[[nodiscard]] fd_kind kind_of(int fd) noexcept;

// direction_of: which of the descriptor's two directions an operation uses.
[[nodiscard]] direction direction_of(opcode code) noexcept;

// attempt: makes the system call of `op` on the non-blocking `fd`, retrying EINTR. Returns bytes, a
// descriptor (accept), 0 (connect, readable, writable) or -errno; -EAGAIN when it would wait. A
// connect is attempted again when the descriptor becomes writable, and reports then how it ended.
// One exception to "-EAGAIN would wait": connect to a Unix socket whose backlog is full gives
// -ENOBUFS, because no event announces room there.
[[nodiscard]] std::int64_t attempt(int fd, fd_kind kind, const operation& op) noexcept;

// size_of: how many bytes `op` asks to move; what an attempt is compared with to call it short.
[[nodiscard]] std::int64_t size_of(const operation& op) noexcept;

// milliseconds: a timeout for the calls that know no finer unit, rounded up: to wake early would
// make the caller spin. Negative stays "for ever".
[[nodiscard]] int milliseconds(std::int64_t timeout_ns) noexcept;

}  // namespace weft::poll
