#pragma once

// listener: waits for connections.
//
//   auto listener = weft::net::listen("tcp", ":7777").value();
//   while (auto conn = listener.accept())
//     weft::go([conn = std::move(*conn)]() mutable { serve(conn); });

#include <weft/error.h>
#include <weft/limit.h>
#include <weft/net/address.h>
#include <weft/net/conn.h>
#include <weft/net/options.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace weft::net {

class listening;

class [[nodiscard]] listener {
 public:
  using clock = limit::clock;

  // listener: none; every call fails with errc::closed.
  listener() noexcept = default;
  listener(listener&& other) noexcept;
  listener& operator=(listener&& other) noexcept;
  // Closes it, if that was not done.
  ~listener();

  // accept: waits for a connection. May be called from several goroutines at once; they take turns.
  // errc::timeout, cancelled, closed and wrong_runtime as in conn.h; what befalls a single
  // connection before it is accepted is passed over. So without a limit `while (auto c =
  // l.accept())` ends only when the listener is closed.
  //
  // Without descriptors (EMFILE, ENFILE) or memory it does not fail either: a descriptor kept in
  // reserve is given up to accept one connection and close it, so that the peer is told, and the
  // next is waited for; shed_count() counts them. If somebody else takes the reserve, or nothing
  // helps, it looks again 20 times a second.
  result<conn> accept(const limit& l = {});

  // set_deadline: as conn's, for accept.
  void set_deadline(clock::time_point t) noexcept;

  // close: ends accept() calls that wait, with errc::closed. Connections that were accepted stay;
  // those that were not are refused. Removes the file of a Unix socket, if it is still this one's.
  // errc::closed if it was closed before. Never waits.
  result<void> close();

  // local_address: where it listens, with the port that was chosen if 0 was asked for.
  [[nodiscard]] address local_address() const;

  // shed_count: connections closed because the process had no descriptor, or its poller no room,
  // for them.
  [[nodiscard]] std::uint64_t shed_count() const noexcept;

  // native_handle: the descriptor; a loan, valid until close; -1 when there is none.
  [[nodiscard]] int native_handle() const noexcept;

 private:
  friend class listening;
  explicit listener(std::shared_ptr<listening> state) noexcept;
  std::shared_ptr<listening> state_;
};

struct listen_options {
  // backlog: connections that may wait to be accepted; the kernel's net.core.somaxconn limits it.
  int backlog = 4096;
  // reuse_port: several listeners, of this user's processes, share a port, and the kernel spreads
  // the connections over them. TCP alone.
  bool reuse_port = false;
  // unix_mode: the permissions of a Unix socket's file, 0600 for one; none: what the umask leaves.
  std::optional<unsigned> unix_mode = {};
  // nodelay, keepalive: of the connections that are accepted (dial.h).
  bool nodelay = true;
  keepalive_options keepalive = {};
  socket_control control = {};  // of the listening socket
};

// listen: opens a listener.
//   "tcp"    ":port" and "[::]:port" take IPv6 and IPv4, on one socket (":port" IPv4 alone where
//            the system has no IPv6); "0.0.0.0:port" IPv4 alone; "[addr]:port", "addr:port" that
//            address; "name:port" its first IPv4 address, else its first
//   "tcp4"   IPv4 alone, ":port" too
//   "tcp6"   IPv6 alone, "[::]:port" too
//   "unix", "unixpacket"
//            a path, or "@name" in the abstract namespace. A socket file that is left over, on
//            which nobody answers, is replaced; one on which somebody does is EADDRINUSE, and so is
//            any other file. Two servers that start on one path at the same instant may both
//            believe that it is theirs
// Port 0 picks a free one. SO_REUSEADDR is set, so that a server can start again at once. It waits
// only to look a name up. Where it runs and what it throws: as dial().
// Errors: "listen tcp 127.0.0.1:80: address already in use", and the words' as dial()'s.
[[nodiscard]] result<listener> listen(std::string_view network, std::string_view address,
                                      const listen_options& options = {});

}  // namespace weft::net
