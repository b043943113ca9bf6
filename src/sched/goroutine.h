#pragma once

// goroutine: the record of one goroutine. Small, in dense slabs, type-stable and never unmapped
// while its scheduler lives: a stale pointer with an old ticket always reaches a record. The
// closure lies inline; a stack is bound only when the goroutine first runs.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "arch/eh_globals.h"
#include "arch/sanitizer.h"
#include "arch/switch.h"
#include "sched/wait_reason.h"
#include "sched/waiter.h"

namespace weft::stack {
struct stack;
}

namespace weft {
enum class priority : std::int8_t;  // go.h
}

namespace weft::sched {

class scheduler;
class cancel_source;
class counted;
struct throw_trace;
class label_set;
class local_table;
struct machine;

inline constexpr std::size_t closure_size = 64;
inline constexpr std::size_t name_size = 24;

// shown: a field that lists read at any moment, whoever owns the record by then. relaxed: each
// value is whole; several belong together only while the goroutine is held where it is parked. What
// a pointer leads to is seen as it was when the pointer was stored: release and acquire.
template <class T>
class shown {
 public:
  shown(T v) noexcept : value_(v) {}
  shown& operator=(T v) noexcept {
    value_.store(v, std::is_pointer_v<T> ? base::release : base::relaxed);
    return *this;
  }
  [[nodiscard]] T get() const noexcept {
    return value_.load(std::is_pointer_v<T> ? base::acquire : base::relaxed);
  }
  operator T() const noexcept { return get(); }
  // own: for who runs the goroutine.
  [[nodiscard]] T own() const noexcept { return value_.load(base::relaxed); }

 private:
  base::atomic<T> value_;
};

// shown_name: a name of at most name_size - 1 bytes.
class shown_name {
 public:
  using text = std::array<char, name_size>;

  shown_name& operator=(std::string_view name) noexcept {
    text bytes{};
    name.copy(bytes.data(), name_size - 1);
    std::array<std::uint64_t, name_size / 8> words;
    std::memcpy(words.data(), bytes.data(), name_size);
    for (std::size_t i = 0; i < words.size(); ++i) words_[i] = words[i];
    return *this;
  }
  [[nodiscard]] text get() const noexcept {
    std::array<std::uint64_t, name_size / 8> words;
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = words_[i];
    text bytes;
    std::memcpy(bytes.data(), words.data(), name_size);
    bytes.back() = '\0';
    return bytes;
  }

 private:
  shown<std::uint64_t> words_[name_size / 8] = {0, 0, 0};
};

struct goroutine : waiter {
  explicit goroutine(std::uint32_t number) noexcept : waiter(false, number) {}

  // Constant from spawn to end.
  scheduler* owner = nullptr;
  shown<std::uint64_t> id = 0;
  shown<const char*> site_file = "";
  shown<const char*> site_function = "";
  shown<std::uint32_t> site_line = 0;
  weft::priority priority{};
  std::uint32_t slab_index = 0;  // constant for the record's whole life
  std::size_t stack_size = 0;    // asked for; the slot may be larger
  void (*invoke)(void* closure) = nullptr;
  // inherited: of the scope it was started in: its context, and the values that it carries; both
  // counted.
  cancel_source* inherited = nullptr;
  counted* inherited_values = nullptr;
  shown_name name;

  // Owner only: whoever runs it, or parks it, or has claimed it.
  [[no_unique_address]] arch::sanitizer::own_fiber fiber;
  arch::context context;
  // locked_to: the machine that alone may run it (thread_lock.cc); null unless locks > 0. Read at
  // every dispatch: beside the context.
  shown<machine*> locked_to = nullptr;
  stack::stack* stack = nullptr;
  arch::eh_globals eh;
  throw_trace* throws_to = nullptr;       // where what leaves it is noted; null: nowhere
  const throw_trace* rethrown = nullptr;  // of the exception that a scope rethrows here
  std::uint32_t blocking_depth = 0;       // of blocking() around where it stands
  std::uint32_t locks = 0;                // of lock_thread, around where it stands or kept
  // last_machine: the one it runs on; where it ran last, while it does not.
  shown<machine*> last_machine = nullptr;
  local_table* locals = nullptr;       // its own; made at the first goroutine_local
  shown<label_set*> labels = nullptr;  // counted
  bool exit_landed = false;            // goexit() has come to the end of the stack

  // What it waits for: written by itself before it parks, read by dumps that hold it.
  shown<wait_reason> reason = wait_reason::none;
  shown<bool> limited =
      false;  // a deadline or a cancellation may end it; settled once it has parked
  shown<const void*> object = nullptr;
  shown<std::int64_t> since_ns = 0;

  alignas(16) std::byte closure[closure_size];
};

}  // namespace weft::sched
