#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <weft/net/address.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "net/host_port.h"

namespace weft::net {
namespace {

static_assert(sizeof(sockaddr_un) <= address::text_max);
static_assert(sizeof(sockaddr_in6) <= address::text_max);
constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

// view: the raw bytes as the kernel's type. The bytes were copied from, or made as, one.
template <class Native>
Native view(const std::array<std::byte, address::text_max>& raw) noexcept {
  Native native;
  std::memcpy(&native, raw.data(), sizeof native);
  return native;
}

// writer: appends to a fixed buffer and drops what does not fit.
class writer {
 public:
  explicit writer(std::span<char> out) noexcept : out_(out) {}
  writer& operator<<(std::string_view text) noexcept {
    const auto n = std::min(text.size(), out_.size() - used_);
    if (n != 0) std::memcpy(out_.data() + used_, text.data(), n);
    used_ += n;
    return *this;
  }
  writer& operator<<(unsigned number) noexcept {
    std::array<char, 12> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), number).ptr;
    return *this << std::string_view(digits.begin(), end);
  }
  [[nodiscard]] std::string_view text() const noexcept { return {out_.data(), used_}; }

 private:
  std::span<char> out_;
  std::size_t used_ = 0;
};

address from_ip4(const in_addr& ip, std::uint16_t port) noexcept {
  sockaddr_in native{};
  native.sin_family = AF_INET;
  native.sin_addr = ip;
  native.sin_port = htons(port);
  return address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native);
}

address from_ip6(const in6_addr& ip, std::uint32_t zone, std::uint16_t port) noexcept {
  sockaddr_in6 native{};
  native.sin6_family = AF_INET6;
  native.sin6_addr = ip;
  native.sin6_scope_id = zone;
  native.sin6_port = htons(port);
  return address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native);
}

// zone_of: the number of an interface, named or given; 0 when there is none such.
std::uint32_t zone_of(const std::string& name) noexcept {
  if (const auto index = ::if_nametoindex(name.c_str()); index != 0) return index;
  std::uint32_t number = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), number);
  return failed == std::errc() && end == name.data() + name.size() ? number : 0;
}

}  // namespace

std::optional<address> parse_literal(std::string_view host, std::uint16_t port) {
  const std::string text(host.substr(0, host.find('%')));
  if (in_addr ip4; text.size() == host.size() && ::inet_pton(AF_INET, text.c_str(), &ip4) == 1) {
    return from_ip4(ip4, port);
  }
  in6_addr ip6;
  if (::inet_pton(AF_INET6, text.c_str(), &ip6) != 1) return std::nullopt;
  if (text.size() == host.size()) return from_ip6(ip6, 0, port);
  const auto zone = zone_of(std::string(host.substr(text.size() + 1)));
  if (zone == 0) return std::nullopt;
  return from_ip6(ip6, zone, port);
}

result<address> address::parse(std::string_view text) {
  const auto parts = split_host_port(text);
  if (!parts) return std::unexpected(parts.error());
  const auto number = parse_port(parts->port);
  const auto found = number ? parse_literal(parts->host, *number) : std::nullopt;
  if (!found) return std::unexpected(error(errc::bad_address, "parse", text));
  return *found;
}

address address::from_native(const sockaddr* native, std::size_t size) noexcept {
  address a;
  if (size < sizeof native->sa_family || size > a.raw_.size()) return a;
  const auto given = native->sa_family;
  if (given != AF_INET && given != AF_INET6 && given != AF_UNIX) return a;
  std::memcpy(a.raw_.data(), native, size);
  a.size_ = static_cast<std::uint32_t>(size);
  return a;
}

