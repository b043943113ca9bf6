// goroutine: a goroutine per client, with weft.

#include <weft/go.h>
#include <weft/net.h>
#include <weft/runtime.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "serve/output.h"
#include "serve/socket.h"

namespace lab {

namespace {

void serve_one(weft::net::conn client, const serve_options& options) {
  const output out(options.how, published_form::go);
  std::vector<char> buffer(out.buffer_size());
  while (const auto n = client.read(buffer)) {
    const std::span<const char> bytes(buffer.data(), *n);
    if (!options.echo) {
      out.print(bytes);
    } else if (!client.write(bytes)) {
      return;
    }
  }
}

int accept_all(const serve_options& options) {
  const bool v6 = options.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + options.host + "]" : options.host;
  auto listener =
      weft::net::listen(family_name(options.network), host + ":" + std::to_string(options.port));
  if (!listener) {
    std::fprintf(stderr, "lab: %s\n", listener.error().message().c_str());
    return 1;
  }
  announce(options.host, port_of(listener->native_handle()));
  while (auto client = listener->accept()) {
    weft::go([c = std::move(*client), &options]() mutable { serve_one(std::move(c), options); });
  }
  return 1;
}

}  // namespace

void serve_goroutine(const serve_options& options) {
  weft::main([&] { return accept_all(options); });
}

}  // namespace lab
