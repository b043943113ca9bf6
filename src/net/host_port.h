#pragma once

// host_port: taking "host:port" apart.

#include <weft/error.h>
#include <weft/net/address.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::net {

struct host_port {
  std::string_view host;  // without brackets; "" is allowed
  std::string_view port;  // "" is not
};

// split_host_port: "host:port", "[host]:port", ":port". errc::bad_address when there is no port, or
// when an IPv6 address stands without its brackets. The parts point into `text`.
[[nodiscard]] result<host_port> split_host_port(std::string_view text) noexcept;

// parse_port: a number from 0 to 65535, digits only.
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text) noexcept;

// parse_literal: an IP address in digits, an IPv6 one perhaps with its "%zone".
[[nodiscard]] std::optional<address> parse_literal(std::string_view host, std::uint16_t port);

}  // namespace weft::net
