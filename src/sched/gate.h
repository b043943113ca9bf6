#pragma once

// gate: every public operation stands inside one while it is in the runtime; a mutex that nobody
// has, or waits for, is no more than a word and does without (may_stay_out). It tells the monitor
// whether a machine is in user code (its processor may be taken) or inside (it may not): an odd or
// even sequence per machine.
//
// I1  A machine's sequence is odd exactly while it runs runtime code; gates do not nest (asserted
//     by the parity).
// I2  revoked is read after the sequence became odd. The one who revokes sets it, makes the
//     barrier, then reads the sequence: either it is not what it was, or the machine sees
//     "revoked" before it does anything else. The machine's side of the barrier is free where
//     membarrier(2) exists (asymmetric.h), a fence elsewhere and under ThreadSanitizer.
// I3  Between that read and the end of what he takes, who revokes holds the handoff lock, which a
//     machine that finds itself revoked takes first.
//
// A mere flag instead of the sequence will not do: a machine may have come out, gone in, and come
// out with another processor since it was looked at (tests/model/handoff.pml fails without it).
//
// A goroutine may leave on another machine than it entered on, and its record knows which. Plain
// threads pass through. A throw happens after leaving.

#include "sched/goroutine.h"
#include "sched/machine.h"

namespace weft::sched {

class [[nodiscard]] gate {
 public:
  gate() noexcept : gate(current_machine()) {}
  // gate(here): for who has asked for the current machine already.
  explicit gate(machine* here) noexcept : caller_(here != nullptr ? here->current : nullptr) {
    if (here != nullptr) enter_runtime(*here);
  }
  ~gate() {
    if (caller_ != nullptr) leave_runtime(*caller_->last_machine.own());
  }
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;

  // caller: null for a plain thread.
  [[nodiscard]] goroutine* caller() const noexcept { return caller_; }

 private:
  goroutine* const caller_;
};

// may_stay_out: for an operation that does without a gate if it touches nothing of the runtime:
// false if the machine is revoked: what may wait gives way then, and who outlives run() stops.
[[nodiscard]] inline bool may_stay_out(const machine& here) noexcept {
  // relaxed: as in enter_runtime(), but a hint: whoever stays out has nothing that could be taken.
  return !arch::sanitizer::apart && !here.revoked.load(base::relaxed);
}

// count_operation: the same of one that may wait: false also if it is the turn of others.
[[nodiscard]] inline bool count_operation(machine& here) noexcept {
  if (!may_stay_out(here) || here.operations_left <= 1) return false;
  --here.operations_left;
  return true;
}

// waiting_gate: of operations that may wait. Whoever goes on for long without ever having to gives
// way in between: only so does everybody get a turn where nobody can take a processor away. They
// are counted, so it happens at the same place each time.
class [[nodiscard]] waiting_gate : public gate {
 public:
  // weight: what the operation costs, in operations that make no system call.
  explicit waiting_gate(std::uint32_t weight = 1) noexcept
      : waiting_gate(current_machine(), weight) {}
  explicit waiting_gate(machine* here, std::uint32_t weight = 1) noexcept : gate(here) {
    if (here == nullptr) return;
    if (here->operations_left > weight) [[likely]] {
      here->operations_left -= weight;
    } else {
      give_way(*here);
    }
  }

  static constexpr std::uint32_t system_call = 32;
};

}  // namespace weft::sched
