#pragma once

// outlook: what can still end the wait of a goroutine, for leak checks and dumps.
//
//   never     It waits without a limit for a nil channel, a select without cases, or channels whose
//             other end nobody has: ends only become fewer when they are 0, and nobody can close a
//             channel who has no sending end.
//   doubtful  The same, but a close would wake it, and only somebody who sends could close.
//   others    Another goroutine or thread would have to do something. Whether that one will ever
//             come is not known.
//   open      The clock, the world or a limit may end the wait.
//
// Cycles of locks are none of these: they end the process before anybody looks (lock_wait.h).
//
// Rejected. Searching memory for references to what is waited for, as Go's leak profile does: C++
// has no map of its pointers.
//
// Tests: sim/leaks_test.cc, observe/dump_test.cc.

#include <cstdint>

#include "sched/goroutine.h"

namespace weft::sync {

enum class prospect : std::uint8_t { open, others, doubtful, never };

struct outlook {
  prospect is = prospect::open;
  const char* why = "";  // a constant
};

// outlook_of: of a goroutine that is held where it is parked (waiter.h, I4), so that reason, object
// and limit belong together, and the channels that it waits for are there (channel_core.h, I5: who
// parks has an end).
[[nodiscard]] outlook outlook_of(const sched::goroutine& g) noexcept;

// outlook_of_select: with the object of such a wait.
[[nodiscard]] outlook outlook_of_select(const void* object) noexcept;

}  // namespace weft::sync
