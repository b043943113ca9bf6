#pragma once

// top_rows: what a script sees that adds up the rows of `top -b`, as the paper's did: top prints
// the busiest processes of the machine, and no more of them than it has rows.

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <vector>

namespace lab {

// top_row_limit: rows of processes that FreeBSD's top prints when its output is no terminal.
constexpr std::size_t top_row_limit = 18;

struct process_usage {
  double percent = 0;  // of one CPU
  bool of_server = false;
};

// visible_percent: the sum over the server's processes that are among the `rows` busiest.
double visible_percent(std::vector<process_usage> all, std::size_t rows);

// top_rows: measures processes one by one. Those of the lab itself do not count: the paper's load
// came from another machine.
class top_rows {
 public:
  explicit top_rows(pid_t server) : server_(server) { take(); }

  // take: visible_percent since the last call.
  double take();

 private:
  pid_t server_;
  std::map<pid_t, double> used_us_;
  std::chrono::steady_clock::time_point at_;
};

}  // namespace lab
