#pragma once

// message: one line of IRC (RFC 1459/2812 with IRCv3 tags), taken apart without copying.
//
//   ['@' tags ' '] [':' source ' '] command {' ' param} [' ' ':' last param]
//
// parse() never allocates: every part is a view into the line, which must outlive the message. The
// line comes without its end (line_buffer removes it) and has been measured there.

#include <array>
#include <cstddef>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proto/limits.h"

namespace tertulia::proto {

enum class parse_error {
  nul,           // a NUL byte
  bare_cr,       // a CR that ends no line
  invalid_utf8,  // not UTF-8: the server is UTF8ONLY
  no_command,    // tags or a source and nothing after them, or only spaces
  bad_command,   // a command that is neither letters nor three digits
};

// text_of: what is wrong, for the client and the log.
[[nodiscard]] std::string_view text_of(parse_error e) noexcept;

struct message {
  std::string_view tags;     // between '@' and the space, escaped; empty when there are none
  std::string_view source;   // without ':'; servers ignore what clients put here
  std::string_view command;  // as it was written; compare with is_command
  std::array<std::string_view, params_max> param_storage;
  std::size_t param_count = 0;

  [[nodiscard]] std::span<const std::string_view> params() const noexcept {
    return {param_storage.data(), param_count};
  }
  // param: the i-th parameter, or "" when the line has fewer.
  [[nodiscard]] std::string_view param(std::size_t i) const noexcept {
    return i < param_count ? param_storage[i] : std::string_view{};
  }
};

// parse: `line` without its CR LF. The views of the result point into `line`.
[[nodiscard]] std::expected<message, parse_error> parse(std::string_view line) noexcept;

// is_command: whether `written` is `name` (upper case) in any case.
[[nodiscard]] bool is_command(std::string_view written, std::string_view name) noexcept;

// tag: one key with its value, still escaped. "k" and "k=" both have the value "".
struct tag {
  std::string_view key;
  std::string_view value;
};

// next_tag: takes the first tag off `rest`; nothing when `rest` is used up. Keys that are not
// well-formed are skipped.
[[nodiscard]] std::optional<tag> next_tag(std::string_view& rest) noexcept;

// append_client_only_tags: appends those of `tags` that start with '+' to `out`, joined with ';';
// of several with one key only the last. These are what a server relays.
void append_client_only_tags(std::string& out, std::string_view tags);

// append_escaped / append_unescaped: the value of a tag, to and from its form on the wire.
void append_escaped(std::string& out, std::string_view value);
void append_unescaped(std::string& out, std::string_view escaped);

}  // namespace tertulia::proto
