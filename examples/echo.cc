// echo: answers every line in upper case; one goroutine per connection. Compare echo_epoll.cc,
// which does the same by hand.
//
//   $ ./echo 127.0.0.1:7777
//   $ echo "Hello World" | nc -N 127.0.0.1 7777
//   HELLO WORLD

#include <weft/go.h>
#include <weft/net.h>
#include <weft/runtime.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace {

char upper(char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }

// serve: plain blocking code. read parks the goroutine until bytes are there; write, until they are
// gone.
void serve(weft::net::conn conn) {
  char buffer[1024];
  while (auto n = conn.read(buffer)) {
    std::transform(buffer, buffer + *n, buffer, upper);
    if (!conn.write({buffer, *n})) return;
  }
}

int listen_and_serve(const char* address) {
  auto listener = weft::net::listen("tcp", address);
  if (!listener) {
    std::fprintf(stderr, "echo: %s\n", listener.error().message().c_str());
    return 1;
  }
  std::printf("listening on %s\n", listener->local_address().to_string().c_str());
  std::fflush(stdout);
  while (auto conn = listener->accept()) {
    weft::go([c = std::move(*conn)]() mutable { serve(std::move(c)); });
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* address = argc > 1 ? argv[1] : "127.0.0.1:7777";
  weft::main([address] { return listen_and_serve(address); });
}
