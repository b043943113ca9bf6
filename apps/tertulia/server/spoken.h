#pragma once

// spoken: a PRIVMSG, NOTICE or TAGMSG on its way, and how it looks to those who receive it: the
// same line in up to four forms, depending on whether a client negotiated server-time and
// message-tags.

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/caps.h"
#include "server/store.h"

namespace tertulia {

struct spoken {
  std::string source;   // nick!user@host
  std::string command;  // "PRIVMSG", "NOTICE" or "TAGMSG"
  std::string target;   // as it stands on the line
  std::string text;
  std::string tags;  // client-only, escaped
  std::string msgid;
  std::int64_t time_ms = 0;
};

// is_seen_by: whether a client with `caps` is shown the line at all: TAGMSG is nothing without
// tags.
[[nodiscard]] bool is_seen_by(const spoken& s, proto::cap_set caps) noexcept;

// append_spoken: the line for a client with `caps`. `batch` is the reference of a batch it is part
// of, or "".
void append_spoken(std::string& out, const spoken& s, proto::cap_set caps,
                   std::string_view batch = {});

// body_size: bytes of the line without tags and CR LF.
[[nodiscard]] std::size_t body_size(const spoken& s) noexcept;

// from_history: a stored line as it is sent in channel `display`.
[[nodiscard]] spoken from_history(const stored_line& line, std::string_view display);

// is_kept: whether the history keeps such a text. Requests between programs (CTCP) are not:
// replayed they would be answered again. ACTION ("/me") is speech.
[[nodiscard]] bool is_kept(std::string_view text) noexcept;

}  // namespace tertulia
