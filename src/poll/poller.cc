#include "poll/poller.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/atomic.h"

namespace weft::poll {
namespace {

// advice: what to do about a refusal.
const char* advice(int code) noexcept {
  switch (code) {
    case ENOSYS:
    case EINVAL: return "It needs Linux 6.1.";
    case EPERM:
    case EACCES:
      return "Allow it (sysctl kernel.io_uring_disabled=0; a container's seccomp profile), or "
             "unset "
             "WEFT_POLLER.";
    case EMFILE:
    case ENFILE: return "Raise the limit of open files.";
    default: return "Unset WEFT_POLLER, or free memory.";
  }
}

struct backend {
  std::string_view name;
  std::unique_ptr<poller> (*make)();
};

// io_uring_or_epoll: where the kernel, a filter of system calls or the administrator refuses
// io_uring, the program runs as it would have without asking for it.
std::unique_ptr<poller> io_uring_or_epoll() {
  refusal why;
  if (auto made = make_uring_poller({}, &why)) return made;
  static base::atomic<bool> said{false};
  // relaxed: only who is first speaks.
  if (!said.exchange(true, base::relaxed)) {
    base::write_stderr(std::string("weft: WEFT_POLLER=io_uring: the kernel refuses ") + why.what +
                       " (" + std::strerror(why.code) + "): using epoll. " + advice(why.code) +
                       "\n");
  }
  return make_epoll_poller();
}

constexpr std::array<backend, 3> backends{{
    {"epoll", make_epoll_poller},
    {"io_uring", io_uring_or_epoll},
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
