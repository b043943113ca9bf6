#pragma once

// dial: opens a connection.

#include <weft/error.h>
#include <weft/limit.h>
#include <weft/net/conn.h>

#include <string_view>

namespace weft::net {

// dial: connects to `address` and waits until the connection stands.
//   "tcp"            "host:port", "192.0.2.1:80", "[2001:db8::1]:80", ":80" (this machine)
//   "tcp4", "tcp6"   the same over one of the two alone
//   "unix"           a path, or "@name" in the abstract namespace
// A port is a number from 0 to 65535, or a service's name. A name with several addresses is tried
// one after the other, each within its share of the limit's time, but at least two seconds of it;
// the last failure is returned. Without a limit the kernel gives an address that does not answer up
// after minutes. Names are looked up without blocking other goroutines; a limit ends that as well.
// Call it from a goroutine, or a plain thread while one runtime runs (misuse_error without).
// Errors: "dial tcp 192.0.2.1:80: connection refused"; errc::no_such_host, try_again_later,
// bad_address, unknown_network, timeout, cancelled; wrong_runtime for a thread when the runtime
// ends meanwhile.
[[nodiscard]] result<conn> dial(std::string_view network, std::string_view address,
                                const limit& l = {});

}  // namespace weft::net
