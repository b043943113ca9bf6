#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/sanitizer.h"
#include "base/assert.h"
#include "sched/asymmetric.h"

namespace weft::sched {

bool light_is_free = false;

bool asymmetric_barrier_ready() noexcept {
#if WEFT_TSAN
  return false;
#else
  return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#endif
}

void heavy_barrier() noexcept {
  if (!light_is_free) {
    base::thread_fence(base::seq_cst);
    return;
  }
  const long failed = ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  WEFT_ASSERT(failed == 0, "membarrier worked at start-up");
}

}  // namespace weft::sched
