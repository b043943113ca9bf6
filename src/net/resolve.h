#pragma once

// resolve: from a network and an address in words to addresses to try.

#include <sys/socket.h>
#include <weft/error.h>
#include <weft/net/address.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "net/pollable.h"
#include "sched/wait.h"

namespace weft::net {

// network: what a word like "tcp4" asks for.
struct network {
  transport kind = transport::tcp;
  int family = AF_UNSPEC;  // AF_INET or AF_INET6 when one alone is meant
  bool operator==(const network&) const = default;
};

// carries_conns: what dial and listen are for; the others have packets that stand alone.
[[nodiscard]] constexpr bool carries_conns(transport kind) noexcept {
  return kind == transport::tcp || kind == transport::unix_stream || kind == transport::unix_packet;
}
[[nodiscard]] constexpr bool is_unix(transport kind) noexcept {
  return kind == transport::unix_stream || kind == transport::unix_packet ||
         kind == transport::unix_datagram;
}

// parse_network: "tcp", "udp", each alone or with "4" or "6", "unix", "unixpacket" or "unixgram";
// else errc::unknown_network.
[[nodiscard]] result<network> parse_network(std::string_view name) noexcept;

// purpose: what an empty host means: this machine, or every address of it.
enum class purpose : std::uint8_t { dial, listen };

// resolve: the addresses of `text`, best first, at least one. Literals and empty hosts are taken
// apart at once; names are looked up by a goroutine of their own, on copies, in a blocking call:
// one who leaves by a limit leaves it behind, and it ends by itself. Each lookup under way holds a
// thread.
[[nodiscard]] result<std::vector<address>> resolve(network net, std::string_view text, purpose why,
                                                   const sched::limits& l);

}  // namespace weft::net
