#pragma once

// io: what reads and what writes bytes, as concepts, and how their calls fail. net::conn,
// net::packet_conn, net::pipe_conn and poll_fd are both; so is whatever has the two functions. On
// them stand buffered.h (lines, look-ahead), frame.h (messages on a stream) and copy.h.

#include <weft/error.h>
#include <weft/limit.h>

#include <concepts>
#include <cstddef>
#include <expected>
#include <span>

namespace weft {
namespace detail {
struct copy_access;
}

// write_error: why a write stopped, and what it had written by then. Converts to error.
class write_error : public error {
 public:
  write_error(const error& why, std::size_t written) noexcept : error(why), written_(written) {}

  // written: bytes that were taken before it failed, from the beginning of the data.
  [[nodiscard]] std::size_t written() const noexcept { return written_; }

 private:
  std::size_t written_;
};

// write_result: how much was written: all, or a write_error.
using write_result = std::expected<std::size_t, write_error>;

// read_error: why a read of a known size stopped, and what it had read by then. Converts to error.
class read_error : public error {
 public:
  read_error(const error& why, std::size_t got) noexcept : error(why), got_(got) {}

  // got: bytes that are in the buffer, from its beginning. Reading on into the rest loses nothing.
  [[nodiscard]] std::size_t got() const noexcept { return got_; }

 private:
  std::size_t got_;
};

// reader: `read(buffer, limit)` waits until bytes are there and takes as many of them as fit: their
// count, not 0 unless the buffer is empty; errc::eof at the end.
template <class T>
concept reader = requires(T& from, std::span<char> buffer, const limit& l) {
  { from.read(buffer, l) } -> std::same_as<result<std::size_t>>;
};

// writer: `write(bytes, limit)` writes all, or says how much it wrote.
template <class T>
concept writer = requires(T& to, std::span<const char> bytes, const limit& l) {
  { to.write(bytes, l) } -> std::same_as<write_result>;
};

// read_exactly: fills `buffer`: its size. Else what ended it: errc::eof when the stream ended
// before the first byte, errc::unexpected_eof when it ended behind.
template <reader R>
std::expected<std::size_t, read_error> read_exactly(R& from, std::span<char> buffer,
                                                    const limit& l = {}) {
  std::size_t got = 0;
  while (got < buffer.size()) {
    const auto n = from.read(buffer.subspan(got), l);
    if (n) {
      got += *n;
    } else if (n.error().eof() && got > 0) {
      return std::unexpected(read_error(errc::unexpected_eof, got));
    } else {
      return std::unexpected(read_error(n.error(), got));
    }
  }
  return got;
}

}  // namespace weft
