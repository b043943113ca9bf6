// Streams: package net. All of it over loopback.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/context.h>
#include <weft/net.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

using namespace std::chrono_literals;
using clock = limit::clock;

const clock::time_point past = clock::now() - 1s;

// socket_path: of a Unix socket that only this process uses.
std::string socket_path() { return "/tmp/weft-conformance-" + std::to_string(::getpid()); }

net::listener listen(const char* network = "tcp") {
  const bool unix_socket = std::string_view(network) == "unix";
  return net::listen(network, unix_socket ? socket_path() : "127.0.0.1:0").value();
}

net::conn dial(const net::listener& l, const char* network = "tcp") {
  return net::dial(network, l.local_address().to_string()).value();
}

// pair: both ends of a connection.
struct pair {
  explicit pair(const char* network = "tcp") {
    auto l = listen(network);
    near = dial(l, network);
    far = l.accept().value();
  }
  net::conn near;
  net::conn far;
};

// read: what comes, up to 100 bytes, or why nothing does.
std::string read(net::conn& c) {
  std::array<char, 100> buffer;
  const auto n = c.read(buffer);
  return n ? std::string(buffer.data(), *n) : operation(n);
}

std::string accepted(net::listener& l) { return operation(l.accept(), "accepted"); }

// large: more than the kernel takes on its own.
const std::string& large() {
  static const std::string bytes(16 << 20, 'x');
  return bytes;
}

std::size_t drain(net::conn& c) {
  std::vector<char> buffer(1 << 16);
  std::size_t total = 0;
  while (const auto n = c.read(buffer)) total += *n;
  return total;
}

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(fd, level, name, &value, &size);
  return value;
}

// --- reading and writing -------------------------------------------------------------------------

SCENARIO(net_read_waits_for_bytes, "net.Conn, Read") {
  pair p;
  const task reader([&] { say{read(p.far)}; });
  say{reader.blocks()};
  p.near.write("hello").value();
  reader.join();
}

SCENARIO(net_read_takes_what_is_there, "io.Reader: what is available instead of waiting for more") {
  pair p;
  p.near.write("hello").value();
  std::array<char, 3> small;
  say{p.far.read(small), read(p.far)};
}

SCENARIO(net_read_into_nothing, "io.Reader; internal/poll, fd_unix.go: Read of 0 bytes") {
  pair p;
  say{p.far.read({})};
}

SCENARIO(net_write_of_nothing, "net.Conn, Write") {
  pair p;
  say{p.near.write("")};
}

SCENARIO(net_write_waits_until_all_is_taken, "io.Writer: writes all or says why not") {
  pair p;
  const task writer([&] {
    say{p.near.write(large())};
    p.near.close().value();
  });
  say{writer.blocks()};
  const auto got = drain(p.far);
  writer.join();
  say{got};
}

SCENARIO(net_read_and_write_do_not_wait_for_each_other,
         "net.Conn: multiple goroutines simultaneously") {
  pair p;
  const task reader([&] { say{read(p.near)}; });
  say{reader.blocks(), p.near.write("ping"), read(p.far)};
  p.far.write("pong").value();
  reader.join();
}

SCENARIO(net_writes_are_not_mixed, "internal/poll, fd_mutex.go: writes are serialised") {
  pair p;
  wait_group writers;
  for (const char c : {'a', 'b', 'c', 'd'}) {
    writers.go([&p, c] { p.near.write(std::string(1 << 20, c)).value(); });
  }
  go([&] {
    writers.wait().value();
    p.near.close().value();
  });
  std::vector<char> buffer(1 << 16);
  std::size_t changes = 0, total = 0;
  char last = 0;
  while (const auto n = p.far.read(buffer)) {
    for (std::size_t i = 0; i < *n; ++i) changes += std::exchange(last, buffer[i]) != buffer[i];
    total += *n;
  }
  say{changes, total};
}

