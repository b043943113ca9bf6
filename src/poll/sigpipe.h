#pragma once

// sigpipe: system calls that raise SIGPIPE in the thread that writes, made without that.

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace weft::poll {

// without_sigpipe: makes `write`, which returns what a system call does and may meet a pipe or
// socket that nobody reads: the signal is held back while it does, and taken away. A thread that
// blocks it itself keeps it pending, as it would have. Leaves errno as `write` left it.
template <class F>
std::int64_t without_sigpipe(F&& write) noexcept {
  sigset_t broken_pipe;
  sigset_t before;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  const std::int64_t n = write();
  if (sigismember(&before, SIGPIPE) != 0) return n;
  const int failed = errno;
  if (n < 0 && failed == EPIPE) {
    const timespec at_once{};
    while (::sigtimedwait(&broken_pipe, nullptr, &at_once) < 0 && errno == EINTR) continue;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = failed;
  return n;
}

}  // namespace weft::poll
