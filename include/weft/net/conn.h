#pragma once

// conn: a connection between two programs: TCP or a Unix socket.
//
//   auto conn = weft::net::dial("tcp", "localhost:7777", 5s);
//   if (!conn) return conn.error();
//   if (auto sent = conn->write("hello\n"); !sent) return sent.error();
//   char buffer[4096];
//   while (auto n = conn->read(buffer)) use({buffer, *n});     // until the end or an error
//
// Everything but moving and destroying may be called from several goroutines (and threads) at once.
// Reads take turns in the order they came, and so do writes; a read and a write do not wait for
// each other. A call that waits ends with
//   errc::timeout     when its limit, or the connection's deadline, passes
//   errc::cancelled   when the context or stop_token of its limit says so, or its scope's
//   errc::closed      when somebody closes the connection
// and otherwise with what the kernel says. What can be done at once is done even if the limit has
// passed already, or its context is cancelled; a deadline that has passed fails the call at once.
//
// Over "unixpacket" a connection keeps packets apart: a write sends one, and a read takes one;
// a packet that does not fit is EMSGSIZE, with its beginning in the buffer and the rest lost. An
// empty one cannot be told from the end, so none is sent. writev sends one packet of at most 64
// pieces that are not empty, EMSGSIZE otherwise.
//
// A connection belongs to the runtime it was opened in: to its goroutines, and to plain threads
// while it runs. A call that may wait, and try_write, fails with errc::wrong_runtime in a goroutine
// of another runtime and everywhere once the connection's has ended; its end ends the calls of
// threads that wait. All the rest works always: a connection that outlives its runtime can be asked
// for its addresses, and is closed by whoever likes.

#include <weft/error.h>
#include <weft/io.h>
#include <weft/limit.h>
#include <weft/net/address.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace weft::net {

class pollable;

using weft::write_error;
using weft::write_result;

namespace detail {

// lent_bytes: a buffer with what was read, on loan from a pool. Returns it when destroyed.
class lent_bytes {
 public:
  lent_bytes(char* buffer, std::size_t size) noexcept : buffer_(buffer), size_(size) {}
  lent_bytes(lent_bytes&& other) noexcept
      : buffer_(std::exchange(other.buffer_, nullptr)), size_(other.size_) {}
  lent_bytes& operator=(lent_bytes&&) = delete;
  ~lent_bytes() {
    if (buffer_ != nullptr) give_back();
  }
  [[nodiscard]] std::span<const char> bytes() const noexcept { return {buffer_, size_}; }
  [[nodiscard]] std::span<char> room() noexcept { return {buffer_, size_}; }
  void shrink(std::size_t size) noexcept { size_ = size; }

 private:
  void give_back() noexcept;
  char* buffer_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace detail

class [[nodiscard]] conn {
 public:
  using clock = limit::clock;

  // no_deadline: what takes a deadline away again.
  static constexpr clock::time_point no_deadline = clock::time_point::max();

  // lend_max: the most that read_lent() hands out at a time.
  static constexpr std::size_t lend_max = 16 * 1024;

  // conn: none; every call fails with errc::closed.
  conn() noexcept = default;
  conn(conn&& other) noexcept : io_(std::exchange(other.io_, nullptr)) {}
  conn& operator=(conn&& other) noexcept {
    std::swap(io_, other.io_);
    return *this;
  }
  // Closes it, if that was not done. Does not wait for calls that other goroutines have under way:
  // they end with errc::closed.
  ~conn() {
    if (io_ != nullptr) drop();
  }

  // read: waits until bytes are there and takes as many of them as fit: their count, never 0 unless
  // `buffer` is empty. errc::eof at the end of the stream.
  result<std::size_t> read(std::span<char> buffer, const limit& l = {});

  // read_lent: the same without a buffer of the caller's: one is borrowed when bytes are there, so
  // that a connection that waits holds none. `use(std::span<const char>)` gets what came, at most
  // lend_max bytes, which are gone when it returns; it may wait, and an exception of it passes
  // through. Returns the count.
  template <std::invocable<std::span<const char>> F>
  result<std::size_t> read_lent(F&& use, const limit& l = {}) {
    const auto lent = borrow(l);
    if (!lent) return std::unexpected(lent.error());
    std::invoke(std::forward<F>(use), lent->bytes());
    return lent->bytes().size();
  }

  // write: writes all of `bytes`, waiting as often as it must: their count. An error says how much
  // went out before. Bytes of one write are not interleaved with those of another. `bytes` is a
  // loan for the call. Succeeds when the kernel has them, not when the peer does. No SIGPIPE is
  // raised.
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

  // writev: as write(), of several pieces one after the other, without copying them together.
  write_result writev(std::span<const std::span<const char>> pieces, const limit& l = {});

  // try_write: writes what the kernel takes at once, from the beginning of `bytes`: its count, 0 if
  // nothing, or if another write is under way. Never waits and never switches.
  result<std::size_t> try_write(std::span<const char> bytes);

  // set_deadline: when reads and writes fail with errc::timeout, those that wait already and all
  // that follow, until it is set again; it can be set any number of times, also after it has
  // passed. no_deadline takes it away. A write that it ends says how much it had written.
  void set_deadline(clock::time_point t) noexcept;
  void set_read_deadline(clock::time_point t) noexcept;
  void set_write_deadline(clock::time_point t) noexcept;

  // close_write: ends our direction of the stream: the peer reads what is under way, then its end.
  // Reading goes on; later writes fail with EPIPE, and so does one that is under way (over a Unix
  // socket not before the peer reads). Never waits. ENOTCONN when the peer has reset it.
  result<void> close_write();

  // close_read: ends the other direction for us: reads that wait, and later ones, end with
  // errc::eof once what has come is read. Writing goes on. Over TCP the peer is not told; over a
  // Unix socket its writes fail with EPIPE. Never waits. ENOTCONN when the peer has reset it.
  result<void> close_read();

  // close: ends calls that wait with errc::closed and frees the descriptor as soon as the last of
  // them has left it. errc::closed if it was closed before. Never waits; bytes written before are
  // still sent, unless bytes that came were never read: then TCP may reset the connection, and what
  // is under way may be lost (close_write, and read to the end, where that matters).
  result<void> close();

  // local_address, remote_address: both ends; the remote one of a Unix socket rarely has a name.
  [[nodiscard]] address local_address() const;
  [[nodiscard]] address remote_address() const;

  // set_nodelay: whether small writes are sent at once (the default) or gathered (Nagle). TCP
  // alone.
  result<void> set_nodelay(bool on);

  // native_handle: the descriptor; a loan, non-blocking, valid until close; -1 when there is none.
  // For options; not to be read, written, waited for or closed: what has come may have been
  // received already (WEFT_POLLER=io_uring).
  [[nodiscard]] int native_handle() const noexcept;

 private:
  friend struct conn_access;
  friend struct weft::detail::copy_access;
  explicit conn(pollable* io) noexcept : io_(io) {}
  void drop() noexcept;
  result<void> shut(int how);
  result<detail::lent_bytes> borrow(const limit& l);

  pollable* io_ = nullptr;
};

}  // namespace weft::net
