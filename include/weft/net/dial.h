#pragma once

// dial: opens a connection.

#include <weft/error.h>
#include <weft/limit.h>
#include <weft/net/address.h>
#include <weft/net/conn.h>
#include <weft/net/options.h>

#include <chrono>
#include <string_view>

namespace weft::net {

struct dial_options {
  // local: our own end; none: the system chooses. Addresses of another family are left out. The
  // port 0 is any; the file that a Unix socket's path makes is the caller's to remove.
  address local = {};
  // fallback_delay: how long the family that comes first is alone when a name has addresses of
  // both; 0 starts both at once. Negative: all addresses one after the other, in their order.
  std::chrono::nanoseconds fallback_delay = std::chrono::milliseconds(300);
  // nodelay: small writes are sent at once; false gathers them (Nagle). TCP alone.
  bool nodelay = true;
  keepalive_options keepalive = {};  // TCP alone
  socket_control control = {};
};

// dial: connects to `address` and waits until the connection stands.
//   "tcp"            "host:port", "192.0.2.1:80", "[2001:db8::1]:80", ":80" (this machine)
//   "tcp4", "tcp6"   the same over one of the two alone
//   "unix"           a path, or "@name" in the abstract namespace: a stream of bytes
//   "unixpacket"     the same, of packets (conn.h)
// A port is a number from 0 to 65535, or a service's name. dial_packet (packet_conn.h) is for "udp"
// and "unixgram".
//
// The addresses of a name are tried one after the other, in the order that the system prefers, each
// within its share of the limit's time, but at least two seconds of it. Where a name has addresses
// of both families ("tcp" alone), those of the other family start beside them after
// options.fallback_delay, or as soon as all of the first have failed; the first connection that
// stands wins, and what else is under way is withdrawn and closed before dial returns.
//
// Without a limit the kernel gives an address that does not answer up after minutes. Names are
// looked up without blocking other goroutines; a limit ends that as well. Call it from a goroutine,
// or a plain thread while one runtime runs (misuse_error without).
// Errors: "dial tcp 192.0.2.1:80: connection refused": of several failures the first; errc::timeout
// and cancelled when the limit ended it; errc::no_such_host, try_again_later, bad_address,
// unknown_network; wrong_runtime for a thread when the runtime ends meanwhile.
[[nodiscard]] result<conn> dial(std::string_view network, std::string_view address,
                                const dial_options& options, const limit& l = {});
[[nodiscard]] result<conn> dial(std::string_view network, std::string_view address,
                                const limit& l = {});

}  // namespace weft::net
