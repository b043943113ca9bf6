#include <weft/time.h>

#include <algorithm>

#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/wait.h"
#include "sync/channel_core.h"

namespace weft {
namespace {

// The core of a clock writes nanoseconds; receivers read a time_point.
static_assert(sizeof(timer::time_point) == sizeof(std::int64_t));
static_assert(std::is_same_v<timer::time_point::duration, std::chrono::nanoseconds>);

// due_at: when a clock that is set to `due_ns` ticks; what was due before all time is due now.
std::int64_t due_at(std::int64_t due_ns) noexcept { return due_ns > 0 ? due_ns : sched::now_ns(); }

// first_due: the first tick of a period that begins now.
std::int64_t first_due(std::int64_t period_ns) noexcept {
  return limit(std::chrono::nanoseconds(period_ns)).deadline_ns();
}

}  // namespace

namespace detail {

result<void> sleep_until_ns(std::int64_t deadline_ns, const limit& l) noexcept {
  const sched::waiting_gate inside;
  if (deadline_ns <= 0 || deadline_ns <= sched::now_ns()) return {};
  const auto raw = l.raw();
  auto until = raw;
  until.deadline_ns = std::min(deadline_ns, raw.deadline_ns);
  sched::wait w(sched::wait_reason::sleep, nullptr);
  const auto by = w.park(until);
  if (by == sched::token_timeout && deadline_ns <= raw.deadline_ns) return {};
  return std::unexpected(error(sched::code_of(by, raw), "sleep"));
}

}  // namespace detail

timer::timer(std::int64_t due_ns, std::int64_t period_ns)
    : channel_(sync::channel_core::make_clock(due_at(due_ns), period_ns)) {}

timer::~timer() {
  if (!channel_.core()->is_only(detail::receiving_end)) stop();
}

bool timer::set(std::int64_t due_ns, std::int64_t period_ns) noexcept {
  const sched::gate inside;
  return channel_.core()->set_clock(due_at(due_ns), period_ns);
}

ticker::ticker(nanoseconds period) : timer(first_due(period.count), period.count) {
  if (period.count <= 0) throw misuse_error("non-positive interval for NewTicker");
}

void ticker::set_period(nanoseconds period) {
  if (period.count <= 0) throw misuse_error("non-positive interval for Ticker.Reset");
  set(first_due(period.count), period.count);
}

}  // namespace weft
