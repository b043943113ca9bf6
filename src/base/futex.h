#pragma once

// futex: sleep while a word has a value, and wake who sleeps on it. The portable path for systems
// without futex(2) would stand beside futex_linux.cc.

#include <cstdint>

#include "base/atomic.h"

namespace weft::base {

// futex_wait: sleeps while `word` == `value`, until woken; may return early. `timeout_ns` < 0 means
// for ever.
void futex_wait(atomic<std::uint32_t>& word, std::uint32_t value,
                std::int64_t timeout_ns = -1) noexcept;

// futex_wake: wakes up to `count` sleepers. The word may already be gone: it is only an address to
// the kernel.
void futex_wake(atomic<std::uint32_t>& word, int count) noexcept;

}  // namespace weft::base
