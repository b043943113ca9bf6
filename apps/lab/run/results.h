#pragma once

// results: what a run measured, as it stands in results.json. Times are in the unit of the name.

#include <map>
#include <string>
#include <vector>

namespace lab {

struct percentiles {
  double p50_us = 0;
  double p90_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double max_us = 0;
};

// load_result: what the generator says (weft-lab load --json prints it).
struct load_result {
  unsigned connected = 0;
  unsigned failed = 0;
  std::string first_failure;
  unsigned long long messages_due = 0;
  unsigned long long messages_sent = 0;
  unsigned long long bytes_sent = 0;
  unsigned long long bytes_received = 0;
  unsigned long long wrong_bytes = 0;
  unsigned long long operations = 0;  // messages echoed, clients of a storm, lines delivered
  double seconds = 0;
  double cpu_seconds = 0;
  double blocked_seconds = 0;
  double late_p99_us = 0;
  std::string limit;
  percentiles connect;
  percentiles latency;
};

// sample: CPU of the server over one interval, and of everything on the machine, in percent of one
// CPU.
struct sample {
  double at_s = 0;
  double user_percent = 0;
  double system_percent = 0;
  double machine_percent = 0;
  double top18_percent = 0;  // --sampler top18: what 18 rows of top would have shown
};

// point: one paradigm at one number of connections, once.
struct point {
  std::string workload;
  std::string variant;
  std::string paradigm;
  unsigned connections = 0;
  unsigned repeat = 0;
  double mean_percent = 0;
  double variation = 0;  // coefficient of variation of the samples
  double user_percent = 0;
  double system_percent = 0;
  double top18_percent = 0;  // --sampler top18: mean and variation of what it showed above 0
  double top18_variation = 0;
  double us_per_operation = 0;  // CPU for what load.operations counts
  double us_per_mb = 0;         // CPU for a megabyte received; 0 where none was sent
  double memory_kib = 0;
  unsigned processes = 0;
  unsigned threads = 0;
  double switches_per_s = 0;
  std::vector<std::string> busy_others;  // foreign processes that used more than 1% of a CPU
  load_result load;
  std::vector<sample> samples;

  [[nodiscard]] std::string key() const {
    return workload + "/" + variant + "/" + paradigm + "/" + std::to_string(connections) + "/" +
           std::to_string(repeat);
  }
};

struct machine_record {
  std::string cpu;
  unsigned cpus = 0;
  std::string kernel;
  std::string compiler;
  std::string mitigations;
  std::string governor;
  unsigned long memory_mib = 0;
  std::string when;
  std::string server_cpus;  // "all" unless pinned
  std::string load_cpus;
  std::string sampler;      // "cgroup" or "proc"
  double idle_percent = 0;  // CPU used by everything while nothing was measured
};

// workload_names: those there are, in the order of a report.
std::vector<std::string> workload_names();

struct results {
  int format = 1;
  std::string settings;  // what decides the numbers: a resumed run must have the same
  machine_record machine;
  std::map<std::string, std::string> missing;  // paradigm: why it was not measured
  std::vector<point> points;
};

// load_results: throws std::runtime_error with a text for the user.
results load_results(const std::string& path);

// save_results: results.json, points.csv and samples.csv in `directory`; each file is whole at any
// time.
void save_results(const results& r, const std::string& directory);

// replace_file: writes `text` to `path` so that readers see the old or the new file.
void replace_file(const std::string& path, const std::string& text);

std::string to_text(const load_result& r);
load_result load_result_from(const std::string& text);

}  // namespace lab
