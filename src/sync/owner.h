#pragma once

// owner_number: who owns a lock: the number of a goroutine's record, or of a plain thread. 0 is
// nobody, the largest is below sched::numbers_end.

#include <cstdint>

#include "sched/gate.h"
#include "sched/goroutine.h"

namespace weft::sync {

using owner_number = std::uint32_t;

// number_of_thread: of the calling plain thread.
[[nodiscard]] owner_number number_of_thread() noexcept;

// owner_in: the number of who stands in `inside`.
[[nodiscard]] inline owner_number owner_in(const sched::gate& inside) noexcept {
  const sched::goroutine* g = inside.caller();
  return g != nullptr ? g->number() : number_of_thread();
}

// owner_of_mutex, owner_of_rwmutex: of what goroutines wait on (sched::wait's object): 0 if nobody
// has it, or readers have. A glance. Somebody must wait there meanwhile, so that it stays.
[[nodiscard]] owner_number owner_of_mutex(const void* object) noexcept;
[[nodiscard]] owner_number owner_of_rwmutex(const void* object) noexcept;

}  // namespace weft::sync
