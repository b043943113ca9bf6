#include <weft/dump.h>
#include <weft/go.h>
#include <weft/runtime.h>

#include "base/assert.h"
#include "observe/report.h"
#include "observe/reporter.h"
#include "observe/snapshot.h"
#include "sched/inspect.h"

namespace weft {
namespace observe {
namespace {

// report: false without memory for it.
bool report(bool crashed) noexcept {
  try {
    const auto text = "\n" + text_of(take(false, crashed), false);
    base::write_stderr(text);
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void set_up_reporter() noexcept { sched::set_reporter(report); }

}  // namespace observe

std::string dump(const dump_options& options) {
  // It computes for some milliseconds where there are many: others may have the processor.
  return blocking([&] {
    const auto all = observe::take(options.stack_sizes, false);
    return options.format == dump_format::json ? observe::json_of(all, options.stack_sizes)
                                               : observe::text_of(all, options.stack_sizes);
  });
}

}  // namespace weft
