#pragma once

// caps: IRCv3 capabilities: which exist, what a client has asked for, and the lines of CAP. Only
// what is fully implemented stands here.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tertulia::proto {

enum class cap : std::uint8_t { message_tags, server_time, batch, echo_message, chathistory };

inline constexpr std::size_t cap_count = 5;

// name_of: "server-time".
[[nodiscard]] std::string_view name_of(cap c) noexcept;

// cap_set: a set of capabilities; a plain value.
class cap_set {
 public:
  [[nodiscard]] bool has(cap c) const noexcept { return (bits_ & bit(c)) != 0; }
  void add(cap c) noexcept { bits_ |= bit(c); }
  void remove(cap c) noexcept { bits_ &= static_cast<std::uint8_t>(~bit(c)); }

  friend bool operator==(cap_set, cap_set) = default;

 private:
  static std::uint8_t bit(cap c) noexcept {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(c));
  }
  std::uint8_t bits_ = 0;
};

// all_caps: everything the server offers.
[[nodiscard]] cap_set all_caps() noexcept;

// apply_request: `current` after "CAP REQ :asked", where "-name" takes away; nothing when one of
// the names is not known, for then the whole request is refused. The empty request changes nothing.
[[nodiscard]] std::optional<cap_set> apply_request(std::string_view asked,
                                                   cap_set current) noexcept;

// name_lists: the names in `caps`, separated by spaces, in as many pieces as are needed for each to
// stay within `size_max` bytes; at least one piece, which may be empty.
[[nodiscard]] std::vector<std::string> name_lists(cap_set caps, std::size_t size_max);

}  // namespace tertulia::proto
