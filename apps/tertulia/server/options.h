#pragma once

// options: the command line, and the configuration that comes of it and the file.

#include <optional>
#include <string>
#include <vector>

#include "server/config.h"

namespace tertulia {

// Exit statuses: the server could not start or go on; what was asked for makes no sense.
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

struct startup {
  config conf;
  std::optional<int>
      exit_status;  // given: nothing is to be started (--help, --check-config, a mistake)
};

// read_startup: prints what has to be said (help, mistakes with their lines) itself.
[[nodiscard]] startup read_startup(int argc, char** argv);

}  // namespace tertulia
