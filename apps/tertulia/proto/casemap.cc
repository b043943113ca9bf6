#include "proto/casemap.h"

#include <algorithm>

namespace tertulia::proto {

std::string fold(std::string_view name) {
  std::string out(name);
  std::ranges::transform(out, out.begin(), fold_char);
  return out;
}

bool same_name(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, fold_char, fold_char);
}

bool matches_mask(std::string_view mask, std::string_view text) noexcept {
  std::size_t m = 0, t = 0;
  // Where to go on when the bytes after the last '*' do not fit: it takes one byte more.
  std::size_t star = mask.npos, retry = 0;
  while (t < text.size()) {
    if (m < mask.size() && mask[m] == '*') {
      star = m++;
      retry = t;
    } else if (m < mask.size() && (mask[m] == '?' || fold_char(mask[m]) == fold_char(text[t]))) {
      ++m;
      ++t;
    } else if (star != mask.npos) {
      m = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  return mask.find_first_not_of('*', m) == mask.npos;
}

}  // namespace tertulia::proto
