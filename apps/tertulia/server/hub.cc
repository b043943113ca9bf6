#include "server/hub.h"

#include <utility>

#include "proto/isupport.h"
#include "proto/modes.h"
#include "proto/utf8.h"
#include "server/targets.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

constexpr std::size_t motd_line_max = 400;

std::vector<std::string> split_motd(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    do {
      const auto piece = proto::cut_utf8(line, motd_line_max);
      out.emplace_back(piece);
      line.remove_prefix(piece.size());
    } while (!line.empty());
  }
  return out;
}

std::vector<std::string> tokens_of(const config& c) {
  return proto::isupport_tokens({.network = c.server.network,
                                 .channels_max = c.limits.channels_per_client_max,
                                 .bans_max = c.limits.bans_per_channel_max,
                                 .targets_max = static_cast<int>(targets_max),
                                 .modes_max = proto::modes_max,
                                 .chathistory_max = c.history.request_lines_max});
}

}  // namespace

hub::hub(config c, std::unique_ptr<history> h, weft::context stop)
    : conf(std::move(c)),
      pass(conf.server.password),
      store(std::move(h)),
      started_ms(wall_ms()),
      isupport(tokens_of(conf)),
      motd(split_motd(conf.server.motd)),
      stopping(std::move(stop)),
      addresses(conf.limits.clients_max, conf.limits.connections_per_address_max) {}

std::string version_text() { return "tertulia-" TERTULIA_VERSION; }

}  // namespace tertulia
