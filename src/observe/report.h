#pragma once

// report: a snapshot as text, and as JSON.

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "observe/snapshot.h"

namespace weft::observe {

[[nodiscard]] std::string text_of(const snapshot& all, bool stack_sizes);
[[nodiscard]] std::string json_of(const snapshot& all, bool stack_sizes);

[[nodiscard]] const char* text_of(verdict v) noexcept;

// site_sizes: what the stacks have that goroutines of one creation site stand on.
struct site_sizes {
  const kind* of = nullptr;  // any of its kinds
  std::size_t stacks = 0;
  std::size_t used_most = 0;
  std::size_t touched_most = 0;
  std::size_t touched_all = 0;
};

// sizes_of: by what they have in memory together, the most first.
[[nodiscard]] std::vector<site_sizes> sizes_of(const snapshot& all);

// out: a string that grows by numbers and texts.
class out {
 public:
  out& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }
  out& operator<<(char c) {
    text_ += c;
    return *this;
  }
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, char>)
  out& operator<<(T number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    text_.append(digits, end);
    return *this;
  }
  out& address(const void* at) {
    char digits[24] = {'0', 'x'};
    const auto number = reinterpret_cast<std::uintptr_t>(at);
    text_.append(digits, std::to_chars(digits + 2, digits + sizeof digits, number, 16).ptr);
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace weft::observe
