// futex: what stands in the place of src/base/futex_linux.cc and assert.cc beside the real lock.

#include "base/futex.h"

#include "base/assert.h"

namespace weft::base {

void futex_wait(atomic<std::uint32_t>& word, std::uint32_t value, std::int64_t) noexcept {
  interleave::futex_wait(word.checked_cell(), value, interleave::site::current());
}

void futex_wake(atomic<std::uint32_t>& word, int count) noexcept {
  interleave::futex_wake(word.checked_cell(), count, interleave::site::current());
}

void assert_failed(const char*, const char* text, const char*, int) noexcept {
  interleave::fail(text);
}

}  // namespace weft::base