result<address> address::unix_socket(std::string_view path) noexcept {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  const bool abstract = path.starts_with('@');
  // A path ends with a zero byte, an abstract name begins with one in place of the '@'.
  const bool cut_short = !abstract && path.find('\0') != std::string_view::npos;
  if (path.empty() || cut_short || path.size() + (abstract ? 0 : 1) > sizeof native.sun_path) {
    return std::unexpected(error(errc::bad_address, "parse", path));
  }
  std::memcpy(native.sun_path, path.data(), path.size());
  if (abstract) native.sun_path[0] = '\0';
  const auto size = path_offset + path.size() + (abstract ? 0 : 1);
  return from_native(reinterpret_cast<const sockaddr*>(&native), size);
}

address::family address::kind() const noexcept {
  if (size_ == 0) return family::none;
  switch (native()->sa_family) {
    case AF_INET: return family::ip4;
    case AF_INET6: return family::ip6;
    default: return family::unix_path;
  }
}

std::uint16_t address::port() const noexcept {
  switch (kind()) {
    case family::ip4: return ntohs(view<sockaddr_in>(raw_).sin_port);
    case family::ip6: return ntohs(view<sockaddr_in6>(raw_).sin6_port);
    default: return 0;
  }
}

bool address::is_loopback() const noexcept {
  const auto is_loopback4 = [](std::uint32_t host_order) { return host_order >> 24 == 127; };
  switch (kind()) {
    case family::none: return false;
    case family::ip4: return is_loopback4(ntohl(view<sockaddr_in>(raw_).sin_addr.s_addr));
    case family::unix_path: return true;
    case family::ip6: break;
  }
  const auto ip = view<sockaddr_in6>(raw_).sin6_addr;
  if (!IN6_IS_ADDR_V4MAPPED(&ip)) return IN6_IS_ADDR_LOOPBACK(&ip);
  return ip.s6_addr[12] == 127;
}

std::string_view address::format_host(std::span<char> out) const noexcept {
  writer w(out);
  std::array<char, INET6_ADDRSTRLEN> text{};
  switch (kind()) {
    case family::none: break;
    case family::ip4: {
      const auto native = view<sockaddr_in>(raw_);
      w << ::inet_ntop(AF_INET, &native.sin_addr, text.data(), text.size());
      break;
    }
    case family::ip6: {
      const auto native = view<sockaddr_in6>(raw_);
      if (IN6_IS_ADDR_V4MAPPED(&native.sin6_addr)) {
        w << ::inet_ntop(AF_INET, &native.sin6_addr.s6_addr[12], text.data(), text.size());
        break;
      }
      w << ::inet_ntop(AF_INET6, &native.sin6_addr, text.data(), text.size());
      if (native.sin6_scope_id != 0) w << "%" << native.sin6_scope_id;
      break;
    }
    case family::unix_path: {
      const auto* bytes = reinterpret_cast<const char*>(raw_.data()) + path_offset;
      const auto length = size_ - path_offset;  // 0: a socket without a name
      if (length != 0 && bytes[0] == '\0') {
        w << "@" << std::string_view(bytes + 1, length - 1);
      } else {
        w << std::string_view(bytes, ::strnlen(bytes, length));
      }
      break;
    }
  }
  return w.text();
}

std::string_view address::format(std::span<char> out) const noexcept {
  if (kind() != family::ip4 && kind() != family::ip6) return format_host(out);
  std::array<char, text_max> host;
  const auto text = format_host(host);
  writer w(out);
  if (text.find(':') != std::string_view::npos) {
    w << "[" << text << "]";
  } else {
    w << text;
  }
  return (w << ":" << unsigned{port()}).text();
}

std::string address::host() const {
  std::array<char, text_max> text;
  return std::string(format_host(text));
}

std::string address::to_string() const {
  std::array<char, text_max> text;
  return std::string(format(text));
}

const sockaddr* address::native() const noexcept {
  return reinterpret_cast<const sockaddr*>(raw_.data());
}

bool operator==(const address& a, const address& b) noexcept {
  return a.size_ == b.size_ && std::memcmp(a.raw_.data(), b.raw_.data(), a.size_) == 0;
}

}  // namespace weft::net
