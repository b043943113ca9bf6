#pragma once

#include <string>
#include <string_view>

#include "run/results.h"

namespace lab {

// report_html: one page with everything in it: figures 3a and 3b of the paper with its own points
// beside ours, tables, the machine.
std::string report_html(const results& r);

// write_report: report.html and figures/*.svg in `directory`, and figures/*.png where rsvg-convert
// is installed.
void write_report(const results& r, const std::string& directory);

// compare_text: b against a, point by point: ratios of one of compared_figures() (figures.h), with
// 95% confidence where there are enough repeats.
std::string compare_text(const results& a, const results& b, std::string_view what);

}  // namespace lab
