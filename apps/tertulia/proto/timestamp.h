#pragma once

// timestamp: server-time's form of a moment, "2026-11-22T16:30:00.123Z", and back. Moments are
// milliseconds since 1970 UTC.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia::proto {

// format_timestamp: always 24 characters. `ms` lies within the years 0 to 9999.
[[nodiscard]] std::string format_timestamp(std::int64_t ms);

// parse_timestamp: the form above and nothing else, or nothing.
[[nodiscard]] std::optional<std::int64_t> parse_timestamp(std::string_view text) noexcept;

}  // namespace tertulia::proto
