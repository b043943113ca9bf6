#pragma once

// sanitizer: tells AddressSanitizer, ThreadSanitizer, LeakSanitizer and valgrind about stacks.
// Every function is empty in a build without the tool. A switch is written
//
//   sanitizer::fiber_save save;
//   sanitizer::before_switch(save, to_low, to_size, to_fiber, from_is_dying);
//   void* transfer = switch_context(&from, to, value);
//   sanitizer::after_switch(save);
//
// and the entry function of a new stack begins with after_switch({}). Nothing that a sanitizer
// instruments may stand between before_switch and switch_context: from there on the tool believes
// to be on the other stack already. Hence always_inline: a call would leave on another stack than
// it entered.

#include <cstddef>
#include <utility>

#if defined(__has_feature)
#define WEFT_HAS_FEATURE(x) __has_feature(x)
#else
#define WEFT_HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || WEFT_HAS_FEATURE(address_sanitizer)
#define WEFT_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define WEFT_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || WEFT_HAS_FEATURE(thread_sanitizer)
#define WEFT_TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define WEFT_TSAN 0
#endif

#if WEFT_ASAN || WEFT_TSAN
#include <pthread.h>
#endif

#if __has_include(<valgrind/valgrind.h>)
#define WEFT_VALGRIND 1
#include <valgrind/valgrind.h>
#else
#define WEFT_VALGRIND 0
#endif

#include "arch/apart.h"

namespace weft::arch::sanitizer {

inline constexpr bool present = WEFT_ASAN != 0 || WEFT_TSAN != 0;

// fiber_save: what AddressSanitizer wants back when the stack that was left goes on: its
// heap-allocated frames. Lives in the frame that switches.
struct fiber_save {
#if WEFT_ASAN
  void* fake_stack = nullptr;
#endif
};

// stack_range: a stack as AddressSanitizer wants it described.
struct stack_range {
  const void* low = nullptr;
  std::size_t size = 0;
};

// thread_stack: the stack the calling thread was born with, for switches back to it; empty without
// a sanitizer. Costs a system call or two: ask once per machine, on that stack or any other.
[[nodiscard]] inline stack_range thread_stack() noexcept {
  stack_range range;
#if WEFT_ASAN || WEFT_TSAN
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    void* low = nullptr;
    std::size_t size = 0;
    if (pthread_attr_getstack(&attributes, &low, &size) == 0) range = {low, size};
    pthread_attr_destroy(&attributes);
  }
#endif
  return range;
}

// create_fiber: ThreadSanitizer's name for a stack, null in other builds. One per stack, not per
// goroutine: they are costly, and a stack's next goroutine is ordered behind the last by the
// allocator's lock anyway.
[[nodiscard]] inline void* create_fiber() noexcept {
#if WEFT_TSAN
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}

// current_fiber: the one the caller runs on; asked by a machine for its own stack.
[[nodiscard]] inline void* current_fiber() noexcept {
#if WEFT_TSAN
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}

// destroy_fiber: never the current one. Null is ignored. One of a goroutine that never ended stands
// in the runtime, where it cannot be destroyed while they are apart (apart.h): it stays.
inline void destroy_fiber([[maybe_unused]] void* fiber) noexcept {
#if WEFT_TSAN
  if (fiber != nullptr && !apart) __tsan_destroy_fiber(fiber);
#endif
}

// before_switch: the next instruction leaves this stack for [to_low, to_low + to_size). A dying
// stack is never resumed, so what `save` would keep is freed; one that begins has run nothing yet.
// For ThreadSanitizer the switch orders what was done before it with what follows on the other
// stack, unless they are apart: the scheduler's own plain data depends on that, at the price that
// races between goroutines that happened to run in turn on one machine stay unseen.
[[gnu::always_inline]] inline void before_switch([[maybe_unused]] fiber_save& save,
                                                 [[maybe_unused]] const void* to_low,
                                                 [[maybe_unused]] std::size_t to_size,
                                                 [[maybe_unused]] void* to_fiber,
                                                 [[maybe_unused]] bool to_begins,
                                                 [[maybe_unused]] bool from_is_dying) noexcept {
#if WEFT_ASAN
  __sanitizer_start_switch_fiber(from_is_dying ? nullptr : &save.fake_stack, to_low, to_size);
#endif
#if WEFT_TSAN
  if (from_is_dying) leave_runtime();
  __tsan_switch_to_fiber(to_fiber, apart ? __tsan_switch_to_fiber_no_sync : 0);
  if (to_begins) enter_runtime();  // from here on we are taken to be there
#endif
}

// after_switch: the first thing on a stack that runs again, with its own `save`.
[[gnu::always_inline]] inline void after_switch([[maybe_unused]] const fiber_save& save) noexcept {
#if WEFT_ASAN
  __sanitizer_finish_switch_fiber(save.fake_stack, nullptr, nullptr);
#endif
}

// forget_frames: what AddressSanitizer still holds against [low, low + size) is void: the frames
// that stood there ended without returning.
inline void forget_frames([[maybe_unused]] const void* low,
                          [[maybe_unused]] std::size_t size) noexcept {
#if WEFT_ASAN
  __asan_unpoison_memory_region(low, size);
#endif
}

// on_valgrind: whether the program runs there, and was built where valgrind's header is.
[[nodiscard]] inline bool on_valgrind() noexcept {
#if WEFT_VALGRIND
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

// register_stack: tells valgrind that [low, high) is a stack, so that moving there is a switch and
// not one huge frame. Returns its name for deregister_stack. A few instructions without effect
// outside of valgrind, so no option decides: builds on machines that have valgrind's header tell
// it.
[[nodiscard]] inline unsigned register_stack([[maybe_unused]] const void* low,
                                             [[maybe_unused]] const void* high) noexcept {
#if WEFT_VALGRIND
  return static_cast<unsigned>(VALGRIND_STACK_REGISTER(low, high));
#else
  return 0;
#endif
}

inline void deregister_stack([[maybe_unused]] unsigned name) noexcept {
#if WEFT_VALGRIND
  VALGRIND_STACK_DEREGISTER(name);
#endif
}

}  // namespace weft::arch::sanitizer
