#pragma once

// stack: memory for goroutines to run on. Slots in large slabs, guarded, coloured, cached.
// (The allocator's essay stands in stack.cc.)

#include <cstddef>
#include <cstdint>

namespace weft::stack {

// guard_kind: what stands below a stack.
enum class guard_kind : std::uint8_t {
  install,   // MADV_GUARD_INSTALL: a guard without a mapping of its own (Linux 6.13 and later)
  mprotect,  // a PROT_NONE page range: two mappings a stack, so only up to a budget under
             // vm.max_map_count
  canary,    // a strip that must stay zero, checked at every park and at the end
};

inline constexpr std::size_t default_size = 256 * 1024;  // usable and guard together: the slot
inline constexpr std::size_t guard_size = 64 * 1024;
inline constexpr std::size_t canary_size = 256;

struct slab;

// stack: one slot. The record lives outside the slot and is reused.
struct stack {
  char* low = nullptr;  // lowest usable byte (above the guard)
  char* high =
      nullptr;  // one past the highest usable byte: 64 x index colour taken off, 16-aligned
  char* slot = nullptr;  // start of the slot, guard included
  std::size_t slot_size = 0;
  stack* next = nullptr;   // owner's link: cache lists
  void* fiber = nullptr;   // ThreadSanitizer's fiber of this stack: the scheduler makes it at first
                           // use, destroy() ends it
  std::uint32_t mark = 0;  // valgrind's name of this stack
  guard_kind guard = guard_kind::canary;
  bool in_use = false;   // the allocator's: between allocate and release
  slab* home = nullptr;  // the allocator's
};

// allocator: all stacks of a runtime. Thread-safe. allocate() maps memory when no slot is free and
// therefore makes system calls: not under a runtime lock.
class allocator;

// chosen_guard: the kind in use: WEFT_STACK_GUARD=install|mprotect|canary if set (an error text and
// exit if unknown or not working here), else the best that works: a guard is believed only after an
// access at start-up has failed. Decided once per process.
[[nodiscard]] guard_kind chosen_guard() noexcept;

// create, destroy: a runtime has one. `guard` is the best kind to use: single stacks get a weaker
// one where the kernel refuses it. Null when there is no memory. destroy unmaps every slab: nobody
// may stand on a stack of it.
[[nodiscard]] allocator* create(guard_kind guard = chosen_guard()) noexcept;
void destroy(allocator* a) noexcept;

// allocate: a stack whose slot has at least `size` bytes (rounded up to a power of two, at least
// 64 KiB + guard), newest freed first. Null when the kernel refuses memory, and for more than 64
// GiB.
[[nodiscard]] stack* allocate(allocator& a, std::size_t size) noexcept;

// release: gives it back.
void release(allocator& a, stack* s) noexcept;

// trim: gives some memory back to the kernel, of stacks beyond a bound on what is cached that
// nobody has needed for a second. Returns when to call again on the clock of `now_ns`: now_ns
// itself when there is more to do; trim_never when everything beyond the bound has been given back.
// For whoever has nothing else to do: makes up to 64 system calls.
inline constexpr std::int64_t trim_never = INT64_MAX;
std::int64_t trim(allocator& a, std::int64_t now_ns) noexcept;

// canary_stands: whether the strip below `s` is untouched.
[[nodiscard]] bool canary_stands(const stack& s) noexcept;

// canary_intact: false if `s` has a canary for a guard and has overflowed; true for other kinds.
[[nodiscard]] inline bool canary_intact(const stack& s) noexcept {
  return s.guard != guard_kind::canary || canary_stands(s);
}

// guard_contains: whether `address` lies in the guard of `s`; async-signal-safe.
[[nodiscard]] inline bool guard_contains(const stack& s, const void* address) noexcept {
  return address >= s.slot && address < s.low;
}

struct statistics {
  std::size_t slots = 0;  // ever made
  std::size_t in_use = 0;
  std::size_t cached = 0;
  std::size_t surplus = 0;    // of the cached ones: with pages that trim() will give back
  std::size_t unguarded = 0;  // canary in place of a guard because the budget of mappings was spent
};
[[nodiscard]] statistics statistics_of(const allocator& a) noexcept;

}  // namespace weft::stack
