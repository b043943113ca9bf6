#include "run/report.h"

#include <fmt/format.h>

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

// lines_of: for each paradigm, in the order of its first point, the median over repeats.
std::vector<series> lines_of(const results& r, std::string_view workload, std::string_view variant,
                             const value_of& value) {
  std::vector<std::string> order;
  std::map<std::string, std::map<unsigned, std::vector<double>>> values;
  for (const auto& p : r.points) {
    if (p.workload != workload || p.variant != variant) continue;
    if (!values.contains(p.paradigm)) order.push_back(p.paradigm);
    values[p.paradigm][p.connections].push_back(value(p));
  }
  std::vector<series> lines;
  for (const auto& name : order) {
    series line{name, false, {}};
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

std::string figures(const results& r, std::string_view variant) {
  const auto percent = [](const point& p) { return p.mean_percent; };
  const auto variation = [](const point& p) { return p.variation; };
  const auto cost = [](const point& p) { return p.us_per_mb; };
  auto a = lines_of(r, "paper", variant, percent);
  if (a.empty()) return {};
  auto b = lines_of(r, "paper", variant, variation);
  add_published(a, &published_point::c_mean, &published_point::go_mean);
  add_published(b, &published_point::c_variation, &published_point::go_variation);
  const std::string label = fmt::format("concurrent connections, 1 Mbit/s each ({})", variant);
  return fmt::format("<h2>The paper's workload, {}</h2>\n", variant) +
         svg_plot("3a: mean CPU", label, "% of one CPU", a) +
         svg_plot("3b: coefficient of variation of CPU", label, "deviation / mean", b) +
         svg_plot("CPU for a megabyte", label, "microseconds / MB",
                  lines_of(r, "paper", variant, cost));
}

std::string row(const point& p) {
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2f}</td><td>{:.2f}</td><td>{:.2f}</"
      "td>"
      "<td>{:.3f}</td><td>{:.0f}</td><td>{:.1f}</td><td>{}</td><td>{}</td><td>{:.0f}</td>"
      "<td>{:.0f}</td><td>{:.0f}</td><td>{:.0f}</td><td>{}</td></tr>\n",
      p.workload, p.variant, escape_html(p.paradigm), p.connections, p.mean_percent, p.user_percent,
      p.system_percent, p.variation, p.us_per_mb, p.memory_kib / 1024, p.processes, p.threads,
      p.switches_per_s, p.load.latency.p50_us, p.load.latency.p99_us, p.load.latency.p999_us,
      escape_html(p.load.limit));
}

std::string table(const results& r) {
  std::string out =
      "<table><tr><th>workload</th><th>variant</th><th>paradigm</th><th>connections</th>"
      "<th>CPU&nbsp;%</th><th>user&nbsp;%</th><th>system&nbsp;%</th><th>variation</th>"
      "<th>&micro;s/MB</th><th>memory MiB</th><th>processes</th><th>threads</th>"
      "<th>switches/s</th><th>p50 &micro;s</th><th>p99 &micro;s</th><th>p99.9 &micro;s</th>"
      "<th>limit</th></tr>\n";
  for (const auto& p : r.points) out += row(p);
  return out + "</table>\n";
}

