#include "run/results.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace lab {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(percentiles, p50_us, p90_us, p99_us, p999_us,
                                                max_us)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(load_result, connected, failed, first_failure,
                                                messages_due, messages_sent, bytes_sent,
                                                bytes_received, wrong_bytes, operations, seconds,
                                                cpu_seconds, blocked_seconds, late_p99_us, limit,
                                                connect, latency)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(sample, at_s, user_percent, system_percent,
                                                machine_percent, top18_percent)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(point, workload, variant, paradigm, connections,
                                                repeat, mean_percent, variation, user_percent,
                                                system_percent, top18_percent, top18_variation,
                                                us_per_operation, us_per_mb, memory_kib, processes,
                                                threads, switches_per_s, busy_others, load, samples)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(machine_record, cpu, cpus, kernel, compiler,
                                                mitigations, governor, memory_mib, when,
                                                server_cpus, load_cpus, sampler, idle_percent)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(results, format, settings, machine, missing, points)

namespace {

std::string points_csv(const results& r) {
  std::string out =
      "workload,variant,paradigm,connections,repeat,mean_percent,variation,user_percent,"
      "system_percent,top18_percent,top18_variation,us_per_operation,us_per_mb,memory_kib,"
      "processes,threads,switches_per_s,connected,failed,messages_due,messages_sent,"
      "bytes_sent,bytes_received,wrong_bytes,limit,latency_p50_us,latency_p99_us,latency_p999_us,"
      "latency_max_us\n";
  for (const auto& p : r.points) {
    out += fmt::format(
        "{},{},{},{},{},{:.4f},{:.4f},{:.4f},{:.4f},{:.4f},{:.4f},{:.3f},{:.3f},{},{},{},{:.1f},"
        "{},{},{},{},{},{},{},{},{:.1f},{:.1f},{:.1f},{:.1f}\n",
        p.workload, p.variant, p.paradigm, p.connections, p.repeat, p.mean_percent, p.variation,
        p.user_percent, p.system_percent, p.top18_percent, p.top18_variation, p.us_per_operation,
        p.us_per_mb, p.memory_kib, p.processes, p.threads, p.switches_per_s, p.load.connected,
        p.load.failed, p.load.messages_due, p.load.messages_sent, p.load.bytes_sent,
        p.load.bytes_received, p.load.wrong_bytes, p.load.limit, p.load.latency.p50_us,
        p.load.latency.p99_us, p.load.latency.p999_us, p.load.latency.max_us);
  }
  return out;
}

std::string samples_csv(const results& r) {
  std::string out =
      "workload,variant,paradigm,connections,repeat,at_s,user_percent,system_percent,"
      "machine_percent,top18_percent\n";
  for (const auto& p : r.points) {
    for (const auto& s : p.samples)
      out += fmt::format("{},{},{},{},{},{:.3f},{:.4f},{:.4f},{:.3f},{:.4f}\n", p.workload,
                         p.variant, p.paradigm, p.connections, p.repeat, s.at_s, s.user_percent,
                         s.system_percent, s.machine_percent, s.top18_percent);
  }
  return out;
}

}  // namespace

std::vector<std::string> workload_names() {
  return {"paper", "echo", "slow", "idle", "storm", "chat"};
}

results load_results(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be read");
  try {
    auto r = nlohmann::json::parse(file).get<results>();
    if (r.format != 1) throw std::runtime_error(path + " has a format this weft-lab does not know");
    return r;
  } catch (const nlohmann::json::exception& e) {
    throw std::runtime_error(path + ": " + e.what());
  }
}

void replace_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) throw std::runtime_error(fresh + " cannot be written");
  }
  std::filesystem::rename(fresh, path);
}

void save_results(const results& r, const std::string& directory) {
  const nlohmann::json all = r;
  replace_file(directory + "/results.json", all.dump(1) + "\n");
  replace_file(directory + "/points.csv", points_csv(r));
  replace_file(directory + "/samples.csv", samples_csv(r));
}

std::string to_text(const load_result& r) { return nlohmann::json(r).dump(); }

load_result load_result_from(const std::string& text) {
  try {
    return nlohmann::json::parse(text).get<load_result>();
  } catch (const nlohmann::json::exception& e) {
    throw std::runtime_error(std::string("the load generator's report: ") + e.what());
  }
}

}  // namespace lab
