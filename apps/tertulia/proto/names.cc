#include "proto/names.h"

#include <algorithm>

#include "proto/chars.h"
#include "proto/utf8.h"

namespace tertulia::proto {

namespace {

constexpr std::string_view nick_specials = "[]\\`_^{|}-";
constexpr std::string_view channel_breakers = " ,:\x07";
constexpr std::string_view user_breakers = " !@*?:,";

bool is_nick_byte(char c) noexcept {
  return !is_ascii(c) || is_letter(c) || is_digit(c) || nick_specials.find(c) != nick_specials.npos;
}

// has_invisible: C1 controls, spaces wider than ASCII's, zero-width marks and direction overrides:
// two nicks that look alike, or a line drawn backwards, are made of these.
bool has_invisible(std::string_view text) noexcept {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    const auto a = static_cast<unsigned char>(text[i]);
    const auto b = static_cast<unsigned char>(text[i + 1]);
    if (a == 0xC2 && b <= 0xA0) return true;  // U+0080 to U+00A0
    if (i + 2 >= text.size()) continue;
    const auto c = static_cast<unsigned char>(text[i + 2]);
    if (a == 0xE2 && b == 0x80 && (c <= 0x8F || (c >= 0xA8 && c <= 0xAF))) return true;
    if (a == 0xE2 && b == 0x81 && (c == 0x9F || (c >= 0xA0 && c <= 0xAF))) return true;
    if (a == 0xE3 && b == 0x80 && c == 0x80) return true;  // U+3000
    if (a == 0xEF && b == 0xBB && c == 0xBF) return true;  // U+FEFF
  }
  return false;
}

}  // namespace

bool is_nick(std::string_view text) noexcept {
  if (text.empty() || text.size() > nick_size_max) return false;
  if (is_digit(text[0]) || text[0] == '-') return false;
  return std::ranges::all_of(text, is_nick_byte) && !has_invisible(text);
}

bool is_channel(std::string_view text) noexcept {
  if (text.size() < 2 || text.size() > channel_size_max || text[0] != '#') return false;
  if (std::ranges::any_of(text, is_control) || has_invisible(text)) return false;
  return text.find_first_of(channel_breakers) == text.npos;
}

bool is_key(std::string_view text) noexcept {
  if (text.empty() || text.size() > key_size_max || text[0] == ':') return false;
  return std::ranges::all_of(
      text, [](char c) { return is_ascii(c) && !is_control(c) && c != ' ' && c != ','; });
}

std::string user_from(std::string_view asked) {
  std::string out;
  for (const char c : asked)
    if (!is_control(c) && user_breakers.find(c) == user_breakers.npos) out += c;
  out.resize(cut_utf8(out, user_size_max).size());
  return out.empty() ? "user" : out;
}

std::string normalized_mask(std::string_view typed) {
  const std::size_t bang = typed.find('!');
  const std::size_t at = typed.find('@', bang == typed.npos ? 0 : bang);
  const auto or_star = [](std::string_view part) {
    return part.empty() ? std::string("*") : std::string(part);
  };
  if (bang == typed.npos && at == typed.npos) return or_star(typed) + "!*@*";
  if (bang == typed.npos)
    return "*!" + or_star(typed.substr(0, at)) + "@" + or_star(typed.substr(at + 1));
  const std::string nick = or_star(typed.substr(0, bang));
  if (at == typed.npos) return nick + "!" + or_star(typed.substr(bang + 1)) + "@*";
  return nick + "!" + or_star(typed.substr(bang + 1, at - bang - 1)) + "@" +
         or_star(typed.substr(at + 1));
}

}  // namespace tertulia::proto
