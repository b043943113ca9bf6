#pragma once

// goroutine: the record of one goroutine. Small, in dense slabs, type-stable and never unmapped
// while its scheduler lives: a stale pointer with an old ticket always reaches a record. The
// closure lies inline; a stack is bound only when the goroutine first runs.

#include <cstddef>
#include <cstdint>

#include "arch/eh_globals.h"
#include "arch/switch.h"
#include "sched/wait_reason.h"
#include "sched/waiter.h"

namespace weft::stack {
struct stack;
}

namespace weft::sched {

class scheduler;
class cancel_source;
struct machine;

inline constexpr std::size_t closure_size = 64;
inline constexpr std::size_t name_size = 24;

struct goroutine : waiter {
  goroutine() noexcept : waiter(false) {}

  // Constant from spawn to end.
  scheduler* owner = nullptr;
  std::uint64_t id = 0;
  const char* site_file = "";
  const char* site_function = "";
  std::uint32_t site_line = 0;
  std::uint32_t slab_index = 0;  // constant for the record's whole life
  std::size_t stack_size = 0;    // asked for; the slot may be larger
  void (*invoke)(void* closure) = nullptr;
  // inherited: the context of the scope it was started in; counted.
  cancel_source* inherited = nullptr;
  char name[name_size] = {};

  // Owner only: whoever runs it, or parks it, or has claimed it.
  arch::context context;
  stack::stack* stack = nullptr;
  arch::eh_globals eh;
  std::uint32_t blocking_depth = 0;       // of blocking() around where it stands
  const machine* last_machine = nullptr;  // only the mode that migrates at every park asks

  // What it waits for: written by itself before it parks, read by dumps that hold it.
  wait_reason reason = wait_reason::none;
  const void* object = nullptr;
  std::int64_t since_ns = 0;

  alignas(16) std::byte closure[closure_size];
};

}  // namespace weft::sched
