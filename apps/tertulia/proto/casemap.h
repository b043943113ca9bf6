#pragma once

// casemap: which names are the same name. CASEMAPPING is `ascii`: A-Z and a-z, nothing else. The
// older `rfc1459` also folds []\^ with {}|~, a memory of Scandinavian terminals; anything wider
// depends on a version of Unicode and would change which stored channel is which. The choice is
// written into the database and checked when it is opened.

#include <cstddef>
#include <string>
#include <string_view>

namespace tertulia::proto {

inline constexpr std::string_view casemapping = "ascii";

[[nodiscard]] constexpr char fold_char(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// fold: the form of `name` that names are compared and stored by.
[[nodiscard]] std::string fold(std::string_view name);

// same_name: whether two names fold to one.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;

// matches_mask: whether `text` fits `mask`, where '*' stands for any bytes and '?' for one, without
// regard to case. Linear in the product of the sizes at worst; allocates nothing.
[[nodiscard]] bool matches_mask(std::string_view mask, std::string_view text) noexcept;

}  // namespace tertulia::proto
