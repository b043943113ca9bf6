#include "poll/poller.h"

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/assert.h"

namespace weft::poll {
namespace {

struct backend {
  std::string_view name;
  std::unique_ptr<poller> (*make)();
};

constexpr std::array<backend, 2> backends{{
    {"epoll", make_epoll_poller},
    {"poll", make_poll_poller},
}};

}  // namespace

std::unique_ptr<poller> make_poller() {
  const char* asked = std::getenv("WEFT_POLLER");
  const std::string_view name = asked != nullptr ? asked : backends.front().name;
  std::string valid;
  for (const auto& b : backends) {
    if (b.name == name) return b.make();
    if (!valid.empty()) valid += ", ";
    valid += b.name;
  }
  base::fatal("WEFT_POLLER is '" + std::string(name) + "': valid are " + valid);
}

}  // namespace weft::poll
