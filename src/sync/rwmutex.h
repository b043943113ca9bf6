#pragma once

#include <weft/rwmutex.h>

namespace weft::sync {

// readers_are_visible: whether readers of `m` note themselves outside of it at the moment. For
// tests.
[[nodiscard]] bool readers_are_visible(rwmutex& m) noexcept;

}  // namespace weft::sync
