#include "run/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "measure/statistics.h"
#include "run/child.h"
#include "run/figures.h"
#include "run/plot.h"

namespace lab {

namespace {

// sections: what each workload and variant has to show.
std::string sections(const results& r) {
  std::string out;
  for (const auto& workload : workload_names()) {
    for (const char* variant : {"fair", "as-published"}) {
      const auto all = figures(r, workload, variant);
      if (all.empty()) continue;
      out +=
          fmt::format("<h2>{}, {}</h2>\n", workload, variant) + ratio_table(r, workload, variant);
      for (const auto& f : all) out += f.svg;
    }
  }
  return out;
}

// measured: nothing where there was nothing to measure.
std::string measured(double value, int digits) {
  return value > 0 ? fmt::format("{:.{}f}", value, digits) : std::string();
}

std::string row(const point& p) {
  const auto& latency = p.load.latency;
  std::string out = "<tr>";
  for (const auto& cell :
       {escape_html(p.workload), escape_html(p.variant), escape_html(p.paradigm),
        std::to_string(p.connections), fmt::format("{:.2f}", p.mean_percent),
        fmt::format("{:.2f}", p.user_percent), fmt::format("{:.2f}", p.system_percent),
        measured(p.top18_percent, 2), fmt::format("{:.3f}", p.variation),
        measured(p.us_per_operation, 2), measured(p.us_per_mb, 0),
        fmt::format("{:.1f}", p.memory_kib / 1024), std::to_string(p.processes),
        std::to_string(p.threads), fmt::format("{:.0f}", p.switches_per_s),
        measured(latency.p50_us, 0), measured(latency.p99_us, 0), measured(latency.p999_us, 0),
        escape_html(p.load.limit)})
    out += "<td>" + cell + "</td>";
  return out + "</tr>\n";
}

std::string table(const results& r) {
  std::string out =
      "<table><tr><th>workload</th><th>variant</th><th>paradigm</th><th>connections</th>"
      "<th>CPU&nbsp;%</th><th>user&nbsp;%</th><th>system&nbsp;%</th><th>top's 18 rows</th>"
      "<th>variation</th>"
      "<th>&micro;s/operation</th><th>&micro;s/MB</th><th>memory "
      "MiB</th><th>processes</th><th>threads</th>"
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

}  // namespace

std::string report_html(const results& r) {
  return "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>weft-lab</title>\n"
         "<style>body{font:14px sans-serif;max-width:1200px;margin:24px auto;color:#222}"
         "table{border-collapse:collapse;font-size:12px}td,th{padding:2px 6px;text-align:right;"
         "border-bottom:1px solid #ddd}th{vertical-align:bottom}svg{display:block;margin:12px 0}"
         "</style></head>\n<body>\n<h1>Concurrency paradigms, measured</h1>\n" +
         about(r) + sections(r) + "<h2>All points</h2>\n" + table(r) +
         "<p>Dashed lines named paper are its own points, from another machine and system. Its C "
         "values at 32 and 64 connections are of the whole system, the others of the server "
         "alone.</p>\n</body></html>\n";
}

void write_report(const results& r, const std::string& directory) {
  replace_file(directory + "/report.html", report_html(r));
  const std::string folder = directory + "/figures";
  std::filesystem::create_directories(folder);
  for (const auto& workload : workload_names()) {
    for (const char* variant : {"fair", "as-published"}) {
      for (const auto& f : figures(r, workload, variant)) {
        const std::string path = folder + "/" + f.name;
        replace_file(path + ".svg", f.svg);
        // A PNG beside it where there is a program that makes one.
        child convert({.command = {"rsvg-convert", "-o", path + ".png", path + ".svg"}});
        static_cast<void>(
            convert.line(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
      }
    }
  }
}

std::string compare_text(const results& a, const results& b, std::string_view what) {
  const auto before = values_of(a, what);
  const auto after = values_of(b, what);
  std::string out = description_of(what) + '\n' +
                    fmt::format("{:<44}{:>11}{:>11}{:>8}  {}\n", "point (workload/variant/...)",
                                "A", "B", "B/A", "95% confidence");
  std::size_t common = 0;
  for (const auto& [key, values] : before) {
    const auto other = after.find(key);
    if (other == after.end() || values.empty() || other->second.empty() || mean(values) <= 0)
      continue;
    ++common;
    std::string confidence = fmt::format("fewer than {} repeats", enough_repeats);
    if (std::min(values.size(), other->second.size()) >= enough_repeats) {
      const auto range = ratio_interval(values, other->second);
      const bool differs = range.low > 1 || range.high < 1;
      confidence = fmt::format("{:.3f} to {:.3f}{}", range.low, range.high,
                               differs ? "" : "  (no difference shown)");
    }
    out += fmt::format("{:<44}{:>11.2f}{:>11.2f}{:>8.3f}  {}\n", key, mean(values),
                       mean(other->second), mean(other->second) / mean(values), confidence);
  }
  if (common == 0) out += fmt::format("the two have no {} of a point in common\n", what);
  return out;
}

}  // namespace lab
