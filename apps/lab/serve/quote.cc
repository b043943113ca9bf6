#include "serve/quote.h"

#include <string_view>

namespace lab {

std::string quote(std::span<const char> bytes) {
  static constexpr std::string_view named = "\aa\bb\tt\nn\vv\ff\rr\\\\\"\"";
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 4 + 3);
  out += '"';
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    out += '\\';
    std::size_t at = 0;
    while (at < named.size() && named[at] != c) at += 2;
    if (at < named.size()) {
      out += named[at + 1];
    } else {
      out += 'x';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  out += "\"\n";
  return out;
}

}  // namespace lab