std::string about(const results& r) {
  const auto& m = r.machine;
  std::string out = fmt::format(
      "<p>{} CPUs of {}; {} MiB; {}; {}; spectre v2: {}; governor: {}; {}. Server on CPUs {}, load "
      "on CPUs {}. CPU time from {}, every 500 ms. All else on the machine used {:.1f}% of one CPU "
      "before the run; nothing is subtracted. Settings: {}.</p>\n",
      m.cpus, escape_html(m.cpu), m.memory_mib, escape_html(m.kernel), escape_html(m.compiler),
      escape_html(m.mitigations), escape_html(m.governor), escape_html(m.when),
      escape_html(m.server_cpus), escape_html(m.load_cpus),
      m.sampler == "cgroup" ? "the server's control group" : "/proc, over the server's processes",
      m.idle_percent, escape_html(r.settings));
  for (const auto& [name, why] : r.missing)
    out += fmt::format("<p>Missing: {}: {}.</p>\n", escape_html(name), escape_html(why));
  std::set<std::string> others;
  std::size_t limited = 0;
  std::size_t wrong = 0;
  for (const auto& p : r.points) {
    for (const auto& o : p.busy_others) others.insert(o.substr(0, o.rfind(' ')));
    if (p.load.limit != "none") ++limited;
    if (p.load.wrong_bytes != 0 || p.load.failed != 0) ++wrong;
  }
  if (!others.empty()) {
    out += "<p>Foreign processes that used more than 1% of a CPU during a point:";
    for (const auto& o : others) out += " " + escape_html(o);
    out += ".</p>\n";
  }
  if (limited > 0)
    out += fmt::format(
        "<p>In {} of {} points the full rate was not reached, or the generator was late; the last "
        "column of the table names the limit.</p>\n",
        limited, r.points.size());
  if (wrong > 0)
    out += fmt::format("<p>In {} points connections failed or bytes were wrong.</p>\n", wrong);
  return out;
}

double cpu_of(const sample& s) { return s.user_percent + s.system_percent; }

// cpu_values: by point without its repeat: means of repeats if there are three, else all samples.
std::map<std::string, std::vector<double>> cpu_values(const results& r) {
  constexpr std::size_t enough = 3;
  std::map<std::string, std::vector<double>> means;
  std::map<std::string, std::vector<double>> samples;
  for (const auto& p : r.points) {
    const std::string key = p.key().substr(0, p.key().rfind('/'));
    means[key].push_back(p.mean_percent);
    for (const auto& s : p.samples) samples[key].push_back(cpu_of(s));
  }
  for (auto& [key, values] : means) {
    if (values.size() < enough) values = samples[key];
  }
  return means;
}

}  // namespace

std::string report_html(const results& r) {
  return "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>weft-lab</title>\n"
         "<style>body{font:14px sans-serif;max-width:1200px;margin:24px auto;color:#222}"
         "table{border-collapse:collapse;font-size:12px}td,th{padding:2px 6px;text-align:right;"
         "border-bottom:1px solid #ddd}th{vertical-align:bottom}svg{display:block;margin:12px 0}"
         "</style></head>\n<body>\n<h1>Concurrency paradigms, measured</h1>\n" +
         about(r) + figures(r, "fair") + figures(r, "as-published") + "<h2>All points</h2>\n" +
         table(r) +
         "<p>Dashed lines are the paper's own points, from another machine and system. Its C "
         "values "
         "at 32 and 64 connections are of the whole system, the others of the server alone.</p>\n"
         "</body></html>\n";
}

std::string compare_text(const results& a, const results& b) {
  const auto before = cpu_values(a);
  const auto after = cpu_values(b);
  std::string out = fmt::format("{:<44}{:>9}{:>9}{:>8}  {}\n", "point (workload/variant/...)",
                                "A CPU %", "B CPU %", "B/A", "95% confidence");
  std::size_t common = 0;
  for (const auto& [key, values] : before) {
    const auto other = after.find(key);
    if (other == after.end() || values.empty() || other->second.empty() || mean(values) <= 0)
      continue;
    ++common;
    const auto range = ratio_interval(values, other->second);
    const bool differs = range.low > 1 || range.high < 1;
    out += fmt::format("{:<44}{:>9.2f}{:>9.2f}{:>8.3f}  {:.3f} to {:.3f}{}\n", key, mean(values),
                       mean(other->second), mean(other->second) / mean(values), range.low,
                       range.high, differs ? "" : "  (no difference shown)");
  }
  if (common == 0) out += "the two have no point in common\n";
  return out;
}

}  // namespace lab
