#pragma once

// asymmetric barrier: light_barrier() on a hot side costs nothing where membarrier(2) exists,
// because heavy_barrier() on the rare side makes every running thread of the process execute a full
// barrier. Elsewhere (old kernels, qemu-user, ThreadSanitizer) both are full fences.

#include "base/atomic.h"

namespace weft::sched {

// asymmetric_barrier_ready: registers with membarrier once; false where it is missing.
[[nodiscard]] bool asymmetric_barrier_ready() noexcept;

// light_is_free: the answer of asymmetric_barrier_ready(), set before the first machine starts.
extern bool light_is_free;

inline void light_barrier() noexcept {
  if (light_is_free) [[likely]] {
    base::compiler_barrier();
  } else {
    base::thread_fence(base::seq_cst);
  }
}

void heavy_barrier() noexcept;

}  // namespace weft::sched
