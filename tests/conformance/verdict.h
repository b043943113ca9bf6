#pragma once

// verdict: the words in which a scenario says what happened; go/verdict.go has the same for Go.
// What the two languages report in different ways has one word here; nothing else is translated.
//
//   weft                               Go                                       word
//   misuse_error, another exception    a panic that is recovered                panic: TEXT
//   errc::closed                       ok == false; net.ErrClosed               closed
//   errc::timeout                      context.DeadlineExceeded,
//                                      os.ErrDeadlineExceeded                   timeout
//   errc::cancelled                    context.Canceled                         cancelled
//   errc::eof                          io.EOF                                   eof
//   errc::no_such_host, bad_address,   net.DNSError, net.AddrError,             no such host, ...
//     unknown_network                    net.UnknownNetworkError
//   a code of the system               syscall.Errno                            its text
//   operation_would_block              the default of a select                  would block
//   a goroutine parked for REASON      the same, as stack traces name it        blocks: REASON
//   a process                          its status, and of standard error the "panic: " and
//                                      "fatal error: " lines and the goroutines' states
//
// A reason is Go's text. Where weft waits on descriptors it also says for what: "IO wait (read)".

#include <weft/error.h>

#include <concepts>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft::conformance {

inline std::string text(const error& e) {
  if (e.code() == std::errc::operation_would_block) return "would block";
  if (e.timeout()) return "timeout";
  if (e.eof()) return "eof";
  if (e.closed()) return "closed";
  std::string word = error(e.code()).message();
  return word;
}

inline std::string text(std::string_view s) { return std::string(s); }
inline std::string text(const char* s) { return s; }
template <std::integral T>
std::string text(T n) {
  if constexpr (std::same_as<T, bool>) return n ? "true" : "false";
  if constexpr (std::same_as<T, char>) return std::string(1, n);
  return std::to_string(n);
}
// Nothing is Go's nil.
template <class T>
std::string text(const std::optional<T>& o) {
  return o ? text(*o) : "nil";
}
template <class T, class E>
std::string text(const std::expected<T, E>& r) {
  if (!r) return text(r.error());
  if constexpr (std::is_void_v<T>) {
    return "ok";
  } else {
    return text(*r);
  }
}

// say: say{a, b} is a line of the verdict: their texts with a space between. A class, since between
// braces what stands first is evaluated first.
struct say {
  template <class First, class... Rest>
  explicit say(const First& first, const Rest&... rest) {
    std::string line = text(first);
    ((line += ' ', line += text(rest)), ...);
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), stdout);
  }
};

// attempt: "returned" when `f` does, else the panic it ends with.
template <class F>
std::string attempt(F&& f) {
  try {
    std::invoke(std::forward<F>(f));
    return "returned";
  } catch (const std::exception& e) {
    return std::string("panic: ") + e.what();
  } catch (const char* what) {
    return std::string("panic: ") + what;
  }
}

// operation: what was tried and how it failed, without the addresses, which are never the same
// twice: "read tcp: closed".
template <class T, class E>
std::string operation(const std::expected<T, E>& r, const char* success) {
  return r ? success : std::string(r.error().op()) + ": " + text(r.error());
}
template <class T, class E>
std::string operation(const std::expected<T, E>& r) {
  return operation(r, r ? text(r).c_str() : "");
}

}  // namespace weft::conformance
