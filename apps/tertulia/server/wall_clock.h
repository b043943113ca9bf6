#pragma once

// wall_clock: the time that people see, in milliseconds since 1970 UTC.

#include <chrono>
#include <cstdint>

namespace tertulia {

[[nodiscard]] inline std::int64_t wall_ms() noexcept {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace tertulia
