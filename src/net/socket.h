#pragma once

// socket: sockets as weft wants them: non-blocking, close-on-exec, with the options asked for.

#include <weft/error.h>
#include <weft/net/address.h>
#include <weft/net/options.h>

#include <system_error>

#include "net/pollable.h"
#include "net/unique_fd.h"

namespace weft::net {

// last_error: errno's.
[[nodiscard]] std::error_code last_error() noexcept;

// socket_type: SOCK_STREAM and so on.
[[nodiscard]] int socket_type(transport kind) noexcept;

// open_socket: for the family of `a`. Datagram sockets may broadcast, as Go's.
[[nodiscard]] result<unique_fd> open_socket(const address& a, transport kind) noexcept;

// set_option: false with errno when it is refused.
[[nodiscard]] bool set_option(int fd, int level, int name, int value) noexcept;

// set_tcp_options: what a connection has, and a listener hands on to those it accepts. False with
// errno when one is refused.
[[nodiscard]] bool set_tcp_options(int fd, bool nodelay,
                                   const keepalive_options& keepalive) noexcept;

// bound_address: where the socket is; `asked` when the kernel does not say.
[[nodiscard]] address bound_address(int fd, const address& asked) noexcept;

}  // namespace weft::net
