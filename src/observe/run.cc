// run: every program that has a runtime shows stacks when it is asked, or dies.

#include "sched/run.h"

#include <weft/runtime.h>

#include "observe/recorder.h"
#include "observe/reporter.h"

namespace weft::detail {

void run_runtime(const run_options& options, void (*invoke)(void*), void* closure,
                 const std::source_location& site) {
  observe::set_up_reporter();
  const observe::asked_recording recording;
  sched::run_here(options, invoke, closure, site);
}

}  // namespace weft::detail
