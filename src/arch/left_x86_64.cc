// left_at, is_base: of the frame that switch_x86_64.S describes.

#include "arch/walk.h"

namespace weft::arch {

place left_at(const context& at) noexcept {
  const auto* word = static_cast<const std::uintptr_t*>(at.sp);
  return {.pc = word[7], .sp = reinterpret_cast<std::uintptr_t>(word + 8), .fp = word[6]};
}

// The assembly notes it.
bool is_base(const void*) noexcept { return false; }

}  // namespace weft::arch
