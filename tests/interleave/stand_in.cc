#include "stand_in.h"

#include <utility>

#include "base/assert.h"
#include "sched/environment.h"
#include "sched/machine.h"
#include "sched/wait.h"
#include "sync/channel_core.h"
#include "sync/context.h"
#include "sync/random.h"

namespace weft::base {

void assert_failed(const char*, const char* text, const char*, int) noexcept {
  interleave::fail(text);
}

}  // namespace weft::base

namespace weft::sched {
namespace {

records* here = nullptr;

}  // namespace

records::records() noexcept { here = this; }

void ready(waiter& w) noexcept {
  // release: as in src/sched/wait.cc.
  static_cast<standing_record&>(w).awake.store(1, base::release);
}

void wake_list::keep_runtime(waiter&) noexcept {}  // there is none

void wake_list::fire_many() noexcept {
  while (waiter* w = take()) ready(*w);
}

wait::wait(wait_reason, const void*) noexcept
    : who_(here->of(interleave::thread_number())), ticket_(who_.arm()) {}

wait::~wait() {
  if (open_) give_up();
}

void wait::again() noexcept {
  ticket_ = who_.arm();
  open_ = true;
}

token wait::give_up() noexcept {
  open_ = false;
  return who_.disarm() ? token_none : who_.resume();
}

token wait::park(const limits&) noexcept {
  open_ = false;
  auto& self = static_cast<standing_record&>(who_);
  if (who_.try_park()) {
    interleave::take_when(self.awake.checked_cell(), 1, 0, interleave::site::current());
  }
  return who_.resume();
}

std::error_code code_of(token by, const limits&) noexcept {
  return make_error_code(by == token_timeout ? errc::timeout : errc::cancelled);
}

// Nobody here has a machine.
bool light_is_free = false;
machine* current_machine() noexcept { return nullptr; }
void entered_revoked(machine&) noexcept { interleave::fail("no machine is here"); }
void give_way(machine&) noexcept { interleave::fail("no machine is here"); }
std::int64_t now_ns() noexcept { return 0; }
bool cancel_source::add(cancel_node&) noexcept { interleave::fail("no context is here"); }
void cancel_source::remove(cancel_node&) noexcept { interleave::fail("no context is here"); }

}  // namespace weft::sched

namespace weft {

sched::limits limit::raw() const noexcept { return {}; }
void limit::source::drop() noexcept {}  // nothing here has a stop_token

}  // namespace weft

namespace weft::sync {

// Nobody watches who has the ends of channels.
bool ends_watched = false;
void channel_core::release_watched(detail::ends) noexcept { interleave::fail("nobody watches"); }
bool channel_core::begins_orphaned(direction, const sched::limits&) const noexcept {
  interleave::fail("nobody watches");
}
void channel_core::tell_orphaned(direction) noexcept { interleave::fail("nobody watches"); }

bool context_state::settle() noexcept { interleave::fail("no context is here"); }

// random_bits: for a select of two cases: both orders.
std::uint64_t random_bits() noexcept { return interleave::choose(2) == 0 ? 0 : UINT64_MAX; }

}  // namespace weft::sync
