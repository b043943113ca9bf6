#pragma once

// plot: a line chart as SVG, to stand inside an HTML page.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lab {

struct series {
  std::string name;
  bool dashed = false;                            // what others measured
  std::vector<std::pair<double, double>> points;  // x at least 1, ascending; y at least 0
};

// svg_plot: x on a logarithmic scale of base 2, y from 0. The same name has the same colour in
// every plot of a report.
std::string svg_plot(std::string_view title, std::string_view x_label, std::string_view y_label,
                     const std::vector<series>& lines);

// svg_bars: a bar per series, for its first point: where all have the same single x.
std::string svg_bars(std::string_view title, std::string_view x_label, std::string_view y_label,
                     const std::vector<series>& lines);

// escape_html: text that may stand in HTML, and in attributes.
std::string escape_html(std::string_view text);

}  // namespace lab
