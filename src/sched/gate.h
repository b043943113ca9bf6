#pragma once

// gate: every public operation stands inside one while it is in the runtime. It tells the monitor
// whether a machine is in user code (its processor may be taken) or inside (it may not): an odd or
// even sequence per machine.
//
// I1  A machine's sequence is odd exactly while it runs runtime code; gates do not nest (asserted
// by the parity). I2  revoked is read after the sequence became odd. The one who revokes sets it,
// makes the barrier, then reads the sequence:
//     either it sees "inside", or the machine sees "revoked". The machine's side of the barrier is
//     free where membarrier(2) exists (asymmetric.h), an atomic exchange elsewhere and under
//     ThreadSanitizer.
//
// A goroutine may leave on another machine than it entered on. Plain threads pass through. A throw
// happens after leaving.

#include "sched/machine.h"

namespace weft::sched {

class [[nodiscard]] gate {
 public:
  gate() noexcept : inside_(current_machine() != nullptr) {
    if (inside_) enter_runtime(*current_machine());
  }
  ~gate() {
    if (inside_) leave_runtime(*current_machine());
  }
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;

  // of_goroutine: false for a plain thread.
  [[nodiscard]] bool of_goroutine() const noexcept { return inside_; }

 private:
  const bool inside_;
};

}  // namespace weft::sched
