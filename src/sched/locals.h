#pragma once

// locals: what the dispatcher needs of goroutine_local: the values go when their goroutine ends.

#include "sched/goroutine.h"

namespace weft::sched {

// end_locals: destroys the values of `g`, which runs: user code, outside of the gate.
void end_locals(goroutine& g) noexcept;

}  // namespace weft::sched
