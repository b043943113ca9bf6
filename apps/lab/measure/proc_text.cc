#include "measure/proc_text.h"

#include <array>
#include <charconv>

namespace lab {

namespace {

// next_number: the number at the front of `text`, taken off with the blanks before it.
std::optional<std::uint64_t> next_number(std::string_view& text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  text.remove_prefix(begin);
  std::uint64_t value = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return value;
}

void skip_word(std::string_view& text) {
  const auto begin = text.find_first_not_of(" \t");
  text.remove_prefix(begin == std::string_view::npos ? text.size() : begin);
  const auto end = text.find_first_of(" \t\n");
  text.remove_prefix(end == std::string_view::npos ? text.size() : end);
}

}  // namespace

std::optional<process_stat> parse_process_stat(std::string_view line) {
  // The name stands in parentheses and may hold some itself.
  const auto open = line.find('(');
  const auto close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return std::nullopt;
  process_stat stat;
  auto front = line.substr(0, open);
  const auto pid = next_number(front);
  auto rest = line.substr(close + 1);
  skip_word(rest);  // state
  const auto parent = next_number(rest);
  if (!pid || !parent) return std::nullopt;
  constexpr int between = 9;  // from pgrp to cmajflt
  for (int i = 0; i < between; ++i) skip_word(rest);
  const auto user = next_number(rest);
  const auto system = next_number(rest);
  const auto reaped_user = next_number(rest);
  const auto reaped_system = next_number(rest);
  if (!user || !system || !reaped_user || !reaped_system) return std::nullopt;
  stat.pid = static_cast<int>(*pid);
  stat.parent = static_cast<int>(*parent);
  stat.name = line.substr(open + 1, close - open - 1);
  stat.user_ticks = *user;
  stat.system_ticks = *system;
  stat.reaped_ticks = *reaped_user + *reaped_system;
  return stat;
}

std::optional<machine_ticks> parse_machine_ticks(std::string_view text) {
  if (!text.starts_with("cpu ")) return std::nullopt;
  text = text.substr(3, text.find('\n') - 3);
  // user nice system idle iowait irq softirq steal; guest times are part of user already.
  std::array<std::uint64_t, 8> fields{};
  for (auto& f : fields) {
    const auto value = next_number(text);
    if (!value) return std::nullopt;
    f = *value;
  }
  machine_ticks ticks;
  for (const auto f : fields) ticks.all += f;
  ticks.busy = ticks.all - fields[3] - fields[4];
  return ticks;
}

std::optional<std::uint64_t> parse_field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    if (line.empty() || (line.front() != ' ' && line.front() != '\t')) continue;
    return next_number(line);
  }
  return std::nullopt;
}

}  // namespace lab
