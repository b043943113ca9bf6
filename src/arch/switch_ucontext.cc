// switch_ucontext: the switch where no assembly is at hand. Correct and slow: swapcontext saves the
// signal mask with a system call. The C library writes the base frame, with CFI where it has any.

#include <ucontext.h>

#include <cstdint>
#include <new>

#include "arch/switch.h"
#include "arch/walk.h"
#include "base/assert.h"

namespace weft::arch {
namespace {

// saved: what context.sp points to. It lies on the stack it describes: in the frame of
// switch_context for a stack that was left, at the top for one that never ran. So nothing is
// allocated or freed.
struct alignas(16) saved {
  ucontext_t registers;
  void* transfer;
  entry_function entry;
};

// base: makecontext passes ints only, hence the halves of a pointer.
void base(unsigned int upper, unsigned int lower) {
  const auto address = (std::uint64_t{upper} << 32) | lower;
  const auto* self = reinterpret_cast<const saved*>(static_cast<std::uintptr_t>(address));
  self->entry(self->transfer);
  WEFT_ASSERT(false, "an entry function returned");
}

}  // namespace

context make_context(void* low, void* high, entry_function entry) noexcept {
  auto* self = new (static_cast<char*>(high) - sizeof(saved)) saved;
  const bool got = getcontext(&self->registers) == 0;
  WEFT_ASSERT(got, "getcontext failed");
  self->transfer = nullptr;
  self->entry = entry;
  self->registers.uc_link = nullptr;
  self->registers.uc_stack.ss_sp = low;
  self->registers.uc_stack.ss_size =
      static_cast<std::size_t>(reinterpret_cast<char*>(self) - static_cast<char*>(low));
  const auto address = std::uint64_t{reinterpret_cast<std::uintptr_t>(self)};
  makecontext(&self->registers, reinterpret_cast<void (*)()>(&base), 2,
              static_cast<unsigned int>(address >> 32), static_cast<unsigned int>(address));
  return {self};
}

void* switch_context(context* from, context to, void* transfer) noexcept {
  saved here;
  from->sp = &here;
  auto* next = static_cast<saved*>(to.sp);
  next->transfer = transfer;
  const bool swapped = swapcontext(&here.registers, &next->registers) == 0;
  WEFT_ASSERT(swapped, "swapcontext failed");
  return here.transfer;
}

// is_base: what calls base() belongs to the C library, which notes little there.
bool is_base(const void* function) noexcept {
  return function == reinterpret_cast<const void*>(&base);
}

// left_at: where the C library's registers have known names. A stack that has not begun goes on at
// the very beginning of base(), which is no return address.
place left_at([[maybe_unused]] const context& at) noexcept {
#if defined(__x86_64__)
  const auto& r = static_cast<const saved*>(at.sp)->registers.uc_mcontext.gregs;
  if (is_base(reinterpret_cast<const void*>(r[REG_RIP]))) return {};
  return {.pc = static_cast<std::uintptr_t>(r[REG_RIP]),
          .sp = static_cast<std::uintptr_t>(r[REG_RSP]),
          .fp = static_cast<std::uintptr_t>(r[REG_RBP])};
#elif defined(__aarch64__)
  const auto& r = static_cast<const saved*>(at.sp)->registers.uc_mcontext;
  if (is_base(reinterpret_cast<const void*>(r.pc))) return {};
  return {.pc = r.pc, .sp = r.sp, .fp = r.regs[29]};
#else
  return {};
#endif
}

}  // namespace weft::arch
