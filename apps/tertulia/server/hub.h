#pragma once

// hub: what every part of the running server may use. One per server; outlives all its goroutines.
// Constant after construction, but for what guards itself.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weft/context.h>

#include "server/address_book.h"
#include "server/config.h"
#include "server/history.h"
#include "server/log.h"
#include "server/password.h"
#include "server/registry.h"

namespace tertulia {

struct hub {
  hub(config c, std::unique_ptr<history> h, weft::context stop);

  const config conf;
  const password pass;
  const std::unique_ptr<history> store;
  const std::int64_t started_ms;
  const std::vector<std::string> isupport;  // tokens
  const std::vector<std::string> motd;      // lines

  // stopping: done when the server ends: sessions say goodbye and go.
  const weft::context stopping;

  registry people;
  address_book addresses;
};

// version_text: "tertulia-0.1.0".
[[nodiscard]] std::string version_text();

}  // namespace tertulia
