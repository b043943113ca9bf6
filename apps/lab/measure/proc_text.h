#pragma once

// proc_text: the files of /proc and of control groups, read from text that is given.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lab {

// process_stat: one line of /proc/PID/stat.
struct process_stat {
  int pid = 0;
  int parent = 0;
  std::string name;
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::uint64_t reaped_ticks = 0;  // of children that were waited for, both kinds
};
std::optional<process_stat> parse_process_stat(std::string_view line);

// machine_ticks: the first line of /proc/stat, all CPUs together.
struct machine_ticks {
  std::uint64_t busy = 0;  // all but idle and iowait
  std::uint64_t all = 0;
};
std::optional<machine_ticks> parse_machine_ticks(std::string_view text);

// parse_field: the number after "KEY" and blanks at the beginning of a line, as in /proc/PID/status
// ("voluntary_ctxt_switches:"), smaps_rollup ("Pss:") and cpu.stat ("user_usec").
std::optional<std::uint64_t> parse_field(std::string_view text, std::string_view key);

}  // namespace lab