SCENARIO(net_many_clients_are_echoed, "net.Listener") {
  auto l = listen();
  go([&] {
    while (auto c = l.accept()) {
      go([c = std::move(*c)]() mutable {
        std::array<char, 64> buffer;
        while (const auto n = c.read(buffer)) c.write({buffer.data(), *n}).value();
      });
    }
  });
  std::atomic<int> right{0};
  wait_group clients;
  for (int i = 0; i < 30; ++i) {
    clients.go([&, i] {
      auto c = dial(l);
      const auto text = std::to_string(i);
      c.write(text).value();
      if (read(c) == text) ++right;
    });
  }
  clients.wait().value();
  say{right.load()};
}

SCENARIO(net_addresses_of_both_ends, "net.Conn, LocalAddr, RemoteAddr") {
  pair p;
  say{p.near.local_address() == p.far.remote_address(),
      p.near.remote_address() == p.far.local_address()};
}

// --- the end of a stream -------------------------------------------------------------------------

void end_of_stream(const char* network) {
  pair p(network);
  p.near.write("bye").value();
  p.near.close().value();
  say{read(p.far)};
  std::array<char, 8> buffer;
  say{p.far.read(buffer), p.far.read(buffer)};
}
SCENARIO(net_tcp_end_of_stream, "net.Conn, Read: io.EOF") { end_of_stream("tcp"); }
SCENARIO(net_unix_end_of_stream, "net.Conn, Read: io.EOF") { end_of_stream("unix"); }

void half_close(const char* network) {
  pair p(network);
  p.near.write("question").value();
  p.near.close_write().value();
  say{read(p.far)};
  std::array<char, 8> buffer;
  say{p.far.read(buffer), p.far.write("answer")};
  say{read(p.near)};
}
SCENARIO(net_tcp_half_close, "net.TCPConn, CloseWrite") { half_close("tcp"); }
SCENARIO(net_unix_half_close, "net.UnixConn, CloseWrite") { half_close("unix"); }

SCENARIO(net_write_after_close_write, "net.TCPConn, CloseWrite") {
  pair p;
  p.near.close_write().value();
  say{operation(p.near.write("x"))};
}

SCENARIO(net_end_of_stream_wakes_a_reader, "net.Conn, Read: io.EOF") {
  pair p;
  const task reader([&] {
    std::array<char, 8> buffer;
    say{p.far.read(buffer)};
  });
  p.near.close().value();
  say{reader.join()};
}

SCENARIO(net_unread_bytes_reset_the_peer, "tcp(7); net.Conn, Close") {
  pair p;
  p.near.write("never read").value();
  p.far.close().value();
  say{read(p.near)};
}

// --- closing -------------------------------------------------------------------------------------

void use_after_close(const char* network) {
  pair p(network);
  say{operation(p.near.close())};
  say{read(p.near)};
  say{operation(p.near.write("x"))};
  say{operation(p.near.close())};
  say{operation(p.near.close_write())};
}
SCENARIO(net_tcp_use_after_close, "net.ErrClosed") { use_after_close("tcp"); }
SCENARIO(net_unix_use_after_close, "net.ErrClosed") { use_after_close("unix"); }

void close_ends_a_read(const char* network) {
  pair p(network);
  const task reader([&] { say{read(p.near)}; });
  say{reader.blocks()};
  p.near.close().value();
  say{reader.join()};
}
SCENARIO(net_tcp_close_ends_a_read, "net.Conn, Close: unblocks") { close_ends_a_read("tcp"); }
SCENARIO(net_unix_close_ends_a_read, "net.Conn, Close: unblocks") { close_ends_a_read("unix"); }

SCENARIO(net_close_ends_several_reads, "net.Conn, Close: unblocks") {
  pair p;
  const task a([&] { say{read(p.near)}; }), b([&] { say{read(p.near)}; });
  p.near.close().value();
  say{a.join(), b.join()};
}

SCENARIO(net_close_ends_a_write, "net.Conn, Close: unblocks") {
  pair p;
  const task writer([&] { say{operation(p.near.write(large()))}; });
  say{writer.blocks()};
  p.near.close().value();
  say{writer.join()};
}

