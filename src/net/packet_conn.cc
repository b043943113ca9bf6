#include <weft/net/packet_conn.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "net/call.h"
#include "net/place.h"
#include "net/race.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "net/socket_file.h"
#include "poll/sockets.h"
#include "sched/gate.h"

namespace weft::net {

struct packet_access {
  static packet_conn adopt(pollable* io, std::unique_ptr<socket_file> file,
                           bool connected) noexcept {
    return {io, file.release(), connected};
  }
};

namespace {

using poll::direction;
using poll::opcode;
using sched::wait_reason;

constexpr std::int64_t full_pause_min_ns = 1'000'000;
constexpr std::int64_t full_pause_max_ns = 50'000'000;

std::unexpected<error> closed_socket(const char* op) {
  return std::unexpected(error(errc::closed, op));
}

// as_ip4: a mapped IPv4 address as what it is.
address as_ip4(const sockaddr_storage& native, socklen_t size) noexcept {
  const auto* plain = reinterpret_cast<const sockaddr*>(&native);
  if (native.ss_family != AF_INET6) return address::from_native(plain, size);
  sockaddr_in6 six;
  std::memcpy(&six, &native, sizeof six);
  if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) return address::from_native(plain, size);
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = six.sin6_port;
  std::memcpy(&four.sin_addr, &six.sin6_addr.s6_addr[12], sizeof four.sin_addr);
  return address::from_native(reinterpret_cast<const sockaddr*>(&four), sizeof four);
}

// as_ip6: an IPv4 address as an IPv6 socket takes it.
address as_ip6(const address& four) noexcept {
  sockaddr_in native;
  std::memcpy(&native, four.native(), sizeof native);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = native.sin_port;
  six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(&six.sin6_addr.s6_addr[12], &native.sin_addr, sizeof native.sin_addr);
  return address::from_native(reinterpret_cast<const sockaddr*>(&six), sizeof six);
}

// send: one packet. To a queue of a Unix socket that we are not connected to the kernel announces
// no room: then we ask again.
pollable::outcome send(pollable& io, msghdr& message, const sched::limits& l) noexcept {
  const poll::operation op{opcode::sendmsg, &message, message.msg_iov->iov_len, 0};
  const bool announced = io.kind() != transport::unix_datagram || message.msg_name == nullptr;
  if (announced) return io.run(op, wait_reason::io_write, l);
  for (auto pause_ns = full_pause_min_ns;; pause_ns = std::min(2 * pause_ns, full_pause_max_ns)) {
    {
      const sched::waiting_gate counted(sched::waiting_gate::system_call);
    }
    const auto value = io.attempt(op, poll::trust::ask);
    if (value != -EAGAIN) return {sched::token_ready, value};
    const auto by = io.pause(direction::write, wait_reason::io_write, l, pause_ns);
    if (by != sched::token_ready) return {by, 0};
  }
}

// write_packet: `to` null: to the other end.
write_result write_packet(pollable& io, std::span<const char> bytes, const address* to,
                          const limit& l) {
  const auto limits = l.raw_io();
  const call c(io, direction::write, verb::write, wait_reason::io_write, limits);
  if (!c) return std::unexpected(write_error(c.why(), 0));
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  address mapped;
  if (to != nullptr) {
    const bool maps =
        to->kind() == address::family::ip4 && io.peer().kind() == address::family::ip6;
    mapped = maps ? as_ip6(*to) : *to;
    message.msg_name = const_cast<sockaddr*>(mapped.native());
    message.msg_namelen = static_cast<socklen_t>(mapped.native_size());
  }
  const auto o = send(io, message, limits);
  if (o.by == sched::token_ready && o.value >= 0) return bytes.size();
  const auto why = io.failure(verb::write, o, limits);
  if (to == nullptr) return std::unexpected(write_error(why, 0));
  return std::unexpected(write_error(error(why.code(), why.op(), to->to_string()), 0));
}

// read_packet: what is destroyed under it is the handle, not `io`.
result<packet> read_packet(pollable& io, std::span<char> buffer, const limit& l) {
  const auto limits = l.raw_io();
  const call c(io, direction::read, verb::read, wait_reason::io_read, limits);
  if (!c) return std::unexpected(c.why());
  sockaddr_storage native{};
  iovec piece{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = &native;
  message.msg_namelen = sizeof native;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const auto o =
      io.run({opcode::recvmsg, &message, buffer.size(), MSG_TRUNC}, wait_reason::io_read, limits);
  if (o.by != sched::token_ready || o.value < 0) {
    return std::unexpected(io.failure(verb::read, o, limits));
  }
  const auto whole = static_cast<std::size_t>(o.value);
  return packet{std::min(whole, buffer.size()), whole, as_ip4(native, message.msg_namelen)};
}

}  // namespace

void packet_conn::drop() noexcept {
  close_both();
  delete std::exchange(file_, nullptr);
  std::exchange(io_, nullptr)->drop();
}

bool packet_conn::close_both() noexcept {
  const held_call still_open(*io_);
  if (!still_open || !io_->close()) return false;
  if (file_ != nullptr) file_->remove();
  return true;
}

result<packet> packet_conn::read_from(std::span<char> buffer, const limit& l) {
  if (io_ == nullptr) return closed_socket("read");
  return read_packet(*io_, buffer, l);
}

result<std::size_t> packet_conn::read(std::span<char> buffer, const limit& l) {
  if (io_ == nullptr) return closed_socket("read");
  const auto got = read_packet(*io_, buffer, l);
  if (!got) return std::unexpected(got.error());
  if (!got->truncated()) return got->size;
  return std::unexpected(
      error(std::make_error_code(std::errc::message_size), "read", got->from.to_string()));
}

write_result packet_conn::write_to(std::span<const char> bytes, const address& to, const limit& l) {
  if (io_ == nullptr) return std::unexpected(write_error(closed_socket("write").error(), 0));
  if (connected_) {
    const auto code = std::make_error_code(std::errc::already_connected);
    return std::unexpected(write_error(io_->failure(verb::write, code), 0));
  }
  return write_packet(*io_, bytes, &to, l);
}

write_result packet_conn::write(std::span<const char> bytes, const limit& l) {
  if (io_ == nullptr) return std::unexpected(write_error(closed_socket("write").error(), 0));
  return write_packet(*io_, bytes, nullptr, l);
}

void packet_conn::set_deadline(clock::time_point t) noexcept {
  set_read_deadline(t);
  set_write_deadline(t);
}
void packet_conn::set_read_deadline(clock::time_point t) noexcept {
  if (io_ != nullptr) io_->set_deadline(direction::read, limit(t).deadline_ns());
}
void packet_conn::set_write_deadline(clock::time_point t) noexcept {
  if (io_ != nullptr) io_->set_deadline(direction::write, limit(t).deadline_ns());
}

result<void> packet_conn::close() {
  if (io_ == nullptr) return closed_socket("close");
  if (close_both()) return {};
  return std::unexpected(io_->failure(verb::close, make_error_code(errc::closed)));
}

address packet_conn::local_address() const {
  return io_ != nullptr ? net::local_address(*io_) : address();
}

address packet_conn::remote_address() const {
  return io_ != nullptr && connected_ ? io_->peer() : address();
}

int packet_conn::native_handle() const noexcept { return io_ != nullptr ? io_->fd() : -1; }

namespace {

// adopt: makes a packet_conn of a socket; `file` is removed if it cannot.
result<packet_conn> adopt(unique_fd fd, transport kind, const address& named, socket_file file,
                          bool connected, const std::shared_ptr<sched::io_home>& home) {
  auto kept = std::make_unique<socket_file>(std::move(file));
  const auto opened = pollable::open(fd.take(), kind, named, home);
  if (opened) return packet_access::adopt(*opened, std::move(kept), connected);
  kept->remove();
  return std::unexpected(opened.error());
}

result<packet_conn> listen_at(const address& where, transport kind, bool dual,
                              const listen_packet_options& options) {
  const auto home = home_here();
  const auto fail = [&](const std::error_code& code) {
    return std::unexpected(error(code, words(verb::listen, kind), where.to_string()));
  };
  auto fd = open_socket(where, kind);
  if (!fd) return fail(fd.error().code());
  if (kind == transport::udp && options.reuse_port &&
      !set_option(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1)) {
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
  const auto bound = bound_address(fd->get(), where);
  auto made = adopt(std::move(*fd), kind, bound, socket_file(where), false, home);
  if (!made) return fail(made.error().code());
  return made;
}

result<packet_conn> dial_to(const address& to, transport kind, const dial_packet_options& options) {
  const auto home = home_here();
  const dial_options plain{.local = options.local, .control = options.control};
  auto fd = open_bound(to, kind, plain);
  if (!fd) return std::unexpected(fd.error());
  const auto fail = [&](const std::error_code& code) {
    return std::unexpected(error(code, words(verb::connect, kind), to.to_string()));
  };
  socket_file file(options.local);
  if (poll::connect_socket(fd->get(), to.native(), static_cast<socklen_t>(to.native_size())) != 0) {
    const auto why = last_error();
    file.remove();
    return fail(why);
  }
  auto made = adopt(std::move(*fd), kind, to, std::move(file), true, home);
  if (!made) return fail(made.error().code());
  return made;
}

// packet_network: of those that have packets which stand alone.
result<network> packet_network(std::string_view name, const char* op) {
  const auto net = parse_network(name);
  if (net && !carries_conns(net->kind)) return *net;
  return std::unexpected(error(errc::unknown_network, op, name));
}

}  // namespace

result<packet_conn> listen_packet(std::string_view network, std::string_view text,
                                  const listen_packet_options& options) {
  const auto net = packet_network(network, "listen");
  if (!net) return std::unexpected(net.error());
  const auto places = resolve(*net, text, purpose::listen, {});
  if (!places) return std::unexpected(places.error());
  return on_first_place(*net, *places, [&](const address& where, bool dual) {
    return listen_at(where, net->kind, dual, options);
  });
}

result<packet_conn> dial_packet(std::string_view network, std::string_view text,
                                const dial_packet_options& options, const limit& l) {
  const auto net = packet_network(network, "dial");
  if (!net) return std::unexpected(net.error());
  auto found = resolve(*net, text, purpose::dial, l.raw_io());
  if (!found) return std::unexpected(found.error());
  result<packet_conn> first =
      std::unexpected(error(errc::bad_address, words(verb::connect, net->kind), text));
  bool tried = false;
  for (const auto& to : with_family_of(options.local, std::move(*found))) {
    auto made = dial_to(to, net->kind, options);
    if (made) return made;
    if (!std::exchange(tried, true)) first = std::move(made);
  }
  return first;
}

result<packet_conn> dial_packet(std::string_view network, std::string_view text, const limit& l) {
  return dial_packet(network, text, dial_packet_options{}, l);
}

}  // namespace weft::net
