#include "measure/top_rows.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "measure/process_tree.h"

namespace lab {

double visible_percent(std::vector<process_usage> all, std::size_t rows) {
  const std::size_t shown = std::min(rows, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(),
                    [](const auto& a, const auto& b) { return a.percent > b.percent; });
  double sum = 0;
  for (std::size_t i = 0; i < shown; ++i) {
    if (all[i].of_server) sum += all[i].percent;
  }
  return sum;
}

double top_rows::take() {
  std::set<int> servers;
  std::set<int> ours = {::getpid()};
  for (const auto& p : descendants(server_)) servers.insert(p.pid);
  for (const auto& p : descendants(::getpid())) ours.insert(p.pid);
  const auto now = std::chrono::steady_clock::now();
  const double passed_us = std::chrono::duration<double>(now - at_).count() * 1e6;
  std::map<pid_t, double> used_us;
  std::vector<process_usage> rows;
  for (const auto& p : all_processes()) {
    const bool of_server = servers.contains(p.pid);
    if (!of_server && ours.contains(p.pid)) continue;
    const auto us = process_cpu_us(p.pid);
    if (!us) continue;
    used_us[p.pid] = *us;
    const auto before = used_us_.find(p.pid);
    const double since = before == used_us_.end() ? *us : *us - before->second;
    rows.push_back({since / passed_us * 100, of_server});
  }
  used_us_ = std::move(used_us);
  at_ = now;
  return visible_percent(std::move(rows), top_row_limit);
}

}  // namespace lab
