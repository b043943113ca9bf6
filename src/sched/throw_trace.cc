#include "sched/throw_trace.h"

#include <unwind.h>

#include <utility>

#include "arch/code_place.h"
#include "sched/environment.h"
#include "sched/scheduler.h"

namespace weft::sched {
namespace {

// The frames above the throw are of the unwinder and of ours.
_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* argument) {
  auto& t = *static_cast<throw_trace*>(argument);
  if (t.count == throw_trace::frames_max) return _URC_END_OF_STACK;
  if (const auto ip = _Unwind_GetIP(context)) t.frames[t.count++] = reinterpret_cast<void*>(ip);
  return _URC_NO_REASON;
}

void note_throw() noexcept {
  const goroutine* g = current_goroutine();
  if (g == nullptr || g->throws_to == nullptr) return;
  auto& t = *g->throws_to;
  if (g->rethrown != nullptr) {
    t = *g->rethrown;
    return;
  }
  t.id = g->id;
  t.name = g->name.get();
  t.site_function = g->site_function;
  t.site_file = g->site_file;
  t.site_line = g->site_line;
  t.count = 0;
  _Unwind_Backtrace(note_frame, &t);
}

}  // namespace

// weft_observe_throw: the personality routine of call_observed's frame.
extern "C" [[gnu::used, gnu::visibility("hidden")]] _Unwind_Reason_Code weft_observe_throw(
    int, _Unwind_Action actions, _Unwind_Exception_Class, _Unwind_Exception*, _Unwind_Context*) {
  if ((actions & _UA_SEARCH_PHASE) != 0) note_throw();
  return _URC_CONTINUE_UNWIND;
}

// observed_frame: without anything to clean up, so that the compiler gives it no routine of its
// own.
[[gnu::noinline]] static void observed_frame(void (*f)(void*), void* argument) {
  // 0x1b: the routine's address is relative to here, in four bytes.
  asm volatile(".cfi_personality 0x1b, weft_observe_throw");
  f(argument);
  asm volatile("" ::: "memory");  // not a tail call: the frame stays
}

void call_observed(void (*f)(void*), void* argument, throw_trace& sink) {
  struct watched {
    throw_trace* const before;
    ~watched() { current_goroutine()->throws_to = before; }
  } const restore{std::exchange(current_goroutine()->throws_to, &sink)};
  observed_frame(f, argument);
}

rethrowing::rethrowing(const throw_trace& first) noexcept
    : slot_(current_goroutine() != nullptr ? &current_goroutine()->rethrown : nullptr),
      before_(slot_ != nullptr ? std::exchange(*slot_, first.id != 0 ? &first : nullptr)
                               : nullptr) {}

rethrowing::~rethrowing() {
  if (slot_ != nullptr) *slot_ = before_;
}

std::string text_of(const throw_trace& t) {
  if (t.id == 0) return {};
  std::string text = "goroutine " + std::to_string(t.id);
  if (t.name[0] != '\0') text += std::string(" \"") + t.name.data() + '"';
  text += " [failed]:\n";
  for (int i = 0; i < t.count; ++i) {
    text += arch::text_of_place(t.frames[i]).data();
    text += '\n';
  }
  text += std::string("created by ") + t.site_function + " at " + t.site_file + ':' +
          std::to_string(t.site_line) + '\n';
  return text;
}

}  // namespace weft::sched
