#pragma once

// check_lines: what must hold for every stream of bytes a client may send. Used by the libFuzzer
// target and by the test that runs the corpus and its mutations.

#include <string_view>

namespace tertulia::fuzz {

// check_lines: ends the process (abort, with the property's name) when one does not hold.
void check_lines(std::string_view stream);

}  // namespace tertulia::fuzz
