#pragma once

#include <string>

#include "observe/recorder.h"

namespace weft::observe {

// draw: a recording as a file of Perfetto's.
[[nodiscard]] std::string draw(const recording& from);

}  // namespace weft::observe
