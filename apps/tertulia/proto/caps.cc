#include "proto/caps.h"

#include <algorithm>
#include <array>

namespace tertulia::proto {

namespace {

constexpr std::array<std::string_view, cap_count> names{"message-tags", "server-time", "batch",
                                                        "echo-message", "draft/chathistory"};

std::optional<cap> find_cap(std::string_view name) noexcept {
  const auto at = std::ranges::find(names, name);
  if (at == names.end()) return std::nullopt;
  return static_cast<cap>(at - names.begin());
}

}  // namespace

std::string_view name_of(cap c) noexcept { return names[static_cast<std::size_t>(c)]; }

cap_set all_caps() noexcept {
  cap_set all;
  for (std::size_t i = 0; i < cap_count; ++i) all.add(static_cast<cap>(i));
  return all;
}

std::optional<cap_set> apply_request(std::string_view asked, cap_set current) noexcept {
  while (!asked.empty()) {
    std::string_view word = asked.substr(0, asked.find(' '));
    asked.remove_prefix(std::min(word.size() + 1, asked.size()));
    if (word.empty()) continue;
    const bool takes_away = word.starts_with('-');
    if (takes_away) word.remove_prefix(1);
    const auto known = find_cap(word);
    if (!known) return std::nullopt;
    if (takes_away)
      current.remove(*known);
    else
      current.add(*known);
  }
  return current;
}

std::vector<std::string> name_lists(cap_set caps, std::size_t size_max) {
  std::vector<std::string> out(1);
  for (std::size_t i = 0; i < cap_count; ++i) {
    if (!caps.has(static_cast<cap>(i))) continue;
    if (!out.back().empty() && out.back().size() + 1 + names[i].size() > size_max)
      out.emplace_back();
    if (!out.back().empty()) out.back() += ' ';
    out.back() += names[i];
  }
  return out;
}

}  // namespace tertulia::proto
