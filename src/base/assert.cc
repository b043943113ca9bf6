#include "base/assert.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/atomic.h"

namespace weft::base {
namespace {

atomic<void (*)() noexcept> crash_hook{nullptr};

}  // namespace

void write_stderr(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto n = ::write(2, text.data(), text.size());
    if (n <= 0) return;  // nowhere left to say it
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void assert_failed(const char* condition, const char* text, const char* file, int line) noexcept {
  char buffer[512];
  const int n = std::snprintf(buffer, sizeof buffer, "weft: assertion failed: %s (%s) at %s:%d\n",
                              text, condition, file, line);
  if (n > 0) write_stderr({buffer, std::min(static_cast<std::size_t>(n), sizeof buffer - 1)});
  std::abort();
}

void fatal(std::string_view text) noexcept {
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
