#pragma once

#include <source_location>

namespace weft {
struct run_options;
}

namespace weft::sched {

// run_here: what weft::run does, for who stands above and knows what a program shall have besides
// (observe/run.cc).
void run_here(const run_options& options, void (*invoke)(void*), void* closure,
              const std::source_location& site);

}  // namespace weft::sched
