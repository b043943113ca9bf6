#include "proto/timestamp.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>

namespace tertulia::proto {

namespace {

using std::chrono::milliseconds;

// digits: the number that `text` holds at [at, at + count), or -1 if those are not all digits.
int digits(std::string_view text, std::size_t at, std::size_t count) noexcept {
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool has_punctuation(std::string_view t) noexcept {
  return t[4] == '-' && t[7] == '-' && t[10] == 'T' && t[13] == ':' && t[16] == ':' &&
         t[19] == '.' && t[23] == 'Z';
}

}  // namespace

std::string format_timestamp(std::int64_t ms) {
  const std::chrono::sys_time<milliseconds> at{milliseconds(ms)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<milliseconds> time(at - day);
  std::array<char, 64> buf;
  const int size = std::snprintf(
      buf.data(), buf.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
      static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
  return {buf.data(), static_cast<std::size_t>(size)};
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) noexcept {
  if (text.size() != 24 || !has_punctuation(text)) return std::nullopt;
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  const int ms = digits(text, 20, 3);
  if (year < 0 || month < 0 || day < 0 || ms < 0) return std::nullopt;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return std::nullopt;
  if (second < 0 || second > 60) return std::nullopt;  // 60: a leap second is the next minute's 0
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return std::nullopt;
  const auto at = std::chrono::sys_days(date) + std::chrono::hours(hour) +
                  std::chrono::minutes(minute) + std::chrono::seconds(second) + milliseconds(ms);
  return at.time_since_epoch().count();
}

}  // namespace tertulia::proto
