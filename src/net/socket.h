#pragma once

// socket: sockets as weft wants them: non-blocking, close-on-exec, and what Go sets on TCP
// connections: no delay, and keep-alive after 15 s, every 15 s, 9 times.

#include <weft/error.h>
#include <weft/net/address.h>

#include "net/pollable.h"
#include "net/unique_fd.h"

namespace weft::net {

// kind_of: TCP or Unix, by the address.
[[nodiscard]] stream_kind kind_of(const address& a) noexcept;

// open_socket: a stream socket for the family of `a`. On TCP the options above are set; a
// listener's connections inherit them.
[[nodiscard]] result<unique_fd> open_socket(const address& a) noexcept;

}  // namespace weft::net
