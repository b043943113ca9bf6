#pragma once

// poll_fd: any descriptor that can wait, in the poller: a pipe, a terminal, an eventfd, a socket of
// a kind that conn does not know. Goroutines wait for it; threads do not.
//
//   auto in = weft::poll_fd::open(::dup(0)).value();
//   while (auto n = in.read(buffer)) ...
//
// As conn: several goroutines may use it at once, reads take turns and so do writes; limits, close
// and the runtime it belongs to are conn's (net/conn.h).

#include <weft/error.h>
#include <weft/limit.h>
#include <weft/net/conn.h>

#include <cstddef>
#include <span>
#include <utility>

namespace weft {

class [[nodiscard]] poll_fd {
 public:
  // poll_fd: none; every call fails with errc::closed.
  poll_fd() noexcept = default;
  poll_fd(poll_fd&& other) noexcept : io_(std::exchange(other.io_, nullptr)) {}
  poll_fd& operator=(poll_fd&& other) noexcept {
    std::swap(io_, other.io_);
    return *this;
  }
  // Closes it, if that was not done.
  ~poll_fd() {
    if (io_ != nullptr) drop();
  }

  // open: takes `fd`, makes it non-blocking, and closes it in the end, also when this fails.
  // What never waits is refused with EPERM: regular files, directories, /dev/null. O_NONBLOCK is a
  // property of the open file, which other descriptors and processes may share: a terminal for one.
  // Throws misuse_error when no runtime runs here.
  [[nodiscard]] static result<poll_fd> open(int fd);

  // read: waits until something is there and takes what fits; errc::eof at the end, and for an
  // empty datagram. What one read(2) gives: a line of a terminal, a datagram, the 8 bytes of an
  // eventfd.
  result<std::size_t> read(std::span<char> buffer, const limit& l = {});

  // write: writes all; an error says how much it had written. A pipe or socket that nobody reads is
  // EPIPE; no SIGPIPE is raised.
  net::write_result write(std::span<const char> bytes, const limit& l = {});

  // try_write: what can be written at once: its count, perhaps 0. Never waits.
  result<std::size_t> try_write(std::span<const char> bytes);

  // readable, writable: wait until a read or write(2) would not wait, or would report an end or an
  // error.
  result<void> readable(const limit& l = {});
  result<void> writable(const limit& l = {});

  // close: as conn::close.
  result<void> close();

  // native_handle: the descriptor; a loan, valid until close; -1 when there is none.
  [[nodiscard]] int native_handle() const noexcept;

 private:
  friend struct detail::copy_access;
  explicit poll_fd(net::pollable* io) noexcept : io_(io) {}
  void drop() noexcept;

  net::pollable* io_ = nullptr;
};

}  // namespace weft
