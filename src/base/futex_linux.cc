#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/futex.h"

namespace weft::base {

void futex_wait(atomic<std::uint32_t>& word, std::uint32_t value,
                std::int64_t timeout_ns) noexcept {
  timespec limit{};
  timespec* limit_ptr = nullptr;
  if (timeout_ns >= 0) {
    limit.tv_sec = timeout_ns / 1'000'000'000;
    limit.tv_nsec = timeout_ns % 1'000'000'000;
    limit_ptr = &limit;
  }
  const int saved = errno;
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, limit_ptr, nullptr, 0);
  errno = saved;
}

void futex_wake(atomic<std::uint32_t>& word, int count) noexcept {
  const int saved = errno;
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
  errno = saved;
}

}  // namespace weft::base
