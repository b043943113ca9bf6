#pragma once

// modes: what a client asks of a channel with MODE: "+ov-b ana bob *!*@host".
//
//   o v   rank of a member; a nick
//   b     ban; a mask; without one the list is meant
//   k     key; taken away with or without it
//   l     limit of members; a number, only to set it
//   i m n s t   invite-only, moderated, no messages from outside, secret, topic by operators

#include <span>
#include <string_view>
#include <vector>

namespace tertulia::proto {

inline constexpr std::string_view channel_flags = "imnst";
// At most this many changes with a parameter in one MODE.
inline constexpr int modes_max = 6;

struct mode_change {
  char letter = 0;
  bool adds = true;
  std::string_view param;  // "" where there is none
};

struct mode_request {
  std::vector<mode_change> changes;       // in the order they were written
  bool wants_bans = false;                // "b" without a mask
  std::vector<std::string_view> unknown;  // letters (code points) that mean nothing, each once
  bool lacks_param = false;               // a change was left out because its parameter is missing
};

// parse_modes: `params` are those of MODE after the channel. Changes beyond modes_max are left out.
[[nodiscard]] mode_request parse_modes(std::span<const std::string_view> params);

}  // namespace tertulia::proto
