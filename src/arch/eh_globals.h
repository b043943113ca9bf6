#pragma once

// eh_globals: the C++ runtime's record of exceptions being handled, which belongs to a stack and
// which the C++ runtime keeps per thread.
//
// `caught` is the chain of exceptions whose catch blocks are being executed, newest first;
// `uncaught` counts those still looking for a handler. When goroutine A parks inside a catch block
// and goroutine B enters and leaves one of its own on the same thread, `throw;` in A rethrows B's
// exception, and leaving A's block frees the wrong one. When A resumes on another thread, its block
// ends an exception that thread knows nothing of. So the scheduler swaps the contents at every
// switch: into the record of the goroutine that parks, out of that of the one that resumes. A new
// goroutine starts with zeros.

namespace weft::arch {

// eh_globals: the layout that the Itanium C++ ABI gives __cxa_eh_globals (section 2.2.2).
struct eh_globals {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

// current_eh_globals: where the calling thread keeps its record; constant for the life of the
// thread, so a machine asks once. <cxxabi.h> declares the function below it `const`, which allows
// compilers to keep the answer over a switch to another thread: hence a call they cannot see
// through.
[[nodiscard]] eh_globals* current_eh_globals() noexcept;

}  // namespace weft::arch
