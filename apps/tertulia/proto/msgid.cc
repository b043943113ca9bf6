#include "proto/msgid.h"

#include <array>
#include <charconv>
#include <cstddef>

namespace tertulia::proto {

namespace {

constexpr int base = 36;

void append_number(std::string& out, std::int64_t value) {
  std::array<char, 16> buf;
  const auto end = std::to_chars(buf.data(), buf.data() + buf.size(), value, base).ptr;
  out.append(buf.data(), end);
}

// take_number: the number at the front of `rest`, up to the next '-' or the end.
std::optional<std::int64_t> take_number(std::string_view& rest) noexcept {
  const std::string_view digits = rest.substr(0, rest.find('-'));
  if (digits.empty()) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  rest.remove_prefix(digits.size() < rest.size() ? digits.size() + 1 : digits.size());
  return value;
}

}  // namespace

std::string format_msgid(const line_id& id) {
  std::string out;
  append_number(out, id.channel);
  out += '-';
  append_number(out, id.seq);
  out += '-';
  append_number(out, id.time_ms);
  return out;
}

std::optional<line_id> parse_msgid(std::string_view text) {
  std::string_view rest = text;
  const auto channel = take_number(rest);
  const auto seq = take_number(rest);
  const auto time_ms = take_number(rest);
  if (!channel || !seq || !time_ms || !rest.empty()) return std::nullopt;
  const line_id id{*channel, *seq, *time_ms};
  // Only the form that was given out: no capitals, no leading zeros.
  if (format_msgid(id) != text) return std::nullopt;
  return id;
}

}  // namespace tertulia::proto
