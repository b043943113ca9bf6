#include "run/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>

#include "chat/key.h"
#include "measure/machine.h"
#include "measure/process_tree.h"
#include "measure/statistics.h"
#include "run/child.h"
#include "run/report.h"
#include "run/request.h"
#include "run/results.h"
#include "run/target.h"
#include "serve/server.h"

namespace lab {

namespace {

using clock_type = std::chrono::steady_clock;
using seconds_type = std::chrono::duration<double>;
using namespace std::chrono_literals;

constexpr auto sample_interval = 500ms;
// The load goes on a little longer than is measured, so that no sample sees its end.
constexpr double load_margin_s = 0.4;
// What starting and ending a server and its load takes; only for the time that is left.
constexpr double overhead_s = 0.9;

struct planned {
  std::string workload;
  std::string variant;
  std::string paradigm;
  unsigned connections;
  unsigned repeat;

  [[nodiscard]] std::string key() const {
    return fmt::format("{}/{}/{}/{}/{}", workload, variant, paradigm, connections, repeat);
  }
};

// connections_of: how many, or of a storm how many a second.
const std::vector<unsigned>& connections_of(const run_options& o, std::string_view workload) {
  if (workload == "echo" || workload == "slow") return o.echo_connections;
  if (workload == "idle") return o.idle_connections;
  if (workload == "storm") return o.storm_rates;
  if (workload == "chat") return o.chat_members;
  return o.connections;
}

// plan: repeats outermost and paradigms innermost: what the machine does meanwhile falls on all of
// them alike.
std::vector<planned> plan(const run_options& o, const results& r) {
  std::vector<planned> all;
  for (unsigned repeat = 0; repeat < o.repeats; ++repeat) {
    for (const auto& workload : o.workloads) {
      for (const auto& variant : o.variants) {
        // All but the paper's print nothing, and differ in the buffer alone.
        if (workload != "paper" && variant != "fair" && o.variants.size() > 1) continue;
        for (const unsigned n : connections_of(o, workload)) {
          for (const auto& paradigm : o.paradigms) {
            if (!r.missing.contains(paradigm) && applies(workload, paradigm))
              all.push_back({workload, variant, paradigm, n, repeat});
          }
        }
      }
    }
  }
  return all;
}

class meter_over_time {
 public:
  explicit meter_over_time(target& server)
      : server_(server), start_(clock_type::now()), last_at_(start_), last_(server.read()) {}

  // take: one sample, since the last.
  sample take() {
    const auto now = server_.read();
    const auto at = clock_type::now();
    const double us = seconds_type(at - last_at_).count() * 1e6;
    sample s;
    s.at_s = seconds_type(at - start_).count();
    s.user_percent = std::max(0.0, now.user_us - last_.user_us) / us * 100;
    s.system_percent = std::max(0.0, now.system_us - last_.system_us) / us * 100;
    s.machine_percent = (now.machine_us - last_.machine_us) / us * 100;
    last_ = now;
    last_at_ = at;
    return s;
  }

 private:
  target& server_;
  clock_type::time_point start_;
  clock_type::time_point last_at_;
  target::reading last_;
};

// summarize_top18: as the paper did it: samples in which nothing was seen are left out.
void summarize_top18(point& p) {
  std::vector<double> seen;
  for (const auto& s : p.samples) {
    if (s.top18_percent > 0) seen.push_back(s.top18_percent);
  }
  p.top18_percent = mean(seen);
  p.top18_variation = coefficient_of_variation(seen);
}

void summarize(point& p) {
  std::vector<double> whole;
  std::vector<double> user;
  std::vector<double> system;
  for (const auto& s : p.samples) {
    whole.push_back(s.user_percent + s.system_percent);
    user.push_back(s.user_percent);
    system.push_back(s.system_percent);
  }
  p.mean_percent = mean(whole);
  p.variation = coefficient_of_variation(whole);
  p.user_percent = mean(user);
  p.system_percent = mean(system);
  summarize_top18(p);
  const double mb_per_s =
      p.load.seconds > 0 ? static_cast<double>(p.load.bytes_sent) / 1e6 / p.load.seconds : 0;
  const double us_per_s = p.mean_percent / 100 * 1e6;
  if (mb_per_s > 0) p.us_per_mb = us_per_s / mb_per_s;
  const double operations_per_s =
      p.load.seconds > 0 ? static_cast<double>(p.load.operations) / p.load.seconds : 0;
  if (operations_per_s > 0) p.us_per_operation = us_per_s / operations_per_s;
}

class runner {
 public:
  runner(const run_options& o, bool groups)
      : options_(o),
        targets_{o.program, parse_cpus(o.server_cpus).value_or(std::vector<unsigned>{}), groups},
        load_cpus_(parse_cpus(o.load_cpus).value_or(std::vector<unsigned>{})),
        key_(chat::new_key()),
        key_file_(o.directory + "/chat.key") {}

