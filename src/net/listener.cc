#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/go.h>
#include <weft/net/listener.h>

#include <cerrno>
#include <utility>

#include "base/atomic.h"
#include "net/accept_error.h"
#include "net/call.h"
#include "net/conn_access.h"
#include "net/place.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "net/socket_file.h"
#include "poll/sockets.h"
#include "sched/environment.h"

namespace weft::net {
namespace {

using poll::direction;
using sched::wait_reason;

constexpr std::int64_t exhausted_pause_ns = 50'000'000;

// passed_over_max: failures in a row that are taken to be of one connection each. What forbids
// accept(2) itself - a filter of system calls, a security module - fails with such errors as well,
// and takes no connection away.
constexpr int passed_over_max = 64;

unique_fd open_reserve() noexcept { return unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// peer_of: of an accepted connection. The length of a Unix socket's name is known to the kernel
// alone.
address peer_of(int fd, sockaddr_storage& native, transport kind) noexcept {
  socklen_t size = native.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (kind != transport::tcp) {
    size = sizeof native;
    if (poll::peer_name(fd, native, size) != 0) return {};
  }
  return address::from_native(reinterpret_cast<const sockaddr*>(&native), size);
}

}  // namespace

// listening: what a listener shares with its accept() calls, which may outlast it.
class listening {
 public:
  listening(pollable* socket, transport kind, socket_file file)
      : socket_(socket), kind_(kind), file_(std::move(file)), reserve_(open_reserve()) {}
  ~listening() { socket_->drop(); }

  // open: a listener on one address. `dual`: an IPv6 socket takes IPv4 as well.
  [[nodiscard]] static result<listener> open(const address& where, transport kind, bool dual,
                                             const listen_options& options);

  listening(const listening&) = delete;
  listening& operator=(const listening&) = delete;

  [[nodiscard]] pollable& socket() const noexcept { return *socket_; }
  [[nodiscard]] std::uint64_t shed_count() const noexcept {
    // relaxed: a count.
    return shed_count_.load(base::relaxed);
  }

  bool close() noexcept {
    const held_call still_open(*socket_);
    if (!still_open || !socket_->close()) return false;
    file_.remove();
    return true;
  }

  [[nodiscard]] result<conn> accept(const sched::limits& l);

 private:
  sched::token recover(accept_verdict from, int passed_over, const sched::limits& l) noexcept;
  sched::token shed_one(const sched::limits& l) noexcept;
  sched::token let_pass(const sched::limits& l) noexcept {
    return socket_->pause(direction::read, wait_reason::io_accept, l, exhausted_pause_ns);
  }

  // Constant after construction.
  pollable* const socket_;
  const transport kind_;
  const socket_file file_;

