#pragma once

// names: what may be a nick, a channel, a user name, a key. All names are UTF-8 (the server is
// UTF8ONLY) and are measured in bytes. The sizes are told to clients in ISUPPORT.

#include <cstddef>
#include <string>
#include <string_view>

namespace tertulia::proto {

inline constexpr std::size_t nick_size_max = 30;
inline constexpr std::size_t user_size_max = 18;
inline constexpr std::size_t channel_size_max = 64;
inline constexpr std::size_t topic_size_max = 300;
inline constexpr std::size_t away_size_max = 200;
inline constexpr std::size_t kick_size_max = 200;
inline constexpr std::size_t quit_size_max = 200;
inline constexpr std::size_t realname_size_max = 128;
inline constexpr std::size_t key_size_max = 32;
inline constexpr std::size_t host_size_max = 63;
inline constexpr std::size_t mask_size_max = 128;

// is_nick: RFC 2812's letters, digits and []\`_^{|}-, and any code point beyond ASCII that is not a
// control or a space; does not start with a digit or '-'. `text` must be UTF-8.
[[nodiscard]] bool is_nick(std::string_view text) noexcept;

// is_channel: '#' and at least one byte; no space, comma, colon or control byte. `text` must be
// UTF-8.
[[nodiscard]] bool is_channel(std::string_view text) noexcept;

// looks_like_channel: whether a target is meant as a channel; a well-formed one or not.
[[nodiscard]] inline bool looks_like_channel(std::string_view text) noexcept {
  return text.starts_with('#') || text.starts_with('&');
}

// is_key: a channel key: visible ASCII, no comma, no leading colon.
[[nodiscard]] bool is_key(std::string_view text) noexcept;

// user_from: the user name shown in masks: what the client asked for without the bytes that would
// break a mask, at most user_size_max; "user" when nothing is left.
[[nodiscard]] std::string user_from(std::string_view asked);

// normalized_mask: nick!user@host from what a user typed as a ban: "nick" -> "nick!*@*",
// "user@host" -> "*!user@host".
[[nodiscard]] std::string normalized_mask(std::string_view typed);

}  // namespace tertulia::proto