  // measure: one point; nothing when the user interrupts. Throws runtime_error.
  std::optional<point> measure(const planned& what) {
    const auto server = start(what);
    const auto address = server->address();
    if (!address) return std::nullopt;
    if (what.workload == "chat") {
      replace_file(key_file_, "KEY " + key_ + "\n");
      std::filesystem::permissions(
          key_file_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    }
    child load(
        {.command = load_command(options_.program, {.workload = what.workload,
                                                    .connections = what.connections,
                                                    .seconds = options_.seconds + load_margin_s,
                                                    .address = reachable(*address),
                                                    .key_file = key_file_}),
         .cpus = load_cpus_});
    const double connecting_s = 20 + what.connections / 500.0;
    const auto begun = next_line(load, connecting_s, "the load generator did not connect");
    if (!begun) return std::nullopt;

    point p;
    p.workload = what.workload;
    p.variant = what.variant;
    p.paradigm = what.paradigm;
    p.connections = what.connections;
    p.repeat = what.repeat;
    if (!watch(p, *server, load)) return std::nullopt;
    p.busy_others = server->busy_others();
    const auto said = next_line(load, 30, "the load generator did not report");
    if (!said) return std::nullopt;
    p.load = load_result_from(*said);
    if (p.workload != "storm" && p.load.connected < what.connections)
      throw std::runtime_error(fmt::format("{} of {} connections: {}", p.load.connected,
                                           what.connections, p.load.first_failure));
    summarize(p);
    return p;
  }

 private:
  [[nodiscard]] std::unique_ptr<target> start(const planned& what) const {
    server_request r;
    r.workload = what.workload;
    r.variant = what.variant;
    r.paradigm = what.paradigm;
    r.connections = what.connections;
    r.key = key_;
    if (what.paradigm == "server") {
      r.command = options_.server;
      r.address = options_.server_address;
    }
    if (options_.server_host.empty()) return start_here(targets_, r);
    r.host = "0.0.0.0";
    return start_there(options_.server_host, r);
  }

  // reachable: the address as it is from here: a server on another machine knows only its port.
  [[nodiscard]] std::string reachable(const std::string& address) const {
    if (options_.server_host.empty()) return address;
    return host_of(options_.server_host) + address.substr(address.rfind(':'));
  }

  static std::optional<std::string> next_line(child& from, double seconds, const char* problem) {
    const auto until =
        clock_type::now() + std::chrono::duration_cast<clock_type::duration>(seconds_type(seconds));
    auto line = from.line(until);
    if (!line && !interrupted()) throw std::runtime_error(problem);
    return line;
  }

  // watch: samples while the load runs, and usage at the beginning and the end. False when the user
  // interrupts.
  bool watch(point& p, target& server, child& load) const {
    const auto count = std::max(1, static_cast<int>(options_.seconds / 0.5));
    const auto first = server.usage();
    const bool top18 = options_.sampler == "top18";
    if (top18) server.top18();
    meter_over_time over_time(server);
    const auto start = clock_type::now();
    for (int i = 1; i <= count; ++i) {
      const auto until = start + i * sample_interval;
      std::this_thread::sleep_until(until);
      if (interrupted()) return false;
      if (load.over()) throw std::runtime_error("the load generator ended too early");
      p.samples.push_back(over_time.take());
      if (top18) p.samples.back().top18_percent = server.top18();
    }
    const auto last = server.usage();
    const double took = seconds_type(clock_type::now() - start).count();
    if (last.processes == 0) throw std::runtime_error("the server ended");
    p.processes = static_cast<unsigned>(last.processes);
    p.threads = static_cast<unsigned>(last.threads);
    p.memory_kib = static_cast<double>(last.proportional_kib);
    if (last.switches > first.switches)
      p.switches_per_s = static_cast<double>(last.switches - first.switches) / took;
    return true;
  }

  const run_options& options_;
  target_options targets_;
  std::vector<unsigned> load_cpus_;
  std::string key_;  // of the chats
  std::string key_file_;
};

// settings_of: what two runs must share to be one.
std::string settings_of(const run_options& o) {
  return fmt::format("seconds={} sampler={} server-cpus={} load-cpus={}{}{}{}{}", o.seconds,
                     o.sampler, o.server_cpus.empty() ? "all" : o.server_cpus,
                     o.load_cpus.empty() ? "all" : o.load_cpus,
                     o.server_host.empty() ? "" : " server-host=", o.server_host,
                     o.server.empty() ? "" : " server=", o.server);
}

results begin(const run_options& o, bool groups) {
  results r;
  const std::string path = o.directory + "/results.json";
  if (std::filesystem::exists(path)) {
    r = load_results(path);
    if (r.settings != settings_of(o))
      throw std::runtime_error(fmt::format(
          "{} was measured with other settings ({}); give another --out", path, r.settings));
    r.missing.clear();
  } else {
    const machine m = describe_machine();
    r.settings = settings_of(o);
    r.machine = {m.cpu,
                 m.cpus,
                 m.kernel,
                 m.compiler,
                 m.mitigations,
                 m.governor,
                 m.memory_mib,
                 m.when,
                 o.server_cpus.empty() ? "all" : o.server_cpus,
                 o.load_cpus.empty() ? "all" : o.load_cpus,
                 groups ? "cgroup" : "proc",
                 busy_percent(1)};
  }
  const auto asked_for_go = std::find(o.paradigms.begin(), o.paradigms.end(), "go");
  if (asked_for_go != o.paradigms.end() && go_server(o.program).empty())
    r.missing["go"] = "weft-lab-go was not built: there was no Go compiler";
  for (const auto& p : paradigms()) {
    const bool asked =
        std::find(o.paradigms.begin(), o.paradigms.end(), p.name) != o.paradigms.end();
    const std::string why = asked && p.missing != nullptr ? p.missing() : std::string();
    if (!why.empty()) r.missing[std::string(p.name)] = why;
  }
  return r;
}

void show_progress(const planned& p, std::size_t at, std::size_t all, double left_s) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  constexpr std::size_t bar_width = 24;
  const std::size_t filled = at * bar_width / all;
  const std::string bar = std::string(filled, '#') + std::string(bar_width - filled, '.');
  const long left = std::lround(left_s);
  fmt::print(stderr, "{}[{}] {}/{}  {:02}:{:02} left  {} {} {} x{}{}", terminal ? "\r\033[K" : "",
             bar, at + 1, all, left / 60, left % 60, p.workload, p.variant, p.paradigm,
             p.connections, terminal ? "" : "\n");
  std::fflush(stderr);
}

}  // namespace

std::vector<std::string> all_paradigms() {
  std::vector<std::string> names;
  for (const auto& p : paradigms()) names.emplace_back(p.name);
  names.emplace_back("go");
  return names;
}

std::string host_of(const std::string& address) {
  const auto colon = address.rfind(':');
  const bool has_port = colon != std::string::npos && address.find(']', colon) == std::string::npos;
  return has_port ? address.substr(0, colon) : address;
}

int run(const run_options& options) {
  std::filesystem::create_directories(options.directory);
  const bool groups = options.sampler != "proc" && cgroup::make().has_value();
  if (options.sampler == "cgroup" && !groups)
    throw std::runtime_error("no control group (version 2) can be made here: --sampler proc");
  results r = begin(options, groups);
  std::set<std::string> done;
  for (const auto& p : r.points) done.insert(p.key());
  auto todo = plan(options, r);
  std::erase_if(todo, [&](const planned& p) { return done.contains(p.key()); });
  for (const auto& [name, why] : r.missing) fmt::print(stderr, "{} is missing: {}\n", name, why);
  save_results(r, options.directory);

  watch_interrupts();
  runner measured(options, groups);
  int failures = 0;
  for (std::size_t i = 0; i < todo.size() && !interrupted(); ++i) {
    const double each = options.seconds + load_margin_s + overhead_s;
    show_progress(todo[i], i, todo.size(), each * static_cast<double>(todo.size() - i));
    try {
      auto p = measured.measure(todo[i]);
      if (!p) break;
      r.points.push_back(std::move(*p));
      save_results(r, options.directory);
    } catch (const std::runtime_error& e) {
      ++failures;
      fmt::print(stderr, "\n{}: {}\n", todo[i].key(), e.what());
    }
  }
  write_report(r, options.directory);
  if (interrupted()) {
    fmt::print(stderr, "\ninterrupted; the same command goes on with what is left\n");
    return 130;
  }
  fmt::print(stderr, "{}{}/report.html, results.json, points.csv, samples.csv\n",
             ::isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "", options.directory);
  return failures == 0 ? 0 : 1;
}

}  // namespace lab
