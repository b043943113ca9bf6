#include "measure/machine.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <sstream>
#include <thread>

#include "measure/proc_text.h"
#include "measure/process_tree.h"

namespace lab {

namespace {

std::string first_line(const std::string& path) {
  const auto text = read_file(path);
  return text ? text->substr(0, text->find('\n')) : "unknown";
}

std::string cpu_name() {
  const auto text = read_file("/proc/cpuinfo");
  std::string line;
  for (std::istringstream lines(text.value_or("")); std::getline(lines, line);) {
    if (line.starts_with("model name") && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  }
  return "unknown";
}

}  // namespace

machine describe_machine() {
  machine m;
  utsname name{};
  ::uname(&name);
  m.cpu = cpu_name();
  m.cpus = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN));
  m.kernel = std::string(name.sysname) + " " + name.release + " " + name.machine;
#if defined(__clang__)
  m.compiler = "clang " __clang_version__;
#else
  m.compiler = "g++ " __VERSION__;
#endif
  m.mitigations = first_line("/sys/devices/system/cpu/vulnerabilities/spectre_v2");
  m.governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  struct sysinfo info{};
  if (::sysinfo(&info) == 0) m.memory_mib = info.totalram / 1024 * info.mem_unit / 1024;
  const time_t now = ::time(nullptr);
  tm parts{};
  std::array<char, 32> text{};
  ::gmtime_r(&now, &parts);
  ::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  m.when = text.data();
  return m;
}

double busy_percent(double seconds) {
  const auto before = parse_machine_ticks(read_file("/proc/stat").value_or(""));
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const auto after = parse_machine_ticks(read_file("/proc/stat").value_or(""));
  if (!before || !after) return 0;
  const double ticks = static_cast<double>(after->busy - before->busy);
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK)) / seconds * 100;
}

}  // namespace lab
