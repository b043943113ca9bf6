// io_uring: one loop over a ring: it tells the kernel what to do and is told when that is done,
// with one system call for all that happened meanwhile. Linux. What is printed is written directly,
// as by all others.

#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "serve/output.h"
#include "serve/socket.h"

namespace lab {

namespace {

constexpr unsigned entries = 4096;

// client: one request of it is under way at any time; which, says `sending`.
struct client {
  client(int descriptor, std::size_t buffer_size) : fd(descriptor), buffer(buffer_size) {}
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  ~client() { close_fd(fd); }

  int fd;
  std::vector<char> buffer;
  bool sending = false;
  std::size_t from = 0;  // what of the buffer is still to be sent
  std::size_t to = 0;
};

class loop {
 public:
  loop(int listener, const serve_options& options)
      : listener_(listener), out_(options.how, published_form::c), echo_(options.echo) {
    const int e = ::io_uring_queue_init(entries, &ring_, 0);
    if (e != 0) {
      errno = -e;
      die("io_uring");
    }
  }

  [[noreturn]] void run() {
    accept();
    for (;;) {
      const int e = ::io_uring_submit_and_wait(&ring_, 1);
      if (e < 0 && e != -EINTR && e != -EBUSY) {
        errno = -e;
        die("io_uring_enter");
      }
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_cqe* done = nullptr;
      io_uring_for_each_cqe(&ring_, head, done) {
        ++seen;
        handle(static_cast<client*>(::io_uring_cqe_get_data(done)), done->res);
      }
      ::io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  // entry: room for one more request; makes some by submitting those before it.
  io_uring_sqe* entry() {
    io_uring_sqe* free = ::io_uring_get_sqe(&ring_);
    while (free == nullptr) {
      ::io_uring_submit(&ring_);
      free = ::io_uring_get_sqe(&ring_);
    }
    return free;
  }

  void accept() {
    io_uring_sqe* e = entry();
    ::io_uring_prep_accept(e, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ::io_uring_sqe_set_data(e, nullptr);
  }

  void receive(client& c) {
    c.sending = false;
    io_uring_sqe* e = entry();
    ::io_uring_prep_recv(e, c.fd, c.buffer.data(), c.buffer.size(), 0);
    ::io_uring_sqe_set_data(e, &c);
  }

  void send(client& c) {
    c.sending = true;
    io_uring_sqe* e = entry();
    ::io_uring_prep_send(e, c.fd, c.buffer.data() + c.from, c.to - c.from, MSG_NOSIGNAL);
    ::io_uring_sqe_set_data(e, &c);
  }

  void handle(client* c, int result) {
    if (c == nullptr) {
      if (result >= 0) welcome(result);
      accept();
    } else if (result == -EINTR || result == -EAGAIN) {
      c->sending ? send(*c) : receive(*c);
    } else if (result <= 0) {
      delete c;
    } else if (c->sending) {
      c->from += static_cast<std::size_t>(result);
      c->from < c->to ? send(*c) : receive(*c);
    } else if (echo_) {
      c->from = 0;
      c->to = static_cast<std::size_t>(result);
      send(*c);
    } else {
      out_.print({c->buffer.data(), static_cast<std::size_t>(result)});
      receive(*c);
    }
  }

  void welcome(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    receive(*new client(fd, out_.buffer_size()));
  }

  io_uring ring_{};
  int listener_;
  output out_;
  bool echo_;
};

}  // namespace

std::string io_uring_missing() {
  io_uring ring{};
  const int e = ::io_uring_queue_init(8, &ring, 0);
  if (e != 0) return std::string("the kernel refuses rings: ") + std::strerror(-e);
  ::io_uring_queue_exit(&ring);
  return {};
}

void serve_io_uring(const serve_options& options) {
  ::signal(SIGPIPE, SIG_IGN);
  const int listener = listen_on(options);
  loop serving(listener, options);
  announce(options.host, port_of(listener));
  serving.run();
}

}  // namespace lab
