// goexit: the unwinder's "forced unwinding", which pthread_exit uses too: every frame's destructors
// run, `catch (...)` and handlers of abi::__forced_unwind must rethrow, nobody else can catch it,
// and libstdc++ lets it pass where it stops exceptions (streams, for one). It ends in such a
// handler of ours, run_body().
//
// The exception object outlives the frame of goexit(): destructors run upon it.
//
// Rejected: an exception of a private type. catch (...) would end it unseen, std::current_exception
// would keep it, and promises and streams would take it for a failure.
//
// Tests: sync/goexit_test.cc.

#include <pthread.h>
#include <unwind.h>
#include <weft/goroutine.h>

#include <utility>

#include "arch/sanitizer.h"
#include "base/assert.h"
#include "sched/scheduler.h"

namespace weft {
namespace {

// exception_class: "WEFTEXIT"; whose it is.
constexpr _Unwind_Exception_Class exception_class = 0x5745465445584954;

// on_frame: asked before each frame; run_body() catches before the stack's end.
_Unwind_Reason_Code on_frame(int, _Unwind_Action actions, _Unwind_Exception_Class,
                             _Unwind_Exception*, _Unwind_Context*, void*) {
  if ((actions & _UA_END_OF_STACK) != 0) base::fatal("goexit: a frame cannot be unwound");
  return _URC_NO_REASON;
}

// caught: a handler has ended without rethrowing: ours, or somebody's.
void caught(_Unwind_Reason_Code, _Unwind_Exception* e) {
  if (!std::exchange(sched::current_goroutine()->exit_landed, false))
    base::fatal("goexit: caught and not rethrown (catch (...) must)");
  delete e;
}

}  // namespace

namespace sched {

// land_exit: from run_body()'s handler.
void scheduler::land_exit(goroutine& g) noexcept {
  g.exit_landed = true;
  if (&g != main_) return;
  main_ = nullptr;
  main_returns();
  // release: pairs with the load in looks_dead().
  main_exited_.store(true, base::release);
}

}  // namespace sched

[[noreturn]] void goexit() {
  const sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr) ::pthread_exit(nullptr);
  auto* e = new _Unwind_Exception();
  e->exception_class = exception_class;
  e->exception_cleanup = caught;
  // What AddressSanitizer holds against frames that go without returning: destructors run there.
  arch::sanitizer::forget_frames(g->stack->low,
                                 static_cast<std::size_t>(g->stack->high - g->stack->low));
  _Unwind_ForcedUnwind(e, on_frame, nullptr);
  base::fatal("goexit: the stack cannot be unwound");
}

}  // namespace weft
