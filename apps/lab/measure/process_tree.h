#pragma once

// process_tree: what a server's processes use, all of them together, read from /proc; and a control
// group that counts the same without gaps, where one can be made.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "measure/proc_text.h"

namespace lab {

// read_file: all of a small file; nothing if it cannot be read.
std::optional<std::string> read_file(const std::string& path);

// all_processes: every process of the machine.
std::vector<process_stat> all_processes();

// descendants: `root` and all below it.
std::vector<process_stat> descendants(pid_t root);

struct cpu_times {
  double user_us = 0;
  double system_us = 0;
};

struct tree_usage {
  std::size_t processes = 0;
  std::size_t threads = 0;
  std::uint64_t proportional_kib = 0;  // Pss: pages that are shared count by their share
  std::uint64_t switches = 0;          // voluntary and not
};
tree_usage read_tree_usage(pid_t root);

// process_cpu_us: CPU time of a process with all its threads; nothing if there is none.
std::optional<double> process_cpu_us(pid_t pid);

// cgroup: a control group (version 2) of our own.
class cgroup {
 public:
  // make: below the group this process is in; nothing where that is not allowed, or there is no
  // version 2.
  static std::optional<cgroup> make();
  cgroup(cgroup&& other) noexcept
      : path_(std::exchange(other.path_, {})), procs_path_(std::move(other.procs_path_)) {}
  cgroup& operator=(cgroup&&) = delete;
  // Removes it; the processes in it must have ended.
  ~cgroup();

  // join: the calling process enters it; safe between fork and exec.
  void join() const noexcept;
  [[nodiscard]] std::optional<cpu_times> read() const;

 private:
  explicit cgroup(std::string path);
  std::string path_;
  std::string procs_path_;
};

// cpu_meter: CPU time of a server. From its control group if there is one; else the sum over its
// processes, of which the time between the last look at a process that ends and its end is lost
// unless its parent waits for it.
class cpu_meter {
 public:
  cpu_meter(pid_t root, const cgroup* group) : root_(root), group_(group) {}
  cpu_times read();

 private:
  pid_t root_;
  const cgroup* group_;
};

}  // namespace lab
