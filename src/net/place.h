#pragma once

// place: which of the addresses that a listener's words stand for it is bound to.

#include <weft/error.h>
#include <weft/net/address.h>

#include <algorithm>
#include <span>

#include "net/accept_error.h"
#include "net/resolve.h"

namespace weft::net {

// on_first_place: what `open(address, dual)` gives for the right one of `places` (resolve): the
// IPv6 wildcard for both families, the IPv4 one where the system has no IPv6; else the first IPv4
// address, or the first.
template <class Open>
auto on_first_place(network net, std::span<const address> places, Open&& open) {
  const auto& first = places.front();
  const bool dual =
      net.family == AF_UNSPEC && first.kind() == address::family::ip6 && first.host() == "::";
  if (!dual) {
    const auto ip4 = std::ranges::find(places, address::family::ip4, &address::kind);
    return open(ip4 != places.end() ? *ip4 : first, false);
  }
  auto made = open(first, true);
  if (made || places.size() == 1 || !no_ip6_here(made.error().code())) return made;
  return open(places.back(), false);
}

}  // namespace weft::net
