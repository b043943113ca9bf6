#pragma once

#include <span>
#include <string>

namespace lab {

// quote: as Go's "%q\n": in double quotes, with what cannot be printed escaped, and a newline. What
// is not ASCII is escaped byte by byte, where Go knows which runes can be printed.
std::string quote(std::span<const char> bytes);

}  // namespace lab
