#pragma once

// What the templates of channel.h and select.h need of the library. Not for users.

#include <weft/error.h>
#include <weft/limit.h>

#include <cstddef>
#include <cstdint>

namespace weft::sync {
class channel_core;
class context_state;
}  // namespace weft::sync

namespace weft::detail {

using sync::channel_core;

// channel_outcome: how an operation on a channel ended. `blocked` only from those that do not wait.
enum class channel_outcome : unsigned char { done, closed, blocked, timeout, cancelled };

// ends: what a handle can do; each is counted.
using ends = std::uint64_t;
inline constexpr ends receiving_end = 1;
inline constexpr ends sending_end = ends{1} << 32;
inline constexpr ends both_ends = receiving_end | sending_end;

// A slot holds `element_size` bytes of an element. `drop` destroys what a slot holds; null if
// nothing needs to be done.
[[nodiscard]] channel_core* make_channel(std::ptrdiff_t capacity, std::size_t element_size,
                                         void (*drop)(void* slot) noexcept);
void retain_channel(channel_core& c, ends of) noexcept;
void release_channel(channel_core& c, ends of) noexcept;
// channel_has: whether a handle, or a call that waits, has one of these ends.
[[nodiscard]] bool channel_has(const channel_core* c, ends which) noexcept;

// Null is the nil channel.
[[nodiscard]] channel_outcome channel_send(channel_core* c, const void* slot,
                                           const limit& l) noexcept;
[[nodiscard]] channel_outcome channel_recv(channel_core* c, void* slot, const limit& l) noexcept;
[[nodiscard]] channel_outcome channel_try_send(channel_core* c, const void* slot) noexcept;
[[nodiscard]] channel_outcome channel_try_recv(channel_core* c, void* slot) noexcept;
// channel_may_send: false if a send would wait now. Takes no lock.
[[nodiscard]] bool channel_may_send(const channel_core* c) noexcept;
void close_channel(channel_core* c);
[[nodiscard]] std::size_t channel_size(const channel_core* c) noexcept;
[[nodiscard]] std::size_t channel_capacity(const channel_core* c) noexcept;

[[noreturn]] void throw_send_on_closed();
[[nodiscard]] error error_of(channel_outcome o, const char* operation) noexcept;

// take_cell, give_cell: memory for an element that does not travel as bytes.
[[nodiscard]] void* take_cell(std::size_t size, std::size_t alignment);
void give_cell(void* cell, std::size_t size, std::size_t alignment) noexcept;

// select_kind: what a case of a select waits for.
enum class select_kind : unsigned char { recv, send, after, done, otherwise };

// select_case: one case, and what the select notes about it meanwhile.
struct select_case {
  select_kind kind = select_kind::otherwise;
  channel_core* core = nullptr;             // recv, send; null is never ready
  void* slot = nullptr;                     // recv, send
  sync::context_state* context = nullptr;   // done; null is never ready
  std::int64_t deadline_ns = limit::never;  // after

  // Of select_cases() only.
  std::uint16_t looked_at = 0;  // the case that comes n-th when looking for a ready one
  std::uint16_t locked = 0;     // the case whose channel is locked n-th
  std::uint64_t seen = 0;       // what a look without lock found
  alignas(8) std::byte node[48];
};

struct select_choice {
  std::size_t index;
  bool closed;
};

inline constexpr std::size_t select_cases_max = 1024;

// select_cases: waits until one of `n` cases can go on, lets it, and says which.
[[nodiscard]] select_choice select_cases(select_case* cases, std::size_t n) noexcept;

}  // namespace weft::detail
