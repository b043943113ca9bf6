#pragma once

// snapshot: what can be seen of all goroutines, without stopping anybody.
//
// A goroutine that waits is held where it is (waiter.h, I4) while its record and its stack are
// read: whoever wakes it meanwhile spins. So nothing is looked up, allocated or asked of the system
// then: return addresses only, which arch/walk.h knows how to find. One that runs, or could, is a
// glance.
//
// I1  Between try_hold and drop_hold there is no system call, allocation or lock.
// I2  What a goroutine waits on is read only while it is held: somebody waits there, so it exists;
//     and who destroys a lock that is waited for by goroutines that will be dropped takes it from
//     them first, holding each (sched/lock_wait.h).
//
// What can be said of one that waits (sync/outlook.h) becomes a verdict:
//   proven    nothing can wake it;
//   suspect   who would have done it has gone, or has a lock and will not go on himself. That is
//             not proved: a snapshot is no instant;
//   unknown   all else. A wait that is long is none: workers without work wait for ever, too.
//
// Equal goroutines become one group as they are seen, so that what follows (names of functions,
// text) is work for each kind of goroutine, of which there are few.
//
// Rejected: reading stacks without holding anybody, and throwing away what a changed ticket spoils:
// the memory of a stack that was left may be unmapped. Stopping the processors.
//
// Tests: dump_test.cc, ./dev bench dump.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sched/goroutine.h"
#include "sched/labels.h"

namespace weft::observe {

inline constexpr std::size_t frames_max = 64;
inline constexpr std::uint32_t none = UINT32_MAX;

enum class verdict : std::uint8_t { unknown, suspect, proven };

// holder_is: of what a goroutine waits on.
enum class holder_is : std::uint8_t { nobody, somebody, ended };

// seen: one goroutine.
struct seen {
  std::uint64_t id = 0;
  sched::shown_name::text name{};
  const void* object = nullptr;
  std::int64_t since_ns = 0;  // that it waits; 0: not, or unknown
  std::uint32_t labels = none;
  std::uint32_t number = 0;  // of its record
  std::uint32_t holder = 0;  // the number of a record, or of a thread
  std::uint32_t group = 0;
  int thread = 0;  // that it runs on
  bool locked = false;
  verdict judged = verdict::unknown;
  holder_is held_by = holder_is::nobody;
  bool limited = false;  // its wait has a limit
  const char* why = "";  // of what is not unknown; a constant
  // With its stack's sizes only.
  std::size_t stack_used = 0;
  std::size_t stack_touched = 0;
};

// kind: what the members of a group have in common.
struct kind {
  const char* state = "";
  const char* site_function = "";
  const char* site_file = "";
  std::uint32_t site_line = 0;
  bool waits = false;
  bool cut = false;                   // the stack goes on above what is here
  std::vector<std::uintptr_t> stack;  // return addresses, the youngest first

  bool operator==(const kind&) const = default;
};

struct group {
  kind of;
  std::size_t first = 0;  // of goroutines
  std::size_t count = 0;
};

struct snapshot {
  std::int64_t now_ns = 0;
  bool crashed = false;          // the process dies
  std::vector<seen> goroutines;  // by group, then by number
  std::vector<group> groups;     // the largest first
  std::vector<sched::label_set::text> labels;

  // holder_of: null if it is none of these, so a thread, or one that was started meanwhile.
  [[nodiscard]] const seen* holder_of(const seen& s) const noexcept;
  // count: of those that are judged so.
  [[nodiscard]] std::size_t count(verdict v) const noexcept;

 private:
  friend snapshot take(bool, bool);
  void note_holders();
  void judge_by_holders();
  std::vector<std::uint32_t> by_number_;  // of those that hold something; sorted by number
};

// take: `stack_sizes`: with what dump_options::stack_sizes asks for. In a process that dies
// (`crashed`) nobody waits for locks.
[[nodiscard]] snapshot take(bool stack_sizes, bool crashed);

}  // namespace weft::observe
