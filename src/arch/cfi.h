#pragma once

// cfi: what the compiler noted of one place in the code for unwinders (.eh_frame: DWARF 5, 6.4; LSB
// 5.0, 10.6): where the caller's frame begins, and where its return address and frame pointer lie.

#include <cstdint>

namespace weft::arch {

// frame_rule: how to come from a frame to its caller's. Its `cfa` is the caller's stack pointer.
struct frame_rule {
  enum class kind : std::uint8_t {
    unknown,  // nothing noted, or more than these fields can say
    base,     // the outermost frame
    frame,
  };
  kind is = kind::unknown;
  bool cfa_from_fp = false;      // else from the stack pointer
  bool fp_saved = false;         // else the caller's frame pointer is this frame's
  std::int32_t cfa_offset = 0;   // cfa = register + cfa_offset
  std::int32_t link_offset = 0;  // the return address is at cfa + link_offset
  std::int32_t fp_offset = 0;    // the caller's frame pointer is at cfa + fp_offset
};

// is_base: whether the function that begins there is the outermost of each stack, where the
// compiler could not note it.
[[nodiscard]] bool is_base(const void* function) noexcept;

// rule_of: of the call that returns to `pc`. Takes some hundred nanoseconds, and perhaps the
// dynamic linker's lock; allocates nothing.
[[nodiscard]] frame_rule rule_of(std::uintptr_t pc) noexcept;

}  // namespace weft::arch
