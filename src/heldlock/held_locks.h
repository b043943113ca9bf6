#pragma once

// held_locks: which goroutine holds which of pthread's locks; reports one that waits meanwhile. The
// program that is linked with wrap.cc tells it of its locks.

#include <cstdint>

namespace weft::heldlock {

enum class kind : std::uint8_t { mutex, rwlock_written, rwlock_read };

// note_locked: the caller has locked `lock`; `called_from`: the address to which the locking
// function returns, where the trace begins. is_recursive: whether that mutex, which the caller
// holds, can be locked by it once more; not called for others.
void note_locked(const void* lock, kind k, const void* called_from,
                 bool (*is_recursive)(const void* lock)) noexcept;

// note_unlocked: the caller is about to unlock it, whoever has locked it.
void note_unlocked(const void* lock) noexcept;

// forget: that lock begins or ends: nobody holds it.
void forget(const void* lock) noexcept;

// let_go: while one stands the caller does not hold `lock`: inside a wait on a condition.
class [[nodiscard]] let_go {
 public:
  explicit let_go(const void* lock) noexcept;
  ~let_go();
  let_go(const let_go&) = delete;
  let_go& operator=(const let_go&) = delete;

 private:
  struct record* held_ = nullptr;
};

// forget_reports: from now on nothing has been reported; for tests.
void forget_reports() noexcept;

}  // namespace weft::heldlock
