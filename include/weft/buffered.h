#pragma once

// buffered: bytes collected before they are used, or before they are sent.
//
//   weft::line_reader lines(conn, 512);
//   while (auto line = lines.next(30s)) obey(*line);
//   // lines.bytes() has what follows the last line
//
//   weft::buffered_writer out(conn);
//   for (const auto& row : rows) out.write(row).value();
//   out.flush(5s).value();
//
// What they read from or write to is a loan: it outlives them. A call that a limit ends leaves all
// that came so far in the buffer: the next one goes on with it. Each may be used by one goroutine
// at a time; its reading and writing side are different objects and need not know of each other.

#include <weft/error.h>
#include <weft/io.h>
#include <weft/limit.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace weft {

// buffered_reader: reads ahead, so that small reads are cheap and what comes can be looked at
// before it is taken. The views it gives are good until the next call that is not const.
template <reader R>
class buffered_reader {
 public:
  static constexpr std::size_t default_capacity = 4096;

  // buffered_reader: over `from`, with a buffer of `capacity` bytes, at least 1.
  explicit buffered_reader(R& from, std::size_t capacity = default_capacity)
      : from_(&from),
        capacity_(std::max<std::size_t>(capacity, 1)),
        bytes_(std::make_unique_for_overwrite<char[]>(capacity_)) {}
  buffered_reader(buffered_reader&&) noexcept = default;
  buffered_reader& operator=(buffered_reader&&) noexcept = default;
  ~buffered_reader() = default;

