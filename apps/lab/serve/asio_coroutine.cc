// asio-coroutine: one loop, and a C++20 coroutine per client (Asio, without Boost). Plain code
// again, of functions that must say co_await wherever they may wait, and whose callers must too.

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <utility>
#include <vector>

#include "serve/output.h"
#include "serve/socket.h"

namespace lab {

namespace {

using asio::ip::tcp;

asio::awaitable<void> serve_one(tcp::socket client, output out, bool echo) {
  std::vector<char> buffer(out.buffer_size());
  asio::error_code failed;
  auto with_error = asio::redirect_error(asio::use_awaitable, failed);
  for (;;) {
    const std::size_t n = co_await client.async_read_some(asio::buffer(buffer), with_error);
    if (failed) co_return;
    if (!echo) {
      out.print({buffer.data(), n});
      continue;
    }
    co_await asio::async_write(client, asio::buffer(buffer.data(), n), with_error);
    if (failed) co_return;
  }
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor, output out, bool echo) {
  asio::error_code failed;
  for (;;) {
    auto client = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, failed));
    if (failed) continue;
    client.set_option(tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), serve_one(std::move(client), out, echo),
                   asio::detached);
  }
}

}  // namespace

void serve_asio_coroutine(const serve_options& options) {
  constexpr int one_thread = 1;
  asio::io_context loop(one_thread);
  const int listener = listen_on(options);
  tcp::acceptor acceptor(loop, tcp::v6(), listener);
  announce(options.host, port_of(listener));
  asio::co_spawn(loop, accept_all(acceptor, output(options.how, published_form::c), options.echo),
                 asio::detached);
  loop.run();
}

}  // namespace lab
