#pragma once

// atomic: the one door to atomics. Everything in the runtime names base::atomic, so that a model
// checker puts its own type here and enumerates interleavings (tests/interleave). Orders are always
// written out: there is no implicit seq_cst in the tree.

#include <atomic>
#include <cstdint>

namespace weft::base {

template <class T>
using atomic = std::atomic<T>;

using order = std::memory_order;
inline constexpr order relaxed = std::memory_order_relaxed;
inline constexpr order acquire = std::memory_order_acquire;
inline constexpr order release = std::memory_order_release;
inline constexpr order acq_rel = std::memory_order_acq_rel;
inline constexpr order seq_cst = std::memory_order_seq_cst;

// glance: the value of an ordinary object that another thread may be writing, by set_glanced or out
// of the compiler's sight; a hint.
template <class T>
[[nodiscard]] T glance(const T& from) noexcept {
  return std::atomic_ref<T>(const_cast<T&>(from)).load(relaxed);
}
template <class T>
void set_glanced(T& to, T value) noexcept {
  std::atomic_ref<T>(to).store(value, relaxed);
}

// bump: adds one to what this thread alone writes, and others read: one instruction where the CPU
// has it. Says nothing of anything else.
inline void bump(atomic<std::uint64_t>& of) noexcept {
#if defined(__x86_64__)
  asm("addq $1, %0" : "+m"(of));
#else
  of.store(of.load(relaxed) + 1, relaxed);  // relaxed: as said
#endif
}

// thread_fence: ThreadSanitizer does not understand stand-alone fences; callers that need one for
// correctness under it use a read-modify-write instead (see the run queue).
inline void thread_fence(order o) noexcept { std::atomic_thread_fence(o); }

// compiler_barrier: orders nothing in the CPU; keeps the compiler from moving accesses over it.
inline void compiler_barrier() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

// cpu_relax: tells the CPU that this is a spin loop.
inline void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#else
  compiler_barrier();
#endif
}

// spins_max: how often who waits for a lock relaxes before it sleeps. Here, because a model checker
// has enough of one.
inline constexpr int spins_max = 100;

}  // namespace weft::base