void close_ends_accept(const char* network) {
  auto l = listen(network);
  const task acceptor([&] { say{accepted(l)}; });
  say{acceptor.blocks()};
  l.close().value();
  say{acceptor.join()};
  say{accepted(l)};
  say{operation(l.close())};
}
SCENARIO(net_tcp_close_ends_accept, "net.Listener, Close: unblocks") { close_ends_accept("tcp"); }
SCENARIO(net_unix_close_ends_accept, "net.Listener, Close: unblocks") { close_ends_accept("unix"); }

SCENARIO(net_close_of_a_listener_keeps_what_it_accepted, "net.Listener, Close") {
  auto l = listen();
  auto near = dial(l);
  auto far = l.accept().value();
  l.close().value();
  near.write("hello").value();
  say{read(far)};
}

// --- deadlines -----------------------------------------------------------------------------------

SCENARIO(net_read_deadline_in_the_past, "net.Conn, SetReadDeadline") {
  pair p;
  p.near.set_read_deadline(past);
  say{read(p.near), read(p.near)};
}

SCENARIO(net_read_deadline_fails_though_bytes_are_there, "net.Conn, SetReadDeadline") {
  pair p;
  p.far.write("hello").value();
  p.near.set_read_deadline(past);
  say{read(p.near)};
  p.near.set_read_deadline(net::conn::no_deadline);
  say{read(p.near)};
}

SCENARIO(net_write_deadline_in_the_past, "net.Conn, SetWriteDeadline") {
  pair p;
  p.near.set_write_deadline(past);
  say{operation(p.near.write("x"))};
}

void deadline_ends_a_read(const char* network) {
  pair p(network);
  p.near.set_read_deadline(clock::now() + 2ms);
  say{read(p.near)};
}
SCENARIO(net_tcp_deadline_ends_a_read, "net.Conn, SetReadDeadline") { deadline_ends_a_read("tcp"); }
SCENARIO(net_unix_deadline_ends_a_read, "net.Conn, SetReadDeadline") {
  deadline_ends_a_read("unix");
}

SCENARIO(net_deadline_applies_to_a_read_that_waits,
         "net.Conn, SetReadDeadline: currently-blocked") {
  pair p;
  const task reader([&] { say{read(p.near)}; });
  p.near.set_read_deadline(past);
  say{reader.join()};
}

SCENARIO(net_deadline_applies_to_a_write_that_waits,
         "net.Conn, SetWriteDeadline: currently-blocked") {
  pair p;
  const task writer([&] {
    const auto end = p.near.write(large());
    say{operation(end), end.error().written() > 0, end.error().written() < large().size()};
  });
  say{writer.blocks()};
  p.near.set_write_deadline(past);
  say{writer.join()};
}

SCENARIO(net_deadline_taken_away, "net.Conn, SetDeadline: a zero value means no timeout") {
  pair p;
  p.near.set_read_deadline(clock::now() + 1h);
  p.near.set_read_deadline(net::conn::no_deadline);
  const task reader([&] { say{read(p.near)}; });
  say{reader.blocks()};
  p.far.write("hello").value();
  reader.join();
}

SCENARIO(net_deadline_moved_while_a_read_waits, "net.Conn, SetReadDeadline: currently-blocked") {
  pair p;
  p.near.set_read_deadline(clock::now() + 300ms);
  const task reader([&] { say{read(p.near)}; });
  p.near.set_read_deadline(clock::now() + 1h);
  sleep_for(310ms).value();
  say{reader.blocks()};
  p.far.write("hello").value();
  reader.join();
}

SCENARIO(net_deadline_passed_and_set_again, "net.Conn, SetDeadline: reusable") {
  pair p;
  p.near.set_deadline(past);
  say{read(p.near), operation(p.near.write("x"))};
  p.near.set_deadline(clock::now() + 1h);
  p.far.write("hello").value();
  say{read(p.near), p.near.write("x")};
}

SCENARIO(net_read_deadline_leaves_writes_alone, "net.Conn, SetReadDeadline") {
  pair p;
  p.near.set_read_deadline(past);
  say{p.near.write("x"), read(p.far)};
}

