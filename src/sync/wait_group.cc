#include <weft/wait_group.h>

#include <new>

#include "sched/gate.h"
#include "sync/wait_group_core.h"

namespace weft {
namespace {

// core_of: which begins as zeros (waiters.h).
sync::wait_group_core& core_of(std::byte* bytes) noexcept {
  static_assert(sizeof(sync::wait_group_core) <= sizeof(wait_group) &&
                alignof(sync::wait_group_core) <= alignof(wait_group));
  return *std::launder(reinterpret_cast<sync::wait_group_core*>(bytes));
}

}  // namespace

void wait_group::add(std::ptrdiff_t n) {
  bool counted = false;
  {
    const sched::gate inside;
    counted = core_of(core_).add(n);
  }
  if (!counted) throw misuse_error("sync: negative WaitGroup counter");
}

result<void> wait_group::wait(const limit& l) noexcept {
  const sched::waiting_gate inside;
  const auto raw = l.raw();
  const auto by = core_of(core_).wait(sched::wait_reason::wait_group, raw);
  if (by == sched::token_ready) return {};
  return std::unexpected(error(sched::code_of(by, raw), "wait"));
}

}  // namespace weft
