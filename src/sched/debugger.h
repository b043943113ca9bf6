#pragma once

// debugger: what a debugger finds in a program without debug information of ours, or in its core:
// the schedulers, and where things lie. tools/gdb/weft.py reads it by the names in debugger.cc.

#include <cstddef>

#include "base/atomic.h"

namespace weft::sched {

class scheduler;

inline constexpr std::size_t schedulers_max = 64;

// registry: the schedulers that exist, for lists. A slot is written under inspect.cc's lock; lists
// read without it, from crashes too. (Defined beside the tables, so that a program has both.)
extern base::atomic<scheduler*> registry[schedulers_max];

}  // namespace weft::sched
