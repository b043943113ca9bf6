#pragma once

// frame: messages on a stream: each is preceded by its length, 4 bytes, the most significant first.
//
//   weft::frame_writer out(conn);
//   out.write(request).value();
//   weft::frame_reader in(conn, 64 * 1024);
//   while (auto frame = in.next(30s)) handle(*frame);
//
// The stream is a loan: it outlives them. They read and write no byte beyond the frame, so the
// stream can be used by others between two frames; a buffered_reader (buffered.h) below a
// frame_reader makes small frames cheap. Each may be used by one goroutine at a time.

#include <weft/error.h>
#include <weft/io.h>
#include <weft/limit.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

// frame_header: a length on the wire.
using frame_header = std::array<char, 4>;

constexpr frame_header encode_length(std::uint32_t n) noexcept {
  return {static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8),
          static_cast<char>(n)};
}
constexpr std::uint32_t decode_length(const frame_header& h) noexcept {
  std::uint32_t n = 0;
  for (const char c : h) n = n << 8 | static_cast<unsigned char>(c);
  return n;
}

}  // namespace detail

// frame_max_default: bytes of a frame, without its header.
inline constexpr std::size_t frame_max_default = 1024 * 1024;

template <reader R>
class frame_reader {
 public:
  // frame_reader: over `from`; `frame_max`: the longest frame. The memory it takes follows the
  // bytes that came, not what a header promises.
  explicit frame_reader(R& from, std::size_t frame_max = frame_max_default)
      : from_(&from), frame_max_(frame_max) {}

  // next: waits for a frame: its bytes, good until the next call; it may be empty.
  //   errc::eof              the stream ended between two frames
  //   errc::unexpected_eof   it ended inside of one
  //   EMSGSIZE               a frame longer than frame_max: once its header has come. The next call
  //                          passes over it
  // When a limit ends it, what has come of the frame is kept, and the next call goes on.
  result<std::span<const char>> next(const limit& l = {}) {
    if (const auto ended = skip(l)) return std::unexpected(*ended);
    if (const auto ended = read_header(l)) return std::unexpected(*ended);
    const std::size_t size = detail::decode_length(header_);
    if (size > frame_max_) {
      skip_left_ = size;
      header_got_ = 0;
      return std::unexpected(error(std::make_error_code(std::errc::message_size), "read"));
    }
    if (const auto ended = read_body(size, l)) return std::unexpected(*ended);
    header_got_ = 0;
    return std::span<const char>(body_.data(), std::exchange(body_got_, 0));
  }

 private:
  static constexpr std::size_t step_min = 4096;

  // inside: what an error means in the middle of a frame.
  static error inside(const error& why) noexcept {
    return why.eof() ? error(errc::unexpected_eof, "read") : why;
  }

  std::optional<error> read_header(const limit& l) {
    while (header_got_ < header_.size()) {
      const auto n = from_->read(std::span(header_).subspan(header_got_), l);
      if (!n) return header_got_ == 0 ? n.error() : inside(n.error());
      header_got_ += *n;
    }
    return std::nullopt;
  }

  std::optional<error> read_body(std::size_t size, const limit& l) {
    while (body_got_ < size) {
      const auto room = std::min(size, std::max(step_min, 2 * body_got_));
      if (body_.size() < room) body_.resize(room);
      const auto n = from_->read(std::span(body_).first(room).subspan(body_got_), l);
      if (!n) return inside(n.error());
      body_got_ += *n;
    }
    return std::nullopt;
  }

  std::optional<error> skip(const limit& l) {
    if (skip_left_ == 0) return std::nullopt;
    if (body_.size() < step_min) body_.resize(step_min);
    while (skip_left_ > 0) {
      const auto n = from_->read(std::span(body_).first(std::min(skip_left_, body_.size())), l);
      if (!n) return inside(n.error());
      skip_left_ -= *n;
    }
    return std::nullopt;
  }

  R* from_;
  std::size_t frame_max_;
  detail::frame_header header_{};
  std::size_t header_got_ = 0;
  std::vector<char> body_;
  std::size_t body_got_ = 0;
  std::size_t skip_left_ = 0;  // of a frame that was too long
};

template <writer W>
class frame_writer {
 public:
  // frame_writer: over `to`; `frame_max`: the longest frame that it sends, at most 2^32 - 1.
  explicit frame_writer(W& to, std::size_t frame_max = frame_max_default)
      : to_(&to), frame_max_(std::min<std::size_t>(frame_max, UINT32_MAX)) {}

  // write: sends one frame, in one writev where the writer has that. EMSGSIZE for more than
  // frame_max, and nothing is sent. An error behind a part of the frame has broken the stream:
  // every later call returns it as well.
  result<void> write(std::span<const char> bytes, const limit& l = {}) {
    if (broken_) return std::unexpected(*broken_);
    if (bytes.size() > frame_max_) {
      return std::unexpected(error(std::make_error_code(std::errc::message_size), "write"));
    }
    const auto header = detail::encode_length(static_cast<std::uint32_t>(bytes.size()));
    const auto sent = send(header, bytes, l);
    if (sent) return {};
    if (sent.error().written() > 0) broken_ = sent.error();
    return std::unexpected<error>(sent.error());
  }

 private:
  write_result send(std::span<const char> header, std::span<const char> bytes, const limit& l) {
    const std::array<std::span<const char>, 2> pieces{header, bytes};
    if constexpr (requires {
                    { to_->writev(std::span(pieces), l) } -> std::same_as<write_result>;
                  }) {
      return to_->writev(std::span(pieces), l);
    } else {
      joined_.clear();
      for (const auto piece : pieces) joined_.insert(joined_.end(), piece.begin(), piece.end());
      return to_->write(std::span<const char>(joined_), l);
    }
  }

  W* to_;
  std::size_t frame_max_;
  std::vector<char> joined_;  // for writers that take one piece
  std::optional<error> broken_;
};

}  // namespace weft
