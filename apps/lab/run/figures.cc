#include "run/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "measure/statistics.h"
#include "run/plot.h"

namespace lab {

namespace {

struct published_point {
  unsigned connections;
  double c_mean;
  double c_variation;
  double go_mean;
  double go_variation;
};
// The paper's figures 3a and 3b. FreeBSD 13.0, one virtual CPU, gcc 10.4, Go 1.18.2.
constexpr std::array published = {
    published_point{1, 0.34, 0.159, 1.94, 0.169},    published_point{2, 0.45, 0.221, 2.61, 0.205},
    published_point{4, 0.79, 0.228, 4.35, 0.172},    published_point{8, 1.37, 0.137, 6.15, 0.276},
    published_point{16, 2.17, 0.147, 11.71, 0.229},  published_point{32, 8.02, 0.348, 22.71, 0.322},
    published_point{64, 14.70, 0.272, 36.08, 0.243},
};

using value_of = std::function<double(const point&)>;

struct selection {
  const results& r;
  std::string_view workload;
  std::string_view variant;

  [[nodiscard]] bool has(const point& p) const {
    return p.workload == workload && p.variant == variant;
  }
};

// lines_of: for each paradigm, in the order of its first point, the median over repeats.
std::vector<series> lines_of(const selection& of, const value_of& value,
                             std::string_view suffix = {}) {
  std::vector<std::string> order;
  std::map<std::string, std::map<unsigned, std::vector<double>>> values;
  for (const auto& p : of.r.points) {
    if (!of.has(p)) continue;
    if (!values.contains(p.paradigm)) order.push_back(p.paradigm);
    values[p.paradigm][p.connections].push_back(value(p));
  }
  std::vector<series> lines;
  for (const auto& name : order) {
    series line{name + std::string(suffix), !suffix.empty(), {}};
    for (const auto& [n, all] : values[name])
      line.points.emplace_back(static_cast<double>(n), median(all));
    lines.push_back(std::move(line));
  }
  return lines;
}

void add_published(std::vector<series>& lines, double published_point::* c,
                   double published_point::* go) {
  series of_c{"paper: C, fork", true, {}};
  series of_go{"paper: Go", true, {}};
  for (const auto& p : published) {
    of_c.points.emplace_back(p.connections, p.*c);
    of_go.points.emplace_back(p.connections, p.*go);
  }
  lines.push_back(std::move(of_c));
  lines.push_back(std::move(of_go));
}

std::string axis_of(const selection& of) {
  std::string_view what;
  if (of.workload == "paper") what = "1 Mbit/s each";
  if (of.workload == "echo") what = "100 messages/s each";
  if (of.workload == "slow") what = "100 messages/s each, a quarter of them slow";
  if (of.workload == "idle") what = "silent";
  if (of.workload == "storm") return fmt::format("connections a second ({})", of.variant);
  if (of.workload == "chat") return "members, 1,000 lines/s of all together";
  return fmt::format("concurrent connections, {} ({})", what, of.variant);
}

// picture: lines, or bars where only one number of connections was measured.
std::string picture(const selection& of, std::string_view title, std::string_view label,
                    const std::vector<series>& lines) {
  std::set<double> counts;
  for (const auto& line : lines) {
    for (const auto& [n, value] : line.points) counts.insert(n);
  }
  if (counts.size() != 1) return svg_plot(title, axis_of(of), label, lines);
  return svg_bars(title, fmt::format("{:.0f} {}", *counts.begin(), axis_of(of)), label, lines);
}

std::string operation_title(std::string_view workload) {
  if (workload == "storm") return "CPU for a client served";
  return workload == "chat" ? "CPU for a line delivered to a member" : "CPU for a message echoed";
}

// add_paper_figures: what the paper plotted.
void add_paper_figures(std::vector<figure>& all, const selection& of) {
  auto a = lines_of(of, [](const point& p) { return p.mean_percent; });
  auto b = lines_of(of, [](const point& p) { return p.variation; });
  add_published(a, &published_point::c_mean, &published_point::go_mean);
  add_published(b, &published_point::c_variation, &published_point::go_variation);
  all.push_back({"3a", svg_plot("3a: mean CPU", axis_of(of), "% of one CPU", a)});
  all.push_back(
      {"3b", svg_plot("3b: coefficient of variation of CPU", axis_of(of), "deviation / mean", b)});
}

void add_top18(std::vector<figure>& all, const selection& of) {
  const bool measured = std::any_of(of.r.points.begin(), of.r.points.end(), [&](const point& p) {
    return of.has(p) && p.top18_percent > 0;
  });
  if (!measured) return;
  auto lines = lines_of(of, [](const point& p) { return p.mean_percent; });
  auto seen = lines_of(of, [](const point& p) { return p.top18_percent; }, ", by top");
  lines.insert(lines.end(), seen.begin(), seen.end());
  all.push_back({"top18", svg_plot("Mean CPU, and what 18 rows of top show of it", axis_of(of),
                                   "% of one CPU", lines)});
}

struct plotted {
  std::string_view name;
  std::string_view title;  // empty: operation_title
  std::string_view label;
  double (*value)(const point&);
};
constexpr std::array plots = {
    plotted{"cost", "CPU for a megabyte", "microseconds / MB",
            [](const point& p) { return p.us_per_mb; }},
    plotted{"operation", {}, "microseconds", [](const point& p) { return p.us_per_operation; }},
    plotted{"memory", "Memory of the server, shared pages by their share", "MiB",
            [](const point& p) { return p.memory_kib / 1024; }},
    plotted{"switches", "Context switches of the server", "per second",
            [](const point& p) { return p.switches_per_s; }},
    plotted{"p50", "Latency, median", "microseconds",
            [](const point& p) { return p.load.latency.p50_us; }},
    plotted{"p99", "Latency, 99th percentile", "microseconds",
            [](const point& p) { return p.load.latency.p99_us; }},
};

// plot_of: null for "cpu".
const plotted* plot_of(std::string_view name) {
  const auto at = std::find_if(plots.begin(), plots.end(),
                               [name](const plotted& plot) { return plot.name == name; });
  return at != plots.end() ? &*at : nullptr;
}

}  // namespace

std::vector<figure> figures(const results& r, std::string_view workload, std::string_view variant) {
  const selection of{r, workload, variant};
  std::vector<figure> all;
  if (lines_of(of, plots.front().value).empty()) return all;
  if (workload == "paper") {
    add_paper_figures(all, of);
    add_top18(all, of);
  } else {
    all.push_back({"cpu", picture(of, "Mean CPU", "% of one CPU",
                                  lines_of(of, [](const point& p) { return p.mean_percent; }))});
  }
  for (const auto& plot : plots) {
    const auto lines = lines_of(of, plot.value);
    const bool any = std::any_of(lines.begin(), lines.end(), [](const series& line) {
      return std::any_of(line.points.begin(), line.points.end(),
                         [](const auto& at) { return at.second > 0; });
    });
    const std::string title =
        plot.title.empty() ? operation_title(workload) : std::string(plot.title);
    if (any) all.push_back({std::string(plot.name), picture(of, title, plot.label, lines)});
  }
  for (auto& f : all) f.name = fmt::format("{}-{}-{}", workload, variant, f.name);
  return all;
}

std::map<std::string, std::vector<double>> values_of(const results& r, std::string_view what) {
  const auto* other = plot_of(what);
  std::map<std::string, std::vector<double>> all;
  std::map<std::string, std::vector<double>> samples;
  for (const auto& p : r.points) {
    const std::string key = p.key().substr(0, p.key().rfind('/'));
    all[key].push_back(other != nullptr ? other->value(p) : p.mean_percent);
    for (const auto& s : p.samples) samples[key].push_back(s.user_percent + s.system_percent);
  }
  if (other != nullptr) return all;
  for (auto& [key, values] : all) {
    if (values.size() < enough_repeats) values = samples[key];
  }
  return all;
}

std::string description_of(std::string_view what) {
  const auto* plot = plot_of(what);
  if (plot == nullptr) return "Mean CPU, % of one CPU";
  const auto title = plot->title.empty() ? "CPU for an operation" : plot->title;
  return fmt::format("{}, {}", title, plot->label);
}

std::vector<std::string> compared_figures() {
  std::vector<std::string> names{"cpu"};
  for (const auto& plot : plots) names.emplace_back(plot.name);
  return names;
}

std::string ratio_table(const results& r, std::string_view workload, std::string_view variant) {
  const auto values = values_of(r, "cpu");
  const std::string prefix = fmt::format("{}/{}/", workload, variant);
  std::vector<std::string> others;
  std::set<unsigned> counts;
  for (const auto& p : r.points) {
    if (p.workload != workload || p.variant != variant) continue;
    if (p.paradigm == "goroutine") {
      counts.insert(p.connections);
    } else if (std::find(others.begin(), others.end(), p.paradigm) == others.end()) {
      others.push_back(p.paradigm);
    }
  }
  if (counts.empty() || others.empty()) return {};
  std::string out =
      "<p>CPU of goroutine as a share of each other's; in brackets where that lies with 95% "
      "confidence; bold where goroutine is shown to use less.</p>\n<table><tr><th>connections</th>";
  for (const auto& name : others) out += "<th>" + escape_html(name) + "</th>";
  out += "</tr>\n";
  for (const unsigned n : counts) {
    out += fmt::format("<tr><td>{}</td>", n);
    const auto mine = values.find(fmt::format("{}goroutine/{}", prefix, n));
    for (const auto& name : others) {
      const auto other = values.find(fmt::format("{}{}/{}", prefix, name, n));
      if (other == values.end() || mean(other->second) <= 0) {
        out += "<td></td>";
        continue;
      }
      const auto range = ratio_interval(other->second, mine->second);
      const std::string_view tag = range.high < 1 ? "b" : "span";
      out += fmt::format("<td><{0}>{1:.2f}</{0}> ({2:.2f}&ndash;{3:.2f})</td>", tag,
                         mean(mine->second) / mean(other->second), range.low, range.high);
    }
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

}  // namespace lab
