#pragma once

// WEFT_ASSERT: a bug of ours, always checked. Prints the text, the place and ends the process with
// SIGABRT. fatal: a bug of the user that cannot be recovered, with Go's texts ("fatal error: ..."),
// exit status 2.

#include <string_view>

namespace weft::base {

[[noreturn]] void assert_failed(const char* condition, const char* text, const char* file,
                                int line) noexcept;

// fatal: prints "fatal error: <text>\n", then what the crash hook adds (the list of goroutines),
// and ends the process with status 2 without running destructors.
[[noreturn]] void fatal(std::string_view text) noexcept;

// begin_last_words: called by who is about to say why the process dies. Who comes second waits, so
// that he does not cut off the first by ending the process: no longer than last_words_s_max, and
// not at all for himself. Async-signal-safe.
inline constexpr int last_words_s_max = 5;
void begin_last_words() noexcept;

// set_crash_hook: `hook` is called once by fatal before the process ends. sched installs it; base
// knows nobody above.
void set_crash_hook(void (*hook)() noexcept) noexcept;

// write_stderr: writes all of `text` to descriptor 2 with write(2): no allocation, no locks,
// async-signal-safe.
void write_stderr(std::string_view text) noexcept;

}  // namespace weft::base

#define WEFT_ASSERT(condition, text)                 \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::weft::base::assert_failed(#condition, text, __FILE__, __LINE__))
