// callback: one loop, and what happens next in functions that are called when something is done
// (Asio, without Boost). A client's place in its conversation is spread over them.

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "serve/output.h"
#include "serve/socket.h"

namespace lab {

namespace {

using asio::ip::tcp;

// session: lives as long as a callback of it is pending.
class session : public std::enable_shared_from_this<session> {
 public:
  session(tcp::socket socket, const output& out, bool echo)
      : socket_(std::move(socket)), out_(out), echo_(echo), buffer_(out.buffer_size()) {}

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](const asio::error_code& e, std::size_t n) {
                              if (!e) self->got(n);
                            });
  }

 private:
  void got(std::size_t n) {
    if (!echo_) {
      out_.print({buffer_.data(), n});
      read();
      return;
    }
    asio::async_write(socket_, asio::buffer(buffer_.data(), n),
                      [self = shared_from_this()](const asio::error_code& e, std::size_t) {
                        if (!e) self->read();
                      });
  }

  tcp::socket socket_;
  output out_;
  bool echo_;
  std::vector<char> buffer_;
};

void accept(tcp::acceptor& acceptor, const output& out, bool echo) {
  acceptor.async_accept([&acceptor, &out, echo](const asio::error_code& e, tcp::socket client) {
    if (!e) {
      client.set_option(tcp::no_delay(true));
      std::make_shared<session>(std::move(client), out, echo)->read();
    }
    accept(acceptor, out, echo);
  });
}

}  // namespace

void serve_callback(const serve_options& options) {
  constexpr int one_thread = 1;
  asio::io_context loop(one_thread);
  const int listener = listen_on(options);
  tcp::acceptor acceptor(loop, tcp::v6(), listener);
  announce(options.host, port_of(listener));
  const output out(options.how, published_form::c);
  accept(acceptor, out, options.echo);
  loop.run();
}

}  // namespace lab
