#include "sched/trace.h"

#include "sched/machine.h"

namespace weft::sched::trace {

void tell(event what, const goroutine& g, std::uint32_t detail) noexcept {
  // acquire: pairs with listen().
  const auto who = listeners.listening.load(base::acquire);
  if ((who & board::recorder_bit) != 0) listeners.recorder(what, g, detail);
  if ((who & board::locks_bit) != 0) listeners.locks(what, g, detail);
}

void tell_dispatched(const goroutine& g) noexcept {
  const processor* p = current_machine()->p;
  tell(event::dispatched, g, p != nullptr ? p->index : no_processor);
}

}  // namespace weft::sched::trace
