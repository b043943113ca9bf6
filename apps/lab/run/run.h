#pragma once

// run: the matrix of the experiment: every workload, variant, paradigm and number of connections.

#include <string>
#include <vector>

#include "load/text.h"
#include "run/results.h"

namespace lab {

struct run_options {
  std::string program;    // this one, started again for servers and load
  std::string directory;  // where results go; what is there already is not measured again
  std::vector<std::string> paradigms;
  std::vector<std::string> variants = {"fair", "as-published"};
  std::vector<std::string> workloads = workload_names();
  std::vector<unsigned> connections = {1, 2, 4, 8, 16, 32, 64};
  std::vector<unsigned> echo_connections = {64};
  std::vector<unsigned> idle_connections = {64};
  std::vector<unsigned> storm_rates = {500};
  std::vector<unsigned> chat_members = {32};
  double seconds = 10;  // of each point
  unsigned repeats = 1;
  // server: the shell command of a foreign server, measured as paradigm "server"; server_address:
  // where it listens, if it does not say "listening on ADDRESS" on standard error.
  std::string server;
  std::string server_address;
  std::string server_host;  // where an agent starts the servers; empty: here
  std::string server_cpus;  // "0,2-3"; empty: all
  std::string load_cpus;
  // sampler: cgroup, proc, or auto: the first that works; top18: auto, and beside it what the first
  // 18 rows of top would have shown.
  std::string sampler = "auto";
};

// all_paradigms: those compiled in, and "go".
std::vector<std::string> all_paradigms();

// host_of: of "host" or "host:port", with the brackets of an IPv6 address.
std::string host_of(const std::string& address);

// run: measures what is not yet in the results, and writes results.json, points.csv, samples.csv
// and report.html. The process's exit status: 0, 1 if a server failed, 130 if interrupted.
int run(const run_options& options);

}  // namespace lab
