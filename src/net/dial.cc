#include <weft/net/dial.h>

#include <utility>

#include "net/race.h"
#include "net/resolve.h"

namespace weft::net {

result<conn> dial(std::string_view network, std::string_view address, const dial_options& options,
                  const limit& l) {
  const auto limits = l.raw_io();
  const auto net = parse_network(network);
  if (!net) return std::unexpected(net.error());
  if (!carries_conns(net->kind))
    return std::unexpected(error(errc::unknown_network, "dial", network));
  auto found = resolve(*net, address, purpose::dial, limits);
  if (!found) return std::unexpected(found.error());
  const auto targets = with_family_of(options.local, std::move(*found));
  if (targets.empty()) {
    return std::unexpected(error(errc::bad_address, words(verb::connect, net->kind), address));
  }
  return connect_first(targets, net->kind, options, limits);
}

result<conn> dial(std::string_view network, std::string_view address, const limit& l) {
  return dial(network, address, dial_options{}, l);
}

}  // namespace weft::net
