#pragma once

// apart: builds with WEFT_SANITIZE=races, in which ThreadSanitizer takes goroutines for unordered
// that run in turn on one machine, so that it finds races between them too.
//
// How. A switch orders nothing, and neither do the queues that lead from one goroutine to the next
// (dispatching): what is left are the atomics of locks, channels and the like, and they order
// goroutines as users are promised. The runtime's own plain data is not ordered by these: plain
// accesses of the library are not looked at, neither by the compiler (cmake/weft.cmake), nor, where
// it copies or frees, by the functions that ThreadSanitizer replaces (enter_runtime).
//
// A goroutine has a fiber of its own, made by who starts it, which is what comes before it; and a
// stack of which nothing is remembered, so that it is not ordered behind the one before. Whatever a
// thread was born with comes before all that runs on it, and all of a run before its end.
//
// Not seen: what two goroutines do under read locks of one rwmutex, whose counters order them. In
// other builds all of this is empty.
//
// Tests: sync/races_test.cc.

#include <utility>

#if WEFT_TSAN && defined(WEFT_RACES)
#define WEFT_APART 1
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
}
#else
#define WEFT_APART 0
#endif

namespace weft::arch::sanitizer {

inline constexpr bool apart = WEFT_APART != 0;

// enter_runtime, leave_runtime: runtime code begins and ends, on the stack of the caller.
inline void enter_runtime() noexcept {
#if WEFT_APART
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}
inline void leave_runtime() noexcept {
#if WEFT_APART
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

// dispatching: while it lives atomics order nothing, on the stack of the caller.
class dispatching {
 public:
#if WEFT_APART
  dispatching() noexcept { AnnotateIgnoreSyncBegin(__FILE__, __LINE__); }
  ~dispatching() { AnnotateIgnoreSyncEnd(__FILE__, __LINE__); }
#else
  dispatching() noexcept {}
  ~dispatching() {}
#endif
  dispatching(const dispatching&) = delete;
  dispatching& operator=(const dispatching&) = delete;
};

// hand_over, take_over: what was done before the one comes before what follows the other.
inline void hand_over([[maybe_unused]] void* what) noexcept {
#if WEFT_APART
  __tsan_release(what);
#endif
}
inline void take_over([[maybe_unused]] void* what) noexcept {
#if WEFT_APART
  __tsan_acquire(what);
#endif
}

// all_left: handed over to by all who leave a stack, for whoever comes when none of them runs.
inline char all_left = 0;

// own_fiber: of a goroutine from its start until it has a stack.
struct own_fiber {
#if WEFT_APART
  void* fiber = nullptr;
#endif
};

// begin_apart: a goroutine is started. take_apart: it gets its stack; null where they are not
// apart.
inline void begin_apart([[maybe_unused]] own_fiber& of) noexcept {
#if WEFT_APART
  of.fiber = __tsan_create_fiber(0);
#endif
}
[[nodiscard]] inline void* take_apart([[maybe_unused]] own_fiber& of) noexcept {
#if WEFT_APART
  return std::exchange(of.fiber, nullptr);
#else
  return nullptr;
#endif
}

// end_apart: the goroutine that had this stack is no more.
#if WEFT_APART
void end_apart(void*& fiber, void* low, std::size_t size) noexcept;
#else
inline void end_apart(void*&, void*, std::size_t) noexcept {}
#endif

}  // namespace weft::arch::sanitizer
