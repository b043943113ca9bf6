#include "chat/config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace lab::chat {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

}  // namespace

config_result parse_config(std::string_view text, const std::vector<std::string_view>& known) {
  config found;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto whole = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto wrong = [at = ++number](const std::string& what) {
      return std::unexpected("line " + std::to_string(at) + ": " + what);
    };
    if (whole.size() > config_line_max)
      return wrong("more than " + std::to_string(config_line_max) + " bytes");
    const auto line = trimmed(whole);
    if (line.empty() || line.front() == '#') continue;
    const std::string name(line.substr(0, line.find_first_of(" \t")));
    const auto value = trimmed(line.substr(name.size()));
    if (std::find(known.begin(), known.end(), name) == known.end())
      return wrong("there is no setting '" + name + "'");
    if (value.empty()) return wrong(name + " has no value");
    found.emplace(name, value);
  }
  return found;
}

config_result read_config(const std::string& path, const std::vector<std::string_view>& known) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(path + " cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  auto read = parse_config(text.str(), known);
  if (!read) return std::unexpected(path + ": " + read.error());
  return read;
}

std::expected<unsigned long, std::string> number_of(const config& c, std::string_view name,
                                                    unsigned long otherwise, unsigned long most) {
  const auto found = c.find(name);
  if (found == c.end()) return otherwise;
  const std::string& text = found->second;
  unsigned long value = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || rest != text.data() + text.size() || value > most)
    return std::unexpected(std::string(name) + ": '" + text + "' is not a number up to " +
                           std::to_string(most));
  return value;
}

}  // namespace lab::chat
