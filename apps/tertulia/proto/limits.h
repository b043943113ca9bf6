#pragma once

// The sizes the protocol fixes (RFC 2812 2.3, IRCv3 message-tags). Those an operator may choose
// stand in server/config.h.

#include <cstddef>

namespace tertulia::proto {

// A line without its tags: 512 bytes with the CR LF that ends it.
inline constexpr std::size_t body_size_max = 510;
// What a client may write between '@' and the space, and what a server may add.
inline constexpr std::size_t client_tags_size_max = 4094;
inline constexpr std::size_t server_tags_size_max = 4094;
// Everything before the body: '@', both halves of the tags with the ';' between them, the space.
inline constexpr std::size_t tags_total_size_max = 8191;
inline constexpr std::size_t params_max = 15;
// Lines of replies carry at most 13 tokens between the nick and the text (RFC 2812, RPL_ISUPPORT).
inline constexpr std::size_t isupport_tokens_per_line = 13;

}  // namespace tertulia::proto
