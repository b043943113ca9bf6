#include "chat/lines.h"

#include <algorithm>
#include <string_view>

namespace lab::chat {

std::span<const char> line_gatherer::add(std::span<const char> bytes) {
  text_.erase(0, given_);
  given_ = 0;
  std::size_t length = text_.size();  // of the line that is not whole yet
  for (const char c : bytes) {
    text_ += c;
    if (c != '\n' && ++length < line_max) continue;
    if (c != '\n') text_ += '\n';
    given_ = text_.size();
    length = 0;
  }
  return {text_.data(), given_};
}

std::span<const char> line_gatherer::rest() {
  text_.erase(0, given_);
  if (!text_.empty()) text_ += '\n';
  given_ = text_.size();
  return text_;
}

std::size_t replay_start(std::span<const char> tail, bool whole) {
  const std::string_view text(tail.data(), tail.size());
  std::size_t first = 0;
  if (!whole) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return text.size();
    first = end + 1;
  }
  std::size_t start = text.size();
  std::size_t lines = 0;
  for (std::size_t at = text.size(); at-- > first;) {
    if (text[at] == '\n' && ++lines > replay_lines) break;
    start = at;
  }
  return start;
}

std::string harmless(std::span<const char> bytes) {
  std::string out(bytes.begin(), bytes.end());
  constexpr char delete_character = 0x7f;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    const bool control =
        (byte < 0x20 && byte != '\n' && byte != '\t') || out[i] == delete_character;
    // The other control characters are 0x80 to 0x9f, in UTF-8 behind 0xc2, and some terminals take
    // such a byte alone for one.
    const bool high = byte >= 0x80 && byte < 0xa0 &&
                      (i == 0 || static_cast<unsigned char>(out[i - 1]) < 0x80 ||
                       static_cast<unsigned char>(out[i - 1]) == 0xc2);
    if (control || high) out[i] = '?';
  }
  return out;
}

}  // namespace lab::chat
