#pragma once

// message: the text a connection sends again and again. All instances have one size, so that both
// ends can tell from a count of bytes which message is at hand.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "load/text.h"

namespace lab {

class message {
 public:
  // counter_width: digits that {connection} and {message} are written with.
  static constexpr std::size_t counter_width = 10;

  // parse: `text` with C's escapes (\n \r \t \\ \0 \xHH) and the counters {connection} and
  // {message}.
  static parsed<message> parse(std::string_view text);

  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }

  // write: `into.size()` bytes of the endless stream that `connection` sends, from byte `offset`.
  void write(std::uint64_t connection, std::uint64_t offset, std::span<char> into) const;

  // matches: whether `bytes` are what write() would have written.
  [[nodiscard]] bool matches(std::uint64_t connection, std::uint64_t offset,
                             std::span<const char> bytes) const;

 private:
  struct counter {
    std::size_t at;
    bool of_message;  // else of the connection
  };

  // instance: one message into `into`, which has size() bytes.
  void instance(std::uint64_t connection, std::uint64_t number, char* into) const;

  std::string text_;
  std::vector<counter> counters_;
};

}  // namespace lab
