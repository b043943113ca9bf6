#pragma once

// isupport: what RPL_ISUPPORT (005) tells a client about this server. Only what is implemented is
// told; the sizes come from where they are enforced.

#include <string>
#include <vector>

namespace tertulia::proto {

// isupport_values: the tokens that are configuration.
struct isupport_values {
  std::string network;
  int channels_max = 0;     // CHANLIMIT
  int bans_max = 0;         // MAXLIST
  int targets_max = 0;      // TARGMAX
  int modes_max = 0;        // MODES
  int chathistory_max = 0;  // CHATHISTORY
};

// isupport_tokens: "KEY=value" in the order they are sent.
[[nodiscard]] std::vector<std::string> isupport_tokens(const isupport_values& values);

}  // namespace tertulia::proto
