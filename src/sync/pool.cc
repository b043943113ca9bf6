#include <weft/pool.h>
#include <weft/runtime.h>

#include <algorithm>
#include <bit>

#include "sched/machine.h"
#include "sync/owner.h"

namespace weft::detail {

// parts_max: more than so many processors share their parts.
constexpr std::size_t parts_max = 64;

std::size_t pool_parts() noexcept {
  return std::bit_ceil(std::clamp<std::size_t>(max_procs(), 1, parts_max));
}

std::size_t pool_part() noexcept {
  const sched::machine* m = sched::current_machine();
  return m != nullptr ? m->index : sync::number_of_thread();
}

}  // namespace weft::detail
