#pragma once

// copy: everything that one end reads, written to the other. With its namespace: a duration beside
// it would bring std::copy in.
//
//   weft::scope both;
//   both.go([&] { weft::copy(client, server).value(); });       // a proxy
//   both.go([&] { weft::copy(server, client).value(); });

#include <weft/error.h>
#include <weft/io.h>
#include <weft/limit.h>
#include <weft/net/conn.h>
#include <weft/poll_fd.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>

namespace weft {

// copy_error: why a copy stopped before the end, and what had been written by then. Converts to
// error.
class copy_error : public error {
 public:
  copy_error(const error& why, std::uint64_t copied) noexcept : error(why), copied_(copied) {}

  // copied: bytes that `to` has taken. What was read beyond them is lost.
  [[nodiscard]] std::uint64_t copied() const noexcept { return copied_; }

 private:
  std::uint64_t copied_;
};

// copy_result: how many bytes were copied, to the end of the stream; or a copy_error.
using copy_result = std::expected<std::uint64_t, copy_error>;

namespace detail {

// copy_end: one end as the kernel may know it: in the poller, or by its descriptor alone.
struct copy_end {
  net::pollable* io = nullptr;
  int fd = -1;
};

struct copy_access {
  static copy_end of(const net::conn& c) noexcept { return {c.io_, -1}; }
  static copy_end of(const poll_fd& f) noexcept { return {f.io_, -1}; }
  template <class T>
  static copy_end of(const T& end) noexcept {
    if constexpr (requires {
                    { end.native_handle() } -> std::same_as<int>;
                  }) {
      return {nullptr, end.native_handle()};
    } else {
      return {};
    }
  }
};

// copy_in_kernel: nothing when the kernel cannot move bytes between these two; then none has moved.
[[nodiscard]] std::optional<copy_result> copy_in_kernel(const copy_end& to, const copy_end& from,
                                                        const limit& l);

// limit_passed: what has ended a call that makes many; nothing while it may go on.
[[nodiscard]] std::optional<error> limit_passed(const limit& l) noexcept;

inline constexpr std::size_t copy_buffer_size = 32 * 1024;

}  // namespace detail

// copy: reads `from` to its end and writes all of it to `to`: how many bytes that was; the end of
// the stream is no error. A limit that passes, or a cancelled context, ends it behind what was
// under way. It keeps its turn of reading `from` and of writing `to` for the whole of it (conn.h);
// neither is closed, nor told of the end.
//
// Between connections ("tcp", "unix") and pipes (poll_fd), and between those and regular files, the
// bytes do not leave the kernel (splice(2), sendfile(2)); a file is what has a native_handle() that
// names a regular file, it is read and written at its position, and its thread may block in that.
// Everything else goes through a buffer of 32 KiB.
template <writer W, reader R>
copy_result copy(W& to, R& from, const limit& l = {}) {
  using detail::copy_access;
  if (auto done = detail::copy_in_kernel(copy_access::of(to), copy_access::of(from), l)) {
    return *done;
  }
  const auto buffer = std::make_unique_for_overwrite<char[]>(detail::copy_buffer_size);
  std::uint64_t copied = 0;
  for (;;) {
    const auto n = from.read(std::span(buffer.get(), detail::copy_buffer_size), l);
    if (!n && n.error().eof()) return copied;
    if (!n) return std::unexpected(copy_error(n.error(), copied));
    const auto written = to.write(std::span<const char>(buffer.get(), *n), l);
    copied += written ? *written : written.error().written();
    if (!written) return std::unexpected(copy_error(written.error(), copied));
    if (const auto ended = detail::limit_passed(l)) {
      return std::unexpected(copy_error(*ended, copied));
    }
  }
}

}  // namespace weft
