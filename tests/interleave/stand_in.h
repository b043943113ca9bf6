#pragma once

// stand_in: what is left of the scheduler where channels and select are checked. A thread of the
// program waits as a plain thread does (src/sched/wait.cc), with a wake-up in one step.

#include <array>

#include "base/atomic.h"
#include "sched/waiter.h"

namespace weft::sched {

struct standing_record : waiter {
  standing_record() noexcept : waiter(true, 1) {
    to_runnable();
    to_running();
  }
  base::atomic<std::uint32_t> awake{0};
};

// records: of the threads of one execution; every program that waits makes one.
class records {
 public:
  records() noexcept;
  // of: of that thread of the program.
  [[nodiscard]] standing_record& of(std::size_t thread) noexcept { return all_[thread]; }

 private:
  std::array<standing_record, 5> all_;
};

}  // namespace weft::sched
