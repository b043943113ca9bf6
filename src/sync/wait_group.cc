#include <weft/wait_group.h>

#include <new>

#include "sched/gate.h"
#include "sync/wait_group_core.h"

namespace weft {
namespace {

sync::wait_group_core& core_of(std::byte* bytes) noexcept {
  return *std::launder(reinterpret_cast<sync::wait_group_core*>(bytes));
}

}  // namespace

wait_group::wait_group() noexcept {
  static_assert(sizeof(sync::wait_group_core) <= sizeof core_ &&
                alignof(sync::wait_group_core) <= 8);
  ::new (static_cast<void*>(core_)) sync::wait_group_core;
}

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
