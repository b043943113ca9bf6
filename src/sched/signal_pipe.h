#pragma once

// signal_pipe: from a signal's handler to the thread that acts on it. Both belong to the process
// that opened it: in a child that was forked there is no such thread, and the pipe is the parent's.
// There a handler asks is_ours(), and leaves the signal to what was there before it.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace weft::sched {

class signal_pipe {
 public:
  // open: false without descriptors. Once, before the first handler is installed; never closed.
  [[nodiscard]] bool open() noexcept {
    if (::pipe2(ends_, O_CLOEXEC) != 0) return false;
    ::fcntl(ends_[1], F_SETFL, O_NONBLOCK);  // a handler never waits
    process_ = ::getpid();
    return true;
  }

  // is_ours: async-signal-safe.
  [[nodiscard]] bool is_ours() const noexcept { return ::getpid() == process_; }

  // wake: by handlers; errno stays as it is.
  void wake() const noexcept {
    const int saved = errno;
    const char byte = 's';
    // A full pipe wakes the thread already.
    [[maybe_unused]] const auto n = ::write(ends_[1], &byte, 1);
    errno = saved;
  }

  // wait: by the thread: until somebody has woken it, perhaps several times. False: never more.
  [[nodiscard]] bool wait() const noexcept {
    char bytes[64];
    for (;;) {
      const auto n = ::read(ends_[0], bytes, sizeof bytes);
      if (n > 0) return true;
      if (n == 0 || errno != EINTR) return false;
    }
  }

 private:
  // Constant once it is open.
  int ends_[2] = {-1, -1};
  pid_t process_ = -1;
};

// leave_to: by a handler of `number`: when it has returned, and from then on, the signal does what
// `before` says. Async-signal-safe; errno stays as it is.
inline void leave_to(const struct sigaction& before, int number) noexcept {
  const int saved = errno;
  ::sigaction(number, &before, nullptr);
  ::raise(number);
  errno = saved;
}

}  // namespace weft::sched
