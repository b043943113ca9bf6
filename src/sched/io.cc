#include "sched/io.h"

#include "sched/scheduler.h"

namespace weft::sched {
std::shared_ptr<poll::poller> current_poller() noexcept {
  const visit here;
  return here.target() != nullptr ? here.target()->share_poller() : nullptr;
}

void ensure_watched() noexcept {
  const visit here;
  if (here.target() != nullptr) here.target()->ensure_watched();
}

}  // namespace weft::sched
