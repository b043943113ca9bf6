#pragma once

// accept_error: what the errors of accept(2) mean for an accept loop.

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace weft::net {

enum class accept_verdict : std::uint8_t {
  pass_over,  // of the one connection; Linux hands over the network errors it has collected
  shed,       // the process or the system has no room
  fail,       // of the listener
};

[[nodiscard]] constexpr accept_verdict judge_accept_error(int code) noexcept {
  switch (code) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EPERM: return accept_verdict::pass_over;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return accept_verdict::shed;
    default: return accept_verdict::fail;
  }
}

// no_ip6_here: whether a listener on [::] failed because the system has no IPv6.
[[nodiscard]] inline bool no_ip6_here(std::error_code code) noexcept {
  return code == std::errc::address_family_not_supported ||
         code == std::errc::address_not_available || code == std::errc::no_protocol_option;
}

}  // namespace weft::net
