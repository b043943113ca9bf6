#pragma once

#include <cstdint>
#include <string_view>

namespace weft::sched {

// wait_reason: why a goroutine does not run. Lists, traces and the deadlock report share these and
// Go's texts for them.
enum class wait_reason : std::uint8_t {
  none,
  chan_receive,
  chan_send,
  chan_receive_nil,
  chan_send_nil,
  select,
  select_no_cases,
  mutex_lock,
  rwmutex_lock,
  rwmutex_rlock,
  cond_wait,
  wait_group,
  once,
  semaphore,
  latch,
  barrier,
  sleep,
  scope_join,
  io_read,
  io_write,
  io_accept,
  io_connect,
  file_slot,
  resolve,
  context_done,
  count_,
};

[[nodiscard]] constexpr std::string_view text_of(wait_reason r) noexcept {
  constexpr std::string_view texts[] = {
      "running",
      "chan receive",
      "chan send",
      "chan receive (nil chan)",
      "chan send (nil chan)",
      "select",
      "select (no cases)",
      "sync.Mutex.Lock",
      "sync.RWMutex.Lock",
      "sync.RWMutex.RLock",
      "sync.Cond.Wait",
      "sync.WaitGroup.Wait",
      "sync.Once.Do",
      "semacquire",
      "latch wait",
      "barrier wait",
      "sleep",
      "scope join",
      "IO wait (read)",
      "IO wait (write)",
      "IO wait (accept)",
      "IO wait (connect)",
      "file slot",
      "resolving a name",
      "context done",
  };
  static_assert(sizeof texts / sizeof texts[0] == static_cast<std::size_t>(wait_reason::count_));
  return texts[static_cast<std::size_t>(r)];
}

}  // namespace weft::sched
