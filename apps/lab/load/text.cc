#include "load/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace lab {

namespace {

struct number_and_unit {
  double number;
  std::string_view unit;
};

parsed<number_and_unit> split(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc() || !std::isfinite(number) || number < 0)
    return std::unexpected("'" + std::string(text) + "' does not begin with a number");
  return number_and_unit{number, std::string_view(rest, static_cast<std::size_t>(end - rest))};
}

std::unexpected<std::string> unknown_unit(std::string_view text, std::string_view known) {
  return std::unexpected("'" + std::string(text) + "': the units are " + std::string(known));
}

// prefix: takes k, M or G off the front of a unit and returns what it stands for.
double prefix(std::string_view& unit) {
  constexpr std::array<std::pair<char, double>, 3> known = {{{'k', 1e3}, {'M', 1e6}, {'G', 1e9}}};
  for (const auto& [letter, times] : known) {
    if (unit.starts_with(letter)) {
      unit.remove_prefix(1);
      return times;
    }
  }
  return 1;
}

}  // namespace

parsed<double> parse_amount(std::string_view text) {
  auto part = split(text);
  if (!part) return std::unexpected(std::move(part.error()));
  const double times = prefix(part->unit);
  if (!part->unit.empty()) return unknown_unit(text, "k, M and G");
  return part->number * times;
}

parsed<double> parse_bandwidth(std::string_view text) {
  auto part = split(text);
  if (!part) return std::unexpected(std::move(part.error()));
  const double times = prefix(part->unit);
  if (part->unit.empty() || part->unit == "bps") return part->number * times;
  if (part->unit == "Bps") return part->number * times * 8;
  return unknown_unit(text, "bps and Bps, with k, M or G before them");
}

parsed<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 7> known = {
      {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"m", 60e9}, {"h", 3600e9}}};
  auto part = split(text);
  if (!part) return std::unexpected(std::move(part.error()));
  for (const auto& [unit, ns] : known) {
    if (part->unit != unit) continue;
    if (part->number * ns > 1e18) return std::unexpected("'" + std::string(text) + "' is too long");
    return std::chrono::nanoseconds(std::llround(part->number * ns));
  }
  return unknown_unit(text, "h, m, s, ms, us and ns");
}

std::vector<std::string> parse_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    if (comma > 0) names.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return names;
}

parsed<std::vector<unsigned>> parse_numbers(std::string_view text) {
  constexpr unsigned most = 1'000'000;
  const auto one = [&](std::string_view digits) -> parsed<unsigned> {
    unsigned n = 0;
    const char* const end = digits.data() + digits.size();
    const auto [rest, problem] = std::from_chars(digits.data(), end, n);
    if (problem != std::errc() || rest != end || n < 1 || n > most)
      return std::unexpected("'" + std::string(digits) + "' is not a number from 1 to 1000000");
    return n;
  };
  std::vector<unsigned> numbers;
  for (const auto& item : parse_names(text)) {
    const std::string_view view = item;
    const auto dots = view.find("..");
    const auto first = one(view.substr(0, dots));
    if (!first) return std::unexpected(first.error());
    if (dots == std::string_view::npos) {
      numbers.push_back(*first);
      continue;
    }
    const auto last = one(view.substr(dots + 2));
    if (!last) return std::unexpected(last.error());
    if (*last < *first) return std::unexpected("'" + item + "' runs backwards");
    for (unsigned n = *first; n < *last; n *= 2) numbers.push_back(n);
    numbers.push_back(*last);
  }
  if (numbers.empty()) return std::unexpected("a list of numbers is empty");
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

}  // namespace lab
