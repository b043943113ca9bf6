#include "arch/eh_globals.h"

#include <cxxabi.h>

namespace weft::arch {

[[gnu::noinline]] eh_globals* current_eh_globals() noexcept {
  // Keeps link-time optimisation from deducing that the answer never changes.
  asm volatile("" ::: "memory");
  return reinterpret_cast<eh_globals*>(abi::__cxa_get_globals());
}

}  // namespace weft::arch
