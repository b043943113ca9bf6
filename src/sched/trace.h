#pragma once

// trace points: what happens to goroutines, for whoever listens: the reporter of held locks
// (heldlock/held_locks.cc), the flight recorder (observe/recorder.cc). While nobody does, a point
// is one load of a word that is seldom written, and a branch.
//
// A listener is called where it happens, on that stack, by the thread that makes it happen, and
// without a runtime lock but perhaps that of machines. It must neither wait nor throw.

#include <cstdint>

#include "base/atomic.h"
#include "sched/wait_reason.h"

namespace weft::sched {
struct goroutine;

namespace trace {

// ring: what the recorder has for each machine.
struct ring;

// event: of a goroutine. In brackets: what its detail says.
enum class event : std::uint8_t {
  none,
  spawned,          // by the caller, who may be no goroutine
  dispatched,       // goes on, on the caller's machine [its processor; no_processor]
  parking,          // is about to wait [wait_reason]
  readied,          // its wait is over [a source]
  yielding,         // lets others go first
  ended,            // still on its stack
  blocking_begins,  // its outermost blocking()
  blocking_ends,
  retaken,  // the monitor took the processor from under it [which]
};

inline constexpr std::uint32_t no_processor = 0xfff;

// source: who readied a goroutine.
enum class source : std::uint32_t {
  caller,   // the goroutine that runs here, or a thread
  network,  // the poller
  timer,
  nobody,  // it was about to wait, and need not: what it waited for has come
};

using listener = void (*)(event what, const goroutine& g, std::uint32_t detail) noexcept;

// board: who listens. The bits say which of the two are set.
struct board {
  static constexpr std::uint32_t locks_bit = 1;
  static constexpr std::uint32_t recorder_bit = 2;

  alignas(64) base::atomic<std::uint32_t> listening{0};
  // Each is set before its bit, and stays.
  listener locks = nullptr;
  listener recorder = nullptr;
  void (*give_back)(ring& of) noexcept = nullptr;  // the recorder's: the ring's machine is gone
  // at_end: the recorder's: the process is about to die of a panic or a fatal error.
  base::atomic<void (*)() noexcept> at_end{nullptr};
};

[[gnu::visibility("hidden")]] inline board listeners;

// listen: from now on `bit` of the board is told.
inline void listen(std::uint32_t bit) noexcept {
  // release: publishes what the board holds for it; pairs with tell().
  listeners.listening.fetch_or(bit, base::release);
}
inline void leave_off(std::uint32_t bit) noexcept {
  // relaxed: who was told meanwhile may write still; the recorder reads what is whole.
  listeners.listening.fetch_and(~bit, base::relaxed);
}

[[gnu::cold]] void tell(event what, const goroutine& g, std::uint32_t detail) noexcept;
[[gnu::cold]] void tell_dispatched(const goroutine& g) noexcept;

[[nodiscard]] inline bool anybody() noexcept {
  // relaxed: tell() looks again.
  return listeners.listening.load(base::relaxed) != 0;
}

inline void note(event what, const goroutine& g, std::uint32_t detail = 0) noexcept {
  if (anybody()) [[unlikely]]
    tell(what, g, detail);
}

inline void spawned(const goroutine& g) noexcept { note(event::spawned, g); }
// dispatched: while machine::current still says whom it follows.
inline void dispatched(const goroutine& g) noexcept {
  if (anybody()) [[unlikely]]
    tell_dispatched(g);
}
inline void parking(const goroutine& g, wait_reason why) noexcept {
  note(event::parking, g, static_cast<std::uint32_t>(why));
}
inline void readied(const goroutine& g, source by) noexcept {
  note(event::readied, g, static_cast<std::uint32_t>(by));
}
inline void yielded(const goroutine& g) noexcept { note(event::yielding, g); }
inline void ended(const goroutine& g) noexcept { note(event::ended, g); }
inline void blocking_begins(const goroutine& g) noexcept { note(event::blocking_begins, g); }
inline void blocking_ends(const goroutine& g) noexcept { note(event::blocking_ends, g); }
inline void retaken(const goroutine& g, std::uint32_t processor) noexcept {
  note(event::retaken, g, processor);
}

}  // namespace trace

}  // namespace weft::sched
