#pragma once

// utf8: the questions the protocol asks of text: is it UTF-8, and where may it be cut.

#include <cstddef>
#include <string_view>

namespace tertulia::proto {

// is_utf8: whether `text` is well-formed UTF-8 (no surrogates, no overlong forms, at most
// U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

// first_size: the bytes of the first code point of `text`, which must be UTF-8 and not empty.
[[nodiscard]] std::size_t first_size(std::string_view text) noexcept;

// cut_utf8: the longest prefix of `text` of at most `size_max` bytes that splits no code point.
// `text` must be UTF-8.
[[nodiscard]] std::string_view cut_utf8(std::string_view text, std::size_t size_max) noexcept;

}  // namespace tertulia::proto
