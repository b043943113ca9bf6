#pragma once

// trace points: where a recorder will listen. Empty and inline: they cost nothing until something
// fills them. Some have a listener in programs that link one (heldlock/held_locks.cc); in others
// that is a load and a branch.

#include "sched/wait_reason.h"

namespace weft::sched {
struct goroutine;

namespace trace {

// listener: it is told of each goroutine that leaves its stack and will come back, and of each that
// ends: on that stack, inside the gate. `why` is none for one that only lets others go first.
struct listener {
  void (*departs)(const goroutine& g, wait_reason why) noexcept;
  void (*ends)(const goroutine& g) noexcept;
};

// listens: nobody if null. Set before main().
inline const listener* listens = nullptr;

inline void spawned(const goroutine&) noexcept {}
inline void dispatched(const goroutine&) noexcept {}
inline void parking(const goroutine& g, wait_reason why) noexcept {
  if (listens != nullptr) [[unlikely]]
    listens->departs(g, why);
}
inline void readied(const goroutine&) noexcept {}
inline void yielded(const goroutine& g) noexcept {
  if (listens != nullptr) [[unlikely]]
    listens->departs(g, wait_reason::none);
}
inline void ended(const goroutine& g) noexcept {
  if (listens != nullptr) [[unlikely]]
    listens->ends(g);
}
inline void blocking_begins(const goroutine&) noexcept {}
inline void blocking_ends(const goroutine&) noexcept {}

}  // namespace trace
}  // namespace weft::sched
