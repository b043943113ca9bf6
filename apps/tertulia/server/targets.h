#pragma once

// targets: parameters that name several things: "#a,#b,ana".

#include <cstddef>
#include <string_view>
#include <vector>

namespace tertulia {

// targets_max: how many one command may name; told to clients as TARGMAX.
inline constexpr std::size_t targets_max = 4;

// split_targets: the parts of `list` between commas; empty ones are left out.
[[nodiscard]] inline std::vector<std::string_view> split_targets(std::string_view list) {
  std::vector<std::string_view> out;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(part.size() < list.size() ? part.size() + 1 : part.size());
    if (!part.empty()) out.push_back(part);
  }
  return out;
}

}  // namespace tertulia
