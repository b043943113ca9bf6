#include "net/host_port.h"

#include <charconv>

namespace weft::net {

result<host_port> split_host_port(std::string_view text) noexcept {
  const auto bad = [&] { return std::unexpected(error(errc::bad_address, "parse", text)); };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return bad();
  host_port parts{text.substr(0, colon), text.substr(colon + 1)};
  if (parts.host.starts_with('[')) {
    if (!parts.host.ends_with(']') || parts.host.size() < 2) return bad();
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  } else if (parts.host.find(':') != std::string_view::npos) {
    return bad();
  }
  if (parts.host.find_first_of("[]") != std::string_view::npos) return bad();
  return parts;
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  std::uint16_t number = 0;
  const auto* last = text.data() + text.size();
  const auto [end, failed] = std::from_chars(text.data(), last, number);
  if (text.empty() || failed != std::errc() || end != last) return std::nullopt;
  return number;
}

}  // namespace weft::net
