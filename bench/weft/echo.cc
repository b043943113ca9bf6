// echo: the server that weft-echo-load talks to: a goroutine for each connection.

#include <weft/go.h>
#include <weft/net.h>

#include <cstdio>
#include <span>
#include <utility>

#include "weft/rows.h"

namespace bench {
namespace {

void serve(weft::net::conn conn) {
  char buffer[4096];
  while (auto n = conn.read(buffer))
    if (!conn.write({buffer, *n})) return;
}

// A connection that waits holds no buffer.
void serve_lent(weft::net::conn conn) {
  bool writable = true;
  while (writable) {
    const auto read = conn.read_lent(
        [&](std::span<const char> bytes) { writable = conn.write(bytes).has_value(); });
    if (!read) return;
  }
}

}  // namespace

// echo: serves for ever; returns only if it cannot.
int echo(const char* address, buffer_kind kind) {
  auto listener = weft::net::listen("tcp", address);
  if (!listener) {
    std::fprintf(stderr, "weft-bench: %s\n", listener.error().message().c_str());
    return 1;
  }
  std::printf("listening on %s\n", listener->local_address().to_string().c_str());
  std::fflush(stdout);
  while (auto accepted = listener->accept())
    weft::go([conn = std::move(*accepted), kind]() mutable {
      if (kind == buffer_kind::on_stack) {
        serve(std::move(conn));
      } else {
        serve_lent(std::move(conn));
      }
    });
  return 1;
}

}  // namespace bench
