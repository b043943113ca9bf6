#pragma once

// trace points: where a recorder will listen. Empty and inline: they cost nothing until something
// fills them.

#include "sched/wait_reason.h"

namespace weft::sched {
struct goroutine;

namespace trace {

inline void spawned(const goroutine&) noexcept {}
inline void dispatched(const goroutine&) noexcept {}
inline void parking(const goroutine&, wait_reason) noexcept {}
inline void readied(const goroutine&) noexcept {}
inline void yielded(const goroutine&) noexcept {}
inline void ended(const goroutine&) noexcept {}
inline void blocking_begins(const goroutine&) noexcept {}
inline void blocking_ends(const goroutine&) noexcept {}

}  // namespace trace
}  // namespace weft::sched
