#pragma once

// conn_access: makes a conn out of what listen and dial opened.

#include <weft/net/conn.h>

namespace weft::net {

struct conn_access {
  static conn adopt(pollable* io) noexcept { return conn(io); }
};

}  // namespace weft::net
