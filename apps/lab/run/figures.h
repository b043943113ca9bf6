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

// cpu_values: of each point without its repeat: means of repeats if there are three, else all
// samples.
std::map<std::string, std::vector<double>> cpu_values(const results& r);

}  // namespace lab
