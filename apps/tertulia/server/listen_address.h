#pragma once

// listen_address: "127.0.0.1:6667", "[::1]:6667", "chat.example.org:6667", ":6667" (every
// interface).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia {

struct listen_address {
  std::string host;  // without brackets; empty means every interface
  std::uint16_t port = 0;
};

// parse_listen_address: nothing when `text` has not the form host:port, or [host]:port for IPv6.
[[nodiscard]] std::optional<listen_address> parse_listen_address(std::string_view text);

}  // namespace tertulia
