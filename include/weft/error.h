#pragma once

// error: what can be expected to fail is a value: std::expected<T, weft::error>. An error is an
// error_code with the operation and the address it happened at; it allocates nothing and copies as
// plain bytes. Misuse of the library, which no caller should handle in passing, throws
// misuse_error.

#include <cstddef>
#include <expected>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace weft {

// errc: the failures that are weft's own; those of the kernel arrive as std::system_category codes.
enum class errc : int {
  eof = 1,          // the end of the stream: a value of its own, never a count of 0
  unexpected_eof,   // the stream ended in the middle of what was read
  closed,           // the thing was closed, by us, before or during the call
  timeout,          // the deadline passed; equivalent to std::errc::timed_out
  cancelled,        // the context or stop_token said stop; to std::errc::operation_canceled
  line_too_long,    // no delimiter within the limit
  no_such_host,     // the resolver knows no such name
  try_again_later,  // the resolver could not answer now (a name server did not)
  unknown_network,  // not a network, or not one for this call: "tcp", "unix", ...
  bad_address,      // an address that cannot be parsed: "missing port", "too many colons"
  wrong_runtime,    // opened in another weft::run, or in one that has ended
};

// weft_category: the category of errc. One object for the process; safe from any thread.
[[nodiscard]] const std::error_category& weft_category() noexcept;

// make_error_code: lets std::error_code be made and compared with errc directly.
[[nodiscard]] inline std::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), weft_category()};
}

}  // namespace weft

template <>
struct std::is_error_code_enum<weft::errc> : std::true_type {};

namespace weft {

// error: a failed operation. A value: trivially copyable, 88 bytes, safe to hand to any thread.
// Two errors are equal when their codes are; operation and address only say where.
class [[nodiscard]] error {
 public:
  // address_max: how much of an address is kept; a longer one loses its end.
  static constexpr std::size_t address_max = 63;

  // error: `op` is a string that lives for ever (a literal: "dial tcp"), or null; `address` is
  // copied, up to address_max bytes.
  error(std::error_code code, const char* op = nullptr, std::string_view address = {}) noexcept;
  error(errc code, const char* op = nullptr, std::string_view address = {}) noexcept
      : error(make_error_code(code), op, address) {}

  // from_errno: the error of a system call; `value` is errno's, positive.
  [[nodiscard]] static error from_errno(int value, const char* op = nullptr,
                                        std::string_view address = {}) noexcept {
    return {std::error_code(value, std::system_category()), op, address};
  }

  [[nodiscard]] std::error_code code() const noexcept { return code_; }
  // op: what was tried; "" when nobody said.
  [[nodiscard]] const char* op() const noexcept { return op_ == nullptr ? "" : op_; }
  // address: where; "" when there is none. Lives as long as this error.
  [[nodiscard]] const char* address() const noexcept { return address_; }

  // timeout: the deadline passed, or the kernel gave up waiting (ETIMEDOUT).
  [[nodiscard]] bool timeout() const noexcept { return code_ == std::errc::timed_out; }
  // cancelled: a context or stop_token ended the wait.
  [[nodiscard]] bool cancelled() const noexcept { return code_ == errc::cancelled; }
  // eof: the other side has said all it will say.
  [[nodiscard]] bool eof() const noexcept { return code_ == errc::eof; }
  // closed: this side closed it.
  [[nodiscard]] bool closed() const noexcept { return code_ == errc::closed; }

  // message: "dial tcp 127.0.0.1:7: connection refused": operation, address, text; what is unknown
  // is left out. Allocates.
  [[nodiscard]] std::string message() const;

  // The bare code, for interfaces that speak std::error_code.
  operator std::error_code() const noexcept { return code_; }

  friend bool operator==(const error& a, const error& b) noexcept { return a.code_ == b.code_; }
  friend bool operator==(const error& a, errc b) noexcept { return a.code_ == b; }
  friend bool operator==(const error& a, const std::error_code& b) noexcept { return a.code_ == b; }
  friend bool operator==(const error& a, const std::error_condition& b) noexcept {
    return a.code_ == b;
  }

 private:
  std::error_code code_;
  const char* op_;
  char address_[address_max + 1] = {};
};

static_assert(std::is_trivially_copyable_v<error>);

// result: a T, or why there is none.
template <class T>
using result = std::expected<T, error>;

// misuse_error: thrown where Go panics with a value that can be recovered; what() is Go's text,
// such as "send on closed channel". What Go does not let a program recover from ends the process
// instead.
class misuse_error : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace weft
