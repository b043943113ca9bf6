#pragma once

// walk: the return addresses on a stack that does not run.
//
// Thousands of stacks stand in the same few places, and each has to hold still while it is walked.
// So what the compiler noted of a place is looked up once (cfi.h) and kept; a walk is some loads a
// frame. It looks nothing up: where it does not know a place it says so, and its caller lets the
// stack go, looks the place up, and begins again.
//
// Rejected: copying the stack and unwinding the copy (more memory to touch than there are frames);
// frame pointers (most libraries have none); the unwinder of exceptions (a microsecond a frame, and
// it cannot begin at a place of our choice).
//
// Tests: walk_test.cc.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arch/cfi.h"
#include "arch/switch.h"

namespace weft::arch {

// place: where code stands.
struct place {
  std::uintptr_t pc = 0;
  std::uintptr_t sp = 0;
  std::uintptr_t fp = 0;
};

// left_at: where the stack that switch_context left with `at` will go on: in the function that
// called it. Zeros where that cannot be told.
[[nodiscard]] place left_at(const context& at) noexcept;

enum class walked : std::uint8_t {
  whole,  // to its base
  cut,    // to `frames_max`, or to a place of which too little is known
  lacks,  // a place that learn() has to look up
};

// walker: not thread-safe. What it has learnt is true until code is unloaded.
class walker {
 public:
  struct result {
    walked end;
    std::size_t count;  // of return addresses, the youngest first
  };

  // walk: of the stack [low, high), which holds still and was left with `at`. Allocates nothing.
  result walk(const context& at, const void* low, const void* high,
              std::span<std::uintptr_t> frames) noexcept;

  // learn: the place that the last walk lacked. May throw std::bad_alloc.
  void learn();

 private:
  struct known {
    std::uintptr_t pc = 0;
    frame_rule rule;
  };
  [[nodiscard]] known* find(std::uintptr_t pc) noexcept;
  void grow();

  std::vector<known> table_{std::vector<known>(256)};  // a power of two; probed linearly
  std::size_t used_ = 0;
  std::uintptr_t lacking_ = 0;
};

}  // namespace weft::arch
