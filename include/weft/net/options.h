#pragma once

// options: what dial, listen and their like set on sockets. The defaults are Go's.

#include <weft/error.h>

#include <chrono>
#include <functional>

namespace weft::net {

// keepalive_options: when TCP asks a silent peer whether it is still there. One that does not
// answer `count` times is given up: calls fail with ETIMEDOUT.
struct keepalive_options {
  bool on = true;
  std::chrono::seconds idle{15};      // silence before the first question
  std::chrono::seconds interval{15};  // between questions
  int count = 9;
};

// socket_control: called with each new socket, behind our own options and before it is bound or
// connected: for options that have no name here. The descriptor is a loan. An error fails the call,
// or the attempt at one address. It must not wait.
using socket_control = std::function<result<void>(int fd)>;

}  // namespace weft::net
