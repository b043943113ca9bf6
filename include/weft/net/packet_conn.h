#pragma once

// packet_conn: packets that stand alone: UDP, and Unix datagram sockets.
//
//   auto server = weft::net::listen_packet("udp", ":5353").value();
//   char buffer[1500];
//   while (auto got = server.read_from(buffer))
//     server.write_to({buffer, got->size}, got->from).value();
//
//   auto client = weft::net::dial_packet("udp", "localhost:5353").value();
//   client.write("ping").value();
//   auto n = client.read(buffer, 1s);
//
// Packets may be lost, doubled or overtaken (UDP), have no end of stream, and may be empty. Who may
// call at once, what ends a call that waits, deadlines, close and the runtime that one belongs to
// are conn's (conn.h).

#include <weft/error.h>
#include <weft/limit.h>
#include <weft/net/address.h>
#include <weft/net/conn.h>
#include <weft/net/options.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace weft::net {

class socket_file;

// packet: what was read of one.
struct packet {
  std::size_t size = 0;        // bytes in the buffer
  std::size_t whole_size = 0;  // bytes that were sent; those that did not fit are lost
  // from: whose; none for a Unix socket without a name. An IPv4 address also where it came over an
  // IPv6 socket.
  address from;

  [[nodiscard]] bool truncated() const noexcept { return whole_size > size; }
};

class [[nodiscard]] packet_conn {
 public:
  using clock = limit::clock;

  // packet_conn: none; every call fails with errc::closed.
  packet_conn() noexcept = default;
  packet_conn(packet_conn&& other) noexcept
      : io_(std::exchange(other.io_, nullptr)),
        file_(std::exchange(other.file_, nullptr)),
        connected_(other.connected_) {}
  packet_conn& operator=(packet_conn&& other) noexcept {
    std::swap(io_, other.io_);
    std::swap(file_, other.file_);
    std::swap(connected_, other.connected_);
    return *this;
  }
  // Closes it, if that was not done.
  ~packet_conn() {
    if (io_ != nullptr) drop();
  }

  // read_from: waits for a packet. An empty buffer takes one as well, and says how long it was.
  // ECONNREFUSED, on a dialled one alone: nobody took an earlier packet of ours.
  result<packet> read_from(std::span<char> buffer, const limit& l = {});

  // read: the same without the address: the count, which may be 0. A packet that does not fit is
  // EMSGSIZE: its beginning is in the buffer, the rest is lost.
  result<std::size_t> read(std::span<char> buffer, const limit& l = {});

  // write_to: sends one packet. The count, or an error of which nothing was sent: EMSGSIZE when it
  // is too long for the network. EISCONN if this one was dialled. Waits while there is no room for
  // it; where nobody announces room, a Unix socket of somebody else whose queue is full, it looks
  // again up to every millisecond and at least every 50.
  write_result write_to(std::span<const char> bytes, const address& to, const limit& l = {});

  // write: the same to the other end of one that was dialled; EDESTADDRREQ or ENOTCONN else.
  write_result write(std::span<const char> bytes, const limit& l = {});
  // A string literal, without its terminating zero.
  template <std::size_t Size>
  write_result write(const char (&literal)[Size], const limit& l = {}) {
    const bool terminated = Size > 0 && literal[Size - 1] == '\0';
    return write(std::span<const char>(literal, terminated ? Size - 1 : Size), l);
  }
  // A buffer has to say how much of it: write({buffer, n}).
  template <std::size_t Size>
  write_result write(char (&buffer)[Size], const limit& l = {}) = delete;

  // set_deadline: as conn's.
  void set_deadline(clock::time_point t) noexcept;
  void set_read_deadline(clock::time_point t) noexcept;
  void set_write_deadline(clock::time_point t) noexcept;

  // close: as conn's. Removes the file of a Unix socket, if it is still this one's.
  result<void> close();

  // local_address: where it is, with the port that was chosen. remote_address: whom it was dialled
  // to, or none.
  [[nodiscard]] address local_address() const;
  [[nodiscard]] address remote_address() const;

  // native_handle: as conn's.
  [[nodiscard]] int native_handle() const noexcept;

 private:
  friend struct packet_access;
  packet_conn(pollable* io, socket_file* file, bool connected) noexcept
      : io_(io), file_(file), connected_(connected) {}
  bool close_both() noexcept;
  void drop() noexcept;

  pollable* io_ = nullptr;
  socket_file* file_ = nullptr;  // owned; null: nothing to remove
  bool connected_ = false;
};

struct listen_packet_options {
  // reuse_port: several sockets, of this user's processes, share a port, and the kernel spreads the
  // packets over them by their senders. UDP alone.
  bool reuse_port = false;
  // unix_mode: the permissions of a Unix socket's file; none: what the umask leaves.
  std::optional<unsigned> unix_mode = {};
  socket_control control = {};
};

// listen_packet: a socket that takes packets from everybody.
//   "udp", "udp4", "udp6"   an address as for listen (listener.h)
//   "unixgram"              a path or "@name", which is treated as listen treats it
// UDP sockets may send to broadcast addresses.
// Errors: as listen's.
[[nodiscard]] result<packet_conn> listen_packet(std::string_view network, std::string_view address,
                                                const listen_packet_options& options = {});

struct dial_packet_options {
  // local: our own end; none: the system chooses, and a Unix socket has none, so that nobody can
  // answer. Its file is removed when the socket is closed.
  address local = {};
  socket_control control = {};
};

// dial_packet: a socket that exchanges packets with `address` alone; networks as above, addresses
// as for dial. Nothing is sent: of a name's addresses the first that there is a way to is taken. It
// waits only to look a name up.
// Errors: as dial's.
[[nodiscard]] result<packet_conn> dial_packet(std::string_view network, std::string_view address,
                                              const dial_packet_options& options,
                                              const limit& l = {});
[[nodiscard]] result<packet_conn> dial_packet(std::string_view network, std::string_view address,
                                              const limit& l = {});

}  // namespace weft::net
