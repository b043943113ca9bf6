#include "base/assert.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/atomic.h"

namespace weft::base {
namespace {

atomic<void (*)() noexcept> crash_hook{nullptr};

// speaker: of whom the last words are: his thread's `self`; null: nobody dies yet.
atomic<const char*> speaker{nullptr};
thread_local const char self = 0;

}  // namespace

void begin_last_words() noexcept {
  const char* nobody = nullptr;
  // relaxed: it says only who came first.
  if (speaker.compare_exchange_strong(nobody, &self, relaxed, relaxed) || nobody == &self) return;
  // Not for ever: the report of the first may be stuck. (No clock, and no wake-up: when it is done
  // there is nobody to wake.)
  timespec left{last_words_s_max, 0};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

void write_stderr(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto n = ::write(2, text.data(), text.size());
    if (n <= 0) return;  // nowhere left to say it
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void assert_failed(const char* condition, const char* text, const char* file, int line) noexcept {
  begin_last_words();
  char buffer[512];
  const int n = std::snprintf(buffer, sizeof buffer, "weft: assertion failed: %s (%s) at %s:%d\n",
                              text, condition, file, line);
  if (n > 0) write_stderr({buffer, std::min(static_cast<std::size_t>(n), sizeof buffer - 1)});
  std::abort();
}

void fatal(std::string_view text) noexcept {
  begin_last_words();
  write_stderr("fatal error: ");
  write_stderr(text);
  write_stderr("\n");
  // acq_rel: takes the hook exactly once, even when two threads die together; pairs with the store
  // in set_crash_hook.
  if (auto* hook = crash_hook.exchange(nullptr, acq_rel)) hook();
  ::_exit(2);
}

void set_crash_hook(void (*hook)() noexcept) noexcept {
  // release: publishes whatever the hook reads; pairs with the exchange in fatal.
  crash_hook.store(hook, release);
}

}  // namespace weft::base