  // buffered: what has been read ahead.
  [[nodiscard]] std::span<const char> buffered() const noexcept {
    return {bytes_.get() + begin_, end_ - begin_};
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  // read: what is buffered, or else what one read of the source gives; a reader's.
  result<std::size_t> read(std::span<char> buffer, const limit& l = {}) {
    if (buffer.empty()) return 0;
    if (begin_ == end_) {
      if (buffer.size() >= capacity_) return from_->read(buffer, l);
      if (const auto more = fill(l); !more) return std::unexpected(more.error());
    }
    const auto n = std::min(buffer.size(), end_ - begin_);
    std::memcpy(buffer.data(), bytes_.get() + begin_, n);
    begin_ += n;
    return n;
  }

  // read_exactly: fills `buffer`, as weft::read_exactly.
  std::expected<std::size_t, read_error> read_exactly(std::span<char> buffer, const limit& l = {}) {
    return weft::read_exactly(*this, buffer, l);
  }

  // peek: waits until `size` bytes are there: those, which stay. errc::eof if there are none,
  // errc::unexpected_eof if there are fewer (buffered() has them). EMSGSIZE for more than
  // capacity().
  result<std::span<const char>> peek(std::size_t size, const limit& l = {}) {
    if (size > capacity_) return std::unexpected(too_long());
    while (end_ - begin_ < size) {
      if (const auto more = fill(l); !more) return std::unexpected(ended(more.error()));
    }
    return buffered().first(size);
  }

  // read_until: waits for `delimiter`: all up to it and with it, which are taken.
  // errc::line_too_long when capacity() bytes are there without one; then, and when the stream ends
  // (errc::eof, or errc::unexpected_eof behind bytes without one), all stays in buffered().
  result<std::span<const char>> read_until(char delimiter, const limit& l = {}) {
    for (std::size_t seen = 0;;) {
      const auto here = buffered();
      const auto fresh = here.subspan(seen);
      const void* found =
          fresh.empty() ? nullptr : std::memchr(fresh.data(), delimiter, fresh.size());
      if (found != nullptr) {
        const auto size =
            static_cast<std::size_t>(static_cast<const char*>(found) - here.data()) + 1;
        begin_ += size;
        return here.first(size);
      }
      seen = here.size();
      if (seen == capacity_) return std::unexpected(error(errc::line_too_long, "read"));
      if (const auto more = fill(l); !more) return std::unexpected(ended(more.error()));
    }
  }

  // consume: takes `size` bytes of buffered() away. Throws misuse_error if there are fewer.
  void consume(std::size_t size) {
    if (size > end_ - begin_) throw misuse_error("buffered_reader: consumed more than is there");
    begin_ += size;
  }

 private:
  static error too_long() noexcept {
    return {std::make_error_code(std::errc::message_size), "read"};
  }
  [[nodiscard]] error ended(const error& why) const noexcept {
    return why.eof() && begin_ != end_ ? error(errc::unexpected_eof, "read") : why;
  }
  // fill: reads more behind what is there; there is room.
  result<void> fill(const limit& l) {
    if (begin_ == end_) {
      begin_ = end_ = 0;
    } else if (end_ == capacity_) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
    const auto n = from_->read(std::span(bytes_.get() + end_, capacity_ - end_), l);
    if (!n) return std::unexpected(n.error());
    end_ += *n;
    return {};
  }

  R* from_;
  std::size_t capacity_;
  std::unique_ptr<char[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// line_reader: takes a stream apart into lines that end with "\n" or "\r\n".
template <reader R>
class line_reader {
 public:
  static constexpr std::size_t default_line_max = 4096;

  // line_reader: over `from`; `line_max`: the longest line, without its ending.
  explicit line_reader(R& from, std::size_t line_max = default_line_max)
      : in_(from, line_max + 2), line_max_(line_max) {}

  // next: the next line, without its ending; good until the next call. What follows the last ending
  // is a line too, unless it is empty. errc::eof behind the last one.
  // errc::line_too_long, once a line that is longer than line_max, and not later than two bytes
  // behind it; the next call passes over the rest of that line, and nothing else is lost.
  result<std::string_view> next(const limit& l = {}) {
    for (;;) {
      const auto piece = in_.read_until('\n', l);
      if (piece) {
        if (!std::exchange(skips_, false)) return judge(*piece);
        continue;
      }
      const auto& why = piece.error();
      const auto rest = in_.buffered();
      const bool is_end = why == errc::unexpected_eof;
      if (!is_end && why != errc::line_too_long) return std::unexpected(why);
      in_.consume(rest.size());
      if (skips_) continue;
      if (is_end) return judge(rest);
      skips_ = true;
      return std::unexpected(why);
    }
  }

  // bytes: the stream behind the last line, for what follows the lines of some protocols.
  [[nodiscard]] buffered_reader<R>& bytes() noexcept { return in_; }

 private:
  result<std::string_view> judge(std::span<const char> bytes) const noexcept {
    std::string_view line(bytes.data(), bytes.size());
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() <= line_max_) return line;
    return std::unexpected(error(errc::line_too_long, "read"));
  }

  buffered_reader<R> in_;
  std::size_t line_max_;
  bool skips_ = false;  // what is left of a line that was too long
};

// buffered_writer: collects small writes into large ones. Its destructor does not flush: that may
// wait, and fail.
template <writer W>
class buffered_writer {
 public:
  static constexpr std::size_t default_capacity = 4096;

  // buffered_writer: over `to`, with a buffer of `capacity` bytes, at least 1.
  explicit buffered_writer(W& to, std::size_t capacity = default_capacity)
      : to_(&to),
        capacity_(std::max<std::size_t>(capacity, 1)),
        bytes_(std::make_unique_for_overwrite<char[]>(capacity_)) {}
  buffered_writer(buffered_writer&&) noexcept = default;
  buffered_writer& operator=(buffered_writer&&) noexcept = default;
  ~buffered_writer() = default;

  // buffered: how many bytes are not written yet.
  [[nodiscard]] std::size_t buffered() const noexcept { return used_; }

  // write: takes all of `bytes`; writes what the buffer has no room for. An error's written() says
  // how many of `bytes` were taken: they are in the buffer, or written. A writer's.
  write_result write(std::span<const char> bytes, const limit& l = {}) {
    std::size_t taken = 0;
    for (;;) {
      const auto rest = bytes.subspan(taken);
      if (used_ == 0 && rest.size() >= capacity_) {
        const auto all = to_->write(rest, l);
        if (all) return bytes.size();
        return std::unexpected(write_error(all.error(), taken + all.error().written()));
      }
      const auto n = std::min(rest.size(), capacity_ - used_);
      if (n != 0) std::memcpy(bytes_.get() + used_, rest.data(), n);
      used_ += n;
      taken += n;
      if (taken == bytes.size()) return taken;
      if (const auto flushed = flush(l); !flushed) {
        return std::unexpected(write_error(flushed.error(), taken));
      }
    }
  }
  // A string literal, without its terminating zero.
  template <std::size_t Size>
  write_result write(const char (&literal)[Size], const limit& l = {}) {
    const bool terminated = Size > 0 && literal[Size - 1] == '\0';
    return write(std::span<const char>(literal, terminated ? Size - 1 : Size), l);
  }
  // A buffer has to say how much of it: write({buffer, n}).
  template <std::size_t Size>
  write_result write(char (&buffer)[Size], const limit& l = {}) = delete;

  // flush: writes what is in the buffer: how much that was. After an error the buffer has what is
  // left, and flush may be called again.
  write_result flush(const limit& l = {}) {
    if (used_ == 0) return 0;
    const auto done = to_->write(std::span<const char>(bytes_.get(), used_), l);
    const auto written = done ? *done : done.error().written();
    used_ -= written;
    if (used_ != 0) std::memmove(bytes_.get(), bytes_.get() + written, used_);
    return done;
  }

 private:
  W* to_;
  std::size_t capacity_;
  std::unique_ptr<char[]> bytes_;
  std::size_t used_ = 0;
};

}  // namespace weft
