#pragma once

// overflow: what happens when a goroutine runs into the guard of its stack. The fault can only be
// handled on another stack, so every thread that runs goroutines has an alternate one; the handler
// asks the describer whose stack it was, and then lets the process die as it would have died
// without us.

#include <cstddef>

namespace weft::stack {

// overflow_describer: whether `fault_address` lies in the guard of a goroutine's stack; if so it
// has printed what it knows. Called in a signal handler, on the alternate stack: async-signal-safe.
// `ucontext` is the ucontext_t of the fault.
using overflow_describer = bool (*)(const void* fault_address, void* ucontext) noexcept;

// set_overflow_describer: null for none. One for the process.
void set_overflow_describer(overflow_describer describer) noexcept;

// install_overflow_handler: handles SIGSEGV and SIGBUS from now on. Whatever the fault was, the
// handler found at the first call comes next, with its own flags and mask respected; where there
// was none, the process dies of the signal, with the context of the fault in its core. Further
// calls do nothing.
void install_overflow_handler() noexcept;

// alternate_stack: the calling thread's stack for signal handlers, as long as this object lives;
// then the previous one again. Made and destroyed on the same thread, outside of any handler.
class alternate_stack {
 public:
  static constexpr std::size_t size = 64 * 1024;

  alternate_stack() noexcept;
  ~alternate_stack();
  alternate_stack(const alternate_stack&) = delete;
  alternate_stack& operator=(const alternate_stack&) = delete;

 private:
  char* pages_ = nullptr;  // null if the kernel refused; overflows are then not described
  void* previous_ = nullptr;
  std::size_t previous_size_ = 0;
  int previous_flags_ = 0;
};

}  // namespace weft::stack
