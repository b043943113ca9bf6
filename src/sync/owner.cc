#include "sync/owner.h"

#include "sched/waiter.h"

namespace weft::sync {

owner_number number_of_thread() noexcept {
  static thread_local owner_number number = 0;
  if (number == 0) number = sched::take_numbers(1);
  return number;
}

}  // namespace weft::sync
