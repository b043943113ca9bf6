#pragma once

// resolve: from a network and an address in words to addresses to try.

#include <weft/error.h>
#include <weft/net/address.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "sched/wait.h"

namespace weft::net {

enum class network : std::uint8_t { tcp, tcp4, tcp6, unix_socket };

// parse_network: "tcp", "tcp4", "tcp6" or "unix"; else errc::unknown_network.
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
