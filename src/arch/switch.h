#pragma once

// switch: leaving one stack and going on upon another. One small file per CPU
// (switch_x86_64.S, switch_aarch64.S) and a portable one over ucontext (switch_ucontext.cc), chosen
// by WEFT_SWITCH.

namespace weft::arch {

// context: where a stack that does not run will go on. Valid from the switch that saved it until
// the switch that resumes it. It owns nothing: what was saved lies on the stack itself, so a stack
// that will not run again is simply forgotten.
struct context {
  void* sp = nullptr;
};

// entry_function: the first function of a new stack. It gets the `transfer` of the switch that
// started it, and never returns.
using entry_function = void (*)(void* transfer);

// make_context: prepares [low, high) so that the first switch to the result calls `entry` with a
// 16-byte aligned stack, zero frame pointer and undefined return address (unwinders stop there, and
// an exception that leaves `entry` reaches std::terminate). `high` is 16-byte aligned; nothing
// below the first frame is touched. Floating-point control words start as the calling thread's.
[[nodiscard]] context make_context(void* low, void* high, entry_function entry) noexcept
    __asm__("weft_make_context");

// switch_context: saves the callee-saved state of the caller in *from, resumes `to`, and returns
// the `transfer` given by whoever resumes `from` later. The floating-point control words (rounding
// mode, exception masks) belong to the context; the sticky exception flags do not. The signal mask
// stays the thread's, except over ucontext. It may return on another thread: nothing per thread
// (errno, addresses of thread-locals) may be kept over it. Cost: 2 to 4 ns; about 500 ns over
// ucontext, which makes a system call.
void* switch_context(context* from, context to, void* transfer) noexcept
    __asm__("weft_switch_context");

}  // namespace weft::arch
