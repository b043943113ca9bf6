#include "proto/message.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "proto/chars.h"
#include "proto/utf8.h"

namespace tertulia::proto {

namespace {

char to_upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

void skip_spaces(std::string_view& rest) noexcept {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
}

// take_word: takes what stands before the next space off `rest`, and the spaces after it.
std::string_view take_word(std::string_view& rest) noexcept {
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  skip_spaces(rest);
  return word;
}

bool is_command_word(std::string_view word) noexcept {
  if (std::ranges::all_of(word, is_letter)) return true;
  return word.size() == 3 && std::ranges::all_of(word, is_digit);
}

void take_params(std::string_view rest, message& into) noexcept {
  while (!rest.empty()) {
    const bool is_last = into.param_count + 1 == params_max;
    if (rest.front() == ':' || is_last) {
      if (rest.front() == ':') rest.remove_prefix(1);
      into.param_storage[into.param_count++] = rest;
      return;
    }
    into.param_storage[into.param_count++] = take_word(rest);
  }
}

bool is_key_char(char c) noexcept {
  return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '/' || c == '_';
}

bool is_tag_key(std::string_view key) noexcept {
  if (key.starts_with('+')) key.remove_prefix(1);
  return !key.empty() && std::ranges::all_of(key, is_key_char);
}

}  // namespace

std::string_view text_of(parse_error e) noexcept {
  switch (e) {
    case parse_error::nul: return "NUL byte in line";
    case parse_error::bare_cr: return "Bare CR in line";
    case parse_error::invalid_utf8: return "Line is not valid UTF-8";
    case parse_error::no_command: return "Line has no command";
    case parse_error::bad_command: return "Malformed command";
  }
  return "";
}

std::expected<message, parse_error> parse(std::string_view line) noexcept {
  if (line.find('\0') != line.npos) return std::unexpected(parse_error::nul);
  if (line.find('\r') != line.npos) return std::unexpected(parse_error::bare_cr);
  if (!is_utf8(line)) return std::unexpected(parse_error::invalid_utf8);
  message out;
  std::string_view rest = line;
  if (rest.starts_with('@')) {
    rest.remove_prefix(1);
    out.tags = take_word(rest);
  }
  skip_spaces(rest);
  if (rest.starts_with(':')) {
    rest.remove_prefix(1);
    out.source = take_word(rest);
  }
  out.command = take_word(rest);
  if (out.command.empty()) return std::unexpected(parse_error::no_command);
  if (!is_command_word(out.command)) return std::unexpected(parse_error::bad_command);
  take_params(rest, out);
  return out;
}

bool is_command(std::string_view written, std::string_view name) noexcept {
  return std::ranges::equal(written, name, {}, to_upper);
}

std::optional<tag> next_tag(std::string_view& rest) noexcept {
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const std::size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    if (!is_tag_key(key)) continue;
    return tag{key, equals == item.npos ? std::string_view{} : item.substr(equals + 1)};
  }
  return std::nullopt;
}

void append_client_only_tags(std::string& out, std::string_view tags) {
  std::vector<tag> all;
  while (const auto t = next_tag(tags))
    if (t->key.starts_with('+')) all.push_back(*t);
  // From the back, where of several the one stands that counts. A set, not a search for each: a
  // line may have a thousand tags.
  std::unordered_set<std::string_view> seen;
  for (auto t = all.rbegin(); t != all.rend(); ++t)
    if (!seen.insert(t->key).second) t->key = {};
  const std::size_t start = out.size();
  for (const tag& t : all) {
    if (t.key.empty()) continue;
    if (out.size() > start) out += ';';
    out += t.key;
    if (t.value.empty()) continue;
    out += '=';
    out += t.value;
  }
}

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    switch (c) {
      case ';': out += "\\:"; break;
      case ' ': out += "\\s"; break;
      case '\\': out += "\\\\"; break;
      case '\r': out += "\\r"; break;
      case '\n': out += "\\n"; break;
      default: out += c;
    }
  }
}

void append_unescaped(std::string& out, std::string_view escaped) {
  bool after_backslash = false;
  for (const char c : escaped) {
    if (!after_backslash) {
      after_backslash = c == '\\';
      if (!after_backslash) out += c;
      continue;
    }
    after_backslash = false;
    switch (c) {
      case ':': out += ';'; break;
      case 's': out += ' '; break;
      case 'r': out += '\r'; break;
      case 'n': out += '\n'; break;
      default: out += c;  // "\\" is a backslash; before anything else it is dropped
    }
  }
}

}  // namespace tertulia::proto
