#pragma once

// msgid: the name of a line in a channel's history. It is made of the channel's number, the line's
// sequence number and its time, so that it needs no index of its own in the database, and so that a
// database put back from a copy does not give out a name again with another meaning.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia::proto {

struct line_id {
  std::int64_t channel;
  std::int64_t seq;
  std::int64_t time_ms;

  friend bool operator==(const line_id&, const line_id&) = default;
};

// format_msgid: lower-case letters, digits and '-'; unique per line. All three are 0 or more.
[[nodiscard]] std::string format_msgid(const line_id& id);

// parse_msgid: what format_msgid made, or nothing.
[[nodiscard]] std::optional<line_id> parse_msgid(std::string_view text);

}  // namespace tertulia::proto
