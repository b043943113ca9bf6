#include "sched/io.h"

#include "sched/inspect.h"
#include "sched/scheduler.h"

namespace weft::sched {
namespace {

scheduler* reachable_scheduler() noexcept {
  scheduler* s = current_scheduler();
  return s != nullptr ? s : only_scheduler();
}

}  // namespace

std::shared_ptr<poll::poller> current_poller() noexcept {
  scheduler* s = reachable_scheduler();
  return s != nullptr ? s->share_poller() : nullptr;
}

void ensure_watched() noexcept {
  if (scheduler* s = reachable_scheduler()) s->ensure_watched();
}

}  // namespace weft::sched