SCENARIO(net_write_deadline_leaves_reads_alone, "net.Conn, SetWriteDeadline") {
  pair p;
  p.near.set_write_deadline(past);
  p.far.write("hello").value();
  say{read(p.near)};
}

void accept_deadline(const char* network) {
  auto l = listen(network);
  l.set_deadline(past);
  say{accepted(l)};
  l.set_deadline(clock::now() + 2ms);
  say{accepted(l)};
  l.set_deadline(net::conn::no_deadline);
  const auto near = dial(l, network);
  say{accepted(l)};
}
SCENARIO(net_tcp_accept_deadline, "net.TCPListener, SetDeadline") { accept_deadline("tcp"); }
SCENARIO(net_unix_accept_deadline, "net.UnixListener, SetDeadline") { accept_deadline("unix"); }

// --- opening -------------------------------------------------------------------------------------

std::string opened(const result<net::conn>& r) { return operation(r, "opened"); }

SCENARIO(net_dial_before_accept, "listen(2): the backlog") {
  auto l = listen();
  auto a = dial(l), b = dial(l);
  a.write("a").value();
  b.write("b").value();
  auto first = l.accept().value(), second = l.accept().value();
  say{read(first), read(second)};
}

SCENARIO(net_dial_refused, "net.Dial") {
  auto l = listen();
  const auto where = l.local_address().to_string();
  l.close().value();
  say{opened(net::dial("tcp", where))};
}

SCENARIO(net_unix_dial_without_a_file, "net.Dial") {
  say{opened(net::dial("unix", "/tmp/weft-conformance-nobody"))};
}

// deaf: somewhere to dial and wait: one connection fills its queue.
struct deaf {
  net::listener l = net::listen("tcp", "127.0.0.1:0", {.backlog = 0}).value();
  std::string where = l.local_address().to_string();
  net::conn queued = net::dial("tcp", where).value();
};

SCENARIO(net_dial_timeout, "net.DialTimeout") {
  const deaf d;
  say{opened(net::dial("tcp", d.where, 2ms))};
}

SCENARIO(net_dial_is_cancelled_while_it_waits, "net.Dialer, DialContext") {
  const deaf d;
  const auto [ctx, cancel] = with_cancel(context::background());
  const task dialler([&] { say{opened(net::dial("tcp", d.where, ctx))}; });
  say{dialler.blocks()};
  cancel();
  say{dialler.join()};
}

SCENARIO(net_dial_deadline_in_the_past, "net.Dialer, Deadline") {
  const deaf d;
  say{opened(net::dial("tcp", d.where, past))};
}

SCENARIO(net_dial_is_cancelled_before, "net.Dialer, DialContext") {
  const deaf d;
  const auto [ctx, cancel] = with_cancel(context::background());
  cancel();
  say{opened(net::dial("tcp", d.where, ctx))};
}

SCENARIO(net_dial_address_without_port, "net.Dial; net.SplitHostPort") {
  say{opened(net::dial("tcp", "127.0.0.1"))};
}

SCENARIO(net_dial_address_with_too_many_colons, "net.Dial; net.SplitHostPort") {
  say{opened(net::dial("tcp", "::1:80"))};
}

SCENARIO(net_dial_port_out_of_range, "net.Dial") {
  say{opened(net::dial("tcp", "127.0.0.1:70000"))};
}

SCENARIO(net_listen_address_without_port, "net.Listen; net.SplitHostPort") {
  say{operation(net::listen("tcp", "127.0.0.1"), "listens")};
}

SCENARIO(net_dial_unknown_network, "net.Dial") {
  say{text(net::dial("carrier pigeon", "127.0.0.1:1").error())};
}

SCENARIO(net_listen_where_somebody_listens, "net.Listen") {
  const auto l = listen();
  const auto second = net::listen("tcp", l.local_address().to_string());
  say{operation(second, "listens")};
}

SCENARIO(net_listen_again_at_once, "net.Listen: SO_REUSEADDR") {
  auto l = listen();
  const auto where = l.local_address().to_string();
  {
    auto near = dial(l);
    l.accept().value().close().value();
  }
  l.close().value();
  say{net::listen("tcp", where).has_value()};
}

