#pragma once

// address: where a connection or listener is: an IP address with its port, or the path of a Unix
// socket. A value of 120 bytes, without allocation.

#include <weft/error.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

struct sockaddr;

namespace weft::net {

class address {
 public:
  enum class family : std::uint8_t { none, ip4, ip6, unix_path };

  // text_max: the longest text that an address has: the path of a Unix socket.
  static constexpr std::size_t text_max = 112;

  // address: none.
  address() noexcept = default;

  // parse: "192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%eth0]:80". Literals only, nothing is
  // looked up.
  [[nodiscard]] static result<address> parse(std::string_view text);

  // from_native: a copy of what the kernel gave; none when the family is not one of ours.
  [[nodiscard]] static address from_native(const sockaddr* native, std::size_t size) noexcept;
  // unix_socket: `path` of at most 107 bytes; one that begins with '@' is in the abstract
  // namespace.
  [[nodiscard]] static result<address> unix_socket(std::string_view path) noexcept;

  [[nodiscard]] family kind() const noexcept;
  // host: the IP address, without brackets; an IPv4 address that came over an IPv6 socket reads as
  // IPv4. The path of a Unix socket; "" when it has no name, as most clients.
  [[nodiscard]] std::string host() const;
  // port: in the host's byte order; 0 for Unix sockets.
  [[nodiscard]] std::uint16_t port() const noexcept;
  // is_loopback: 127.0.0.0/8, ::1, or a Unix socket: the peer is on this machine.
  [[nodiscard]] bool is_loopback() const noexcept;

  // to_string: "127.0.0.1:80", "[::1]:80", "/run/x.sock", "@abstract".
  [[nodiscard]] std::string to_string() const;
  // format: the same into `out`, cut where it ends; returns what was written. Allocates nothing.
  std::string_view format(std::span<char> out) const noexcept;

  // native, native_size: for bind(2) and its like.
  [[nodiscard]] const sockaddr* native() const noexcept;
  [[nodiscard]] std::size_t native_size() const noexcept { return size_; }

  // Whether both name the same place; the two forms of an IPv4 address are different here.
  friend bool operator==(const address& a, const address& b) noexcept;

 private:
  std::string_view format_host(std::span<char> out) const noexcept;

  alignas(8) std::array<std::byte, text_max> raw_{};
  std::uint32_t size_ = 0;
};

}  // namespace weft::net
