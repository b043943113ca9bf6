#pragma once

// msgid_source: names for lines that are not kept: random, never mistaken for those of kept ones.

#include <string>

namespace tertulia {

// fresh_msgid: 96 random bits as lower-case hex.
[[nodiscard]] std::string fresh_msgid();

}  // namespace tertulia
