#pragma once

// thread_lock: threads for the scheduler that are as its first ones were (thread_lock.cc).

namespace weft::sched {

// start_clean_thread: as start_thread(); on a machine that a goroutine is locked to, or that is
// worn, another thread does it, so that the new one inherits nothing of what was changed here.
[[nodiscard]] int start_clean_thread(void (*body)(void*), void* argument) noexcept;

// have_thread_starter: before the first lock, or the first priority that is lowered, while the
// caller's thread is as it was.
void have_thread_starter() noexcept;

// thread_starter_runs: whether that other thread exists.
[[nodiscard]] bool thread_starter_runs() noexcept;

}  // namespace weft::sched