SCENARIO(net_listen_on_port_0_chooses_one, "net.Listen") {
  const auto a = listen(), b = listen();
  say{a.local_address().port() != 0, a.local_address().port() != b.local_address().port()};
}

SCENARIO(net_unix_close_removes_the_file, "net.UnixListener, SetUnlinkOnClose") {
  auto l = listen("unix");
  say{::access(socket_path().c_str(), F_OK) == 0};
  l.close().value();
  say{::access(socket_path().c_str(), F_OK) == 0};
}

SCENARIO(net_unix_listen_where_a_file_was_left, "net.Listen") {
  auto l = listen("unix");
  const auto aside = socket_path() + "-aside";
  ::rename(socket_path().c_str(), aside.c_str());
  l.close().value();
  ::rename(aside.c_str(), socket_path().c_str());
  const auto again = net::listen("unix", socket_path());
  say{operation(again, "listens")};
  ::unlink(socket_path().c_str());
}

SCENARIO(net_tcp_options_by_default, "net.Dialer, KeepAliveConfig; net.TCPConn, SetNoDelay") {
  pair p;
  for (const auto* c : {&p.near, &p.far}) {
    const int fd = c->native_handle();
    say{option(fd, IPPROTO_TCP, TCP_NODELAY), option(fd, SOL_SOCKET, SO_KEEPALIVE),
        option(fd, IPPROTO_TCP, TCP_KEEPIDLE), option(fd, IPPROTO_TCP, TCP_KEEPINTVL),
        option(fd, IPPROTO_TCP, TCP_KEEPCNT)};
  }
}

// --- packets -------------------------------------------------------------------------------------

// server: takes packets on a port of its own. client: exchanges them with it.
net::packet_conn server() { return net::listen_packet("udp", "127.0.0.1:0").value(); }
net::packet_conn client(const net::packet_conn& of) {
  return net::dial_packet("udp", of.local_address().to_string()).value();
}

SCENARIO(net_udp_packets_stand_alone, "net.PacketConn, ReadFrom") {
  auto s = server();
  auto c = client(s);
  c.write("one").value();
  c.write("").value();
  c.write("three").value();
  std::array<char, 100> buffer;
  for (int i = 0; i < 3; ++i) {
    const auto p = s.read_from(buffer).value();
    say{std::string(buffer.data(), p.size), p.from == c.local_address()};
  }
}

SCENARIO(net_udp_answer, "net.PacketConn, WriteTo") {
  auto s = server();
  auto c = client(s);
  std::array<char, 100> buffer;
  c.write("ping").value();
  const auto p = s.read_from(buffer).value();
  say{s.write_to({buffer.data(), p.size}, p.from), c.read(buffer)};
}

SCENARIO(net_udp_what_does_not_fit_is_lost, "net.PacketConn, ReadFrom") {
  auto s = server();
  auto c = client(s);
  c.write("a long packet").value();
  c.write("next").value();
  std::array<char, 6> buffer;
  say{s.read_from(buffer)->size, s.read_from(buffer)->size};
}

SCENARIO(net_udp_deadline, "net.PacketConn, SetReadDeadline") {
  auto s = server();
  std::array<char, 6> buffer;
  s.set_read_deadline(past);
  say{operation(s.read_from(buffer), "read")};
}

SCENARIO(net_udp_close_ends_a_read, "net.PacketConn, Close: unblocks") {
  auto s = server();
  const task reader([&] {
    std::array<char, 6> buffer;
    say{operation(s.read_from(buffer), "read")};
  });
  say{reader.blocks()};
  s.close().value();
  say{reader.join()};
}

SCENARIO(net_udp_nobody_there, "udp(7): ECONNREFUSED on a connected socket") {
  auto s = server();
  auto c = client(s);
  s.close().value();
  c.write("ping").value();
  std::array<char, 6> buffer;
  say{operation(c.read(buffer))};
}

}  // namespace
}  // namespace weft::conformance
