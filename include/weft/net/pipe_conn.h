#pragma once

// pipe_conn: a connection inside the process, without the kernel: for tests, and for code written
// for connections whose two ends are at home.
//
//   auto [client, server] = weft::net::pipe();
//   weft::go([server = std::move(server)]() mutable { serve(server); });
//   client.write("hello\n").value();
//
// It has conn's calls and rules (conn.h), for goroutines of every runtime and for plain threads.
// Nothing is buffered: a write ends when reads have taken all of it, or with what ended it and how
// much was taken. The ends have no address and no descriptor.

#include <weft/error.h>
#include <weft/io.h>
#include <weft/limit.h>
#include <weft/net/conn.h>

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>

namespace weft::net {

class pipe_state;
class pipe_conn;

// pipe: two ends; what is written to one is read from the other.
[[nodiscard]] std::pair<pipe_conn, pipe_conn> pipe();

class [[nodiscard]] pipe_conn {
 public:
  using clock = limit::clock;
  static constexpr clock::time_point no_deadline = conn::no_deadline;

  // pipe_conn: none; every call fails with errc::closed.
  pipe_conn() noexcept = default;
  pipe_conn(pipe_conn&& other) noexcept = default;
  pipe_conn& operator=(pipe_conn&& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(end_, other.end_);
    return *this;
  }
  // Closes it, if that was not done.
  ~pipe_conn();

  // read: as conn's; gives at most 4 KiB at a time.
  result<std::size_t> read(std::span<char> buffer, const limit& l = {});

  // read_lent: as conn's.
  template <std::invocable<std::span<const char>> F>
  result<std::size_t> read_lent(F&& use, const limit& l = {}) {
    const auto lent = borrow(l);
    if (!lent) return std::unexpected(lent.error());
    std::invoke(std::forward<F>(use), lent->bytes());
    return lent->bytes().size();
  }

  // write, writev: as conn's. errc::closed when this end is closed, EPIPE when the other one is.
  write_result write(std::span<const char> bytes, const limit& l = {});
  template <std::size_t Size>
  write_result write(const char (&literal)[Size], const limit& l = {}) {
    const bool terminated = Size > 0 && literal[Size - 1] == '\0';
    return write(std::span<const char>(literal, terminated ? Size - 1 : Size), l);
  }
  template <std::size_t Size>
  write_result write(char (&buffer)[Size], const limit& l = {}) = delete;
  write_result writev(std::span<const std::span<const char>> pieces, const limit& l = {});

  // set_deadline: as conn's.
  void set_deadline(clock::time_point t) noexcept;
  void set_read_deadline(clock::time_point t) noexcept;
  void set_write_deadline(clock::time_point t) noexcept;

  // close_write, close_read, close: as conn's over a Unix socket.
  result<void> close_write();
  result<void> close_read();
  result<void> close();

 private:
  friend std::pair<pipe_conn, pipe_conn> pipe();
  pipe_conn(std::shared_ptr<pipe_state> state, std::size_t end) noexcept
      : state_(std::move(state)), end_(end) {}
  result<detail::lent_bytes> borrow(const limit& l);

  std::shared_ptr<pipe_state> state_;
  std::size_t end_ = 0;
};

}  // namespace weft::net