  unique_fd reserve_;  // of whoever stands in the read direction
  base::atomic<std::uint64_t> shed_count_{0};
};

result<conn> listening::accept(const sched::limits& l) {
  const call c(*socket_, direction::read, verb::accept, wait_reason::io_accept, l);
  if (!c) return std::unexpected(c.why());
  for (int passed_over = 1;; ++passed_over) {  // bounded by the connections that come to nothing
    // Lost to who opened something while it was out; before a connection takes what is free again.
    if (!reserve_) reserve_ = open_reserve();
    sockaddr_storage native{};
    const poll::operation op{poll::opcode::accept, &native, sizeof native, 0};
    const auto o = socket_->run(op, wait_reason::io_accept, l);
    if (o.by != sched::token_ready) return std::unexpected(socket_->failure(verb::accept, o, l));
    auto verdict = accept_verdict::pass_over;
    if (o.value >= 0) {
      const int fd = static_cast<int>(o.value);
      const auto opened = pollable::open(fd, kind_, peer_of(fd, native, kind_), socket_->home());
      if (opened) return conn_access::adopt(*opened);
      // The poller has no room; the connection is closed. The next may have more luck.
      shed_count_.fetch_add(1, base::relaxed);  // relaxed: a count
    } else {
      verdict = judge_accept_error(static_cast<int>(-o.value));
    }
    if (verdict == accept_verdict::fail)
      return std::unexpected(socket_->failure(verb::accept, o, l));
    const auto by = recover(verdict, passed_over, l);
    if (by != sched::token_ready) return std::unexpected(socket_->failure(verb::accept, by, l));
  }
}

// recover: after an accept that came to nothing. token_ready: go on.
sched::token listening::recover(accept_verdict from, int passed_over,
                                const sched::limits& l) noexcept {
  if (from == accept_verdict::shed) return shed_one(l);
  if (passed_over % passed_over_max == 0) return let_pass(l);
  yield();
  return socket_->check(direction::read, l);
}

// shed_one: makes room by closing a connection that waits. If there is none, waits for one; if that
// fails as well, lets time pass.
sched::token listening::shed_one(const sched::limits& l) noexcept {
  int failed = EMFILE;
  if (reserve_) {
    reserve_.reset();
    const unique_fd shed(::accept4(socket_->fd(), nullptr, nullptr, SOCK_CLOEXEC));
    failed = shed ? 0 : errno;
    if (shed) shed_count_.fetch_add(1, base::relaxed);  // relaxed: a count
  }
  reserve_ = open_reserve();
  if (!reserve_) return let_pass(l);
  switch (failed) {
    case 0:
      yield();
      return socket_->check(direction::read, l);  // there may be thousands
    // Without a descriptor accept(2) does not say that nobody is there; the poller does.
    case EAGAIN: return socket_->await(direction::read, wait_reason::io_accept, l).by;
    default: return let_pass(l);
  }
}

listener::listener(std::shared_ptr<listening> state) noexcept : state_(std::move(state)) {}
listener::listener(listener&& other) noexcept = default;
listener& listener::operator=(listener&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
listener::~listener() {
  if (state_ != nullptr) state_->close();
}

result<conn> listener::accept(const limit& l) {
  const auto state = state_;  // stays while we are in it, whatever becomes of the listener
  if (state == nullptr) return std::unexpected(error(errc::closed, "accept"));
  return state->accept(l.raw_io());
}

void listener::set_deadline(clock::time_point t) noexcept {
  if (state_ != nullptr) state_->socket().set_deadline(direction::read, limit(t).deadline_ns());
}

result<void> listener::close() {
  if (state_ == nullptr) return std::unexpected(error(errc::closed, "close"));
  if (state_->close()) return {};
  return std::unexpected(state_->socket().failure(verb::close, make_error_code(errc::closed)));
}

address listener::local_address() const {
  return state_ != nullptr ? state_->socket().peer() : address();
}

std::uint64_t listener::shed_count() const noexcept {
  return state_ != nullptr ? state_->shed_count() : 0;
}

int listener::native_handle() const noexcept {
  return state_ != nullptr ? state_->socket().fd() : -1;
}

result<listener> listening::open(const address& where, transport kind, bool dual,
                                 const listen_options& options) {
  auto home = home_here();
  const auto fail = [&](const std::error_code& code) {
    return std::unexpected(error(code, words(verb::listen, kind), where.to_string()));
  };
  auto fd = open_socket(where, kind);
  if (!fd) return fail(fd.error().code());
  const bool is_tcp = kind == transport::tcp;
  if (is_tcp && !(set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR, 1) &&
                  set_tcp_options(fd->get(), options.nodelay, options.keepalive))) {
    return fail(last_error());
  }
  if (is_tcp && options.reuse_port && !set_option(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1)) {
    return fail(last_error());
  }
  if (where.kind() == address::family::ip6 &&
      !set_option(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, dual ? 0 : 1)) {
    return fail(last_error());
  }
  if (options.control) {
    if (const auto done = options.control(fd->get()); !done) return fail(done.error().code());
  }
  if (const int code = bind_socket(fd->get(), where, kind, options.unix_mode); code != 0) {
    return fail(std::error_code(code, std::system_category()));
  }
  socket_file file(where);
  const auto fail_bound = [&](const std::error_code& code) {
    file.remove();
    return fail(code);
  };
  if (poll::listen_socket(fd->get(), options.backlog) != 0) return fail_bound(last_error());
  const auto bound = bound_address(fd->get(), where);
  const auto opened = pollable::open(fd->take(), kind, bound, home);
  if (!opened) return fail_bound(opened.error().code());
  return listener(std::make_shared<listening>(*opened, kind, std::move(file)));
}

result<listener> listen(std::string_view network, std::string_view text,
                        const listen_options& options) {
  const auto net = parse_network(network);
  if (!net) return std::unexpected(net.error());
  if (!carries_conns(net->kind)) {
    return std::unexpected(error(errc::unknown_network, "listen", network));
  }
  const auto places = resolve(*net, text, purpose::listen, {});
  if (!places) return std::unexpected(places.error());
  return on_first_place(*net, *places, [&](const address& where, bool dual) {
    return listening::open(where, net->kind, dual, options);
  });
}

}  // namespace weft::net
