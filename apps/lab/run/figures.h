#pragma once

// figures: the plots of a report, and what is set beside what in it.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "run/results.h"

namespace lab {

struct figure {
  std::string name;  // of its file, without an ending
  std::string svg;
};

// figures: figures 3a and 3b of the paper with its own points beside ours, and what else one
// workload and variant have to show; none where nothing was measured.
std::vector<figure> figures(const results& r, std::string_view workload, std::string_view variant);

// ratio_table: for each number of connections, the CPU that goroutine used, as a share of what each
// of the others did, with 95% confidence. HTML; empty where goroutine was not measured.
std::string ratio_table(const results& r, std::string_view workload, std::string_view variant);

// values_of: of each point without its repeat, one a repeat; of "cpu" all samples where there are
// fewer than enough_repeats. `what` is one of compared_figures().
inline constexpr std::size_t enough_repeats = 3;
std::map<std::string, std::vector<double>> values_of(const results& r, std::string_view what);
std::vector<std::string> compared_figures();
// description_of: its title and unit.
std::string description_of(std::string_view what);

}  // namespace lab
