#include "measure/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <set>
#include <sstream>

namespace lab {

namespace {

// numbers_in: entries of a directory that are numbers.
std::vector<std::string> numbers_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* open = ::opendir(directory.c_str());
  if (open == nullptr) return names;
  while (const dirent* entry = ::readdir(open)) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') names.emplace_back(entry->d_name);
  }
  ::closedir(open);
  return names;
}

double tick_us() { return 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK)); }

}  // namespace

std::optional<double> process_cpu_us(pid_t pid) {
  clockid_t clock = 0;
  timespec t{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &t) != 0)
    return std::nullopt;
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}

std::optional<std::string> read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0) {
      ::close(fd);
      return std::nullopt;
    }
    if (n == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  return text;
}

std::vector<process_stat> all_processes() {
  std::vector<process_stat> found;
  for (const auto& name : numbers_in("/proc")) {
    const auto text = read_file("/proc/" + name + "/stat");
    if (!text) continue;  // it has ended meanwhile
    if (auto stat = parse_process_stat(*text)) found.push_back(std::move(*stat));
  }
  return found;
}

std::vector<process_stat> descendants(pid_t root) {
  std::vector<process_stat> all = all_processes();
  std::set<int> members = {root};
  // Children may stand before their parents in the list: repeat until nothing is new.
  for (std::size_t before = 0; before != members.size();) {
    before = members.size();
    for (const auto& p : all) {
      if (members.contains(p.parent)) members.insert(p.pid);
    }
  }
  std::erase_if(all, [&](const process_stat& p) { return !members.contains(p.pid); });
  return all;
}

tree_usage read_tree_usage(pid_t root) {
  tree_usage usage;
  for (const auto& p : descendants(root)) {
    const std::string base = "/proc/" + std::to_string(p.pid);
    ++usage.processes;
    if (const auto text = read_file(base + "/smaps_rollup"))
      usage.proportional_kib += parse_field(*text, "Pss:").value_or(0);
    for (const auto& thread : numbers_in(base + "/task")) {
      const auto text = read_file(base + "/task/" + thread + "/status");
      if (!text) continue;
      ++usage.threads;
      usage.switches += parse_field(*text, "voluntary_ctxt_switches:").value_or(0) +
                        parse_field(*text, "nonvoluntary_ctxt_switches:").value_or(0);
    }
  }
  return usage;
}

cgroup::cgroup(std::string path) : path_(std::move(path)), procs_path_(path_ + "/cgroup.procs") {}

std::optional<cgroup> cgroup::make() {
  const auto mounts = read_file("/proc/self/mounts");
  const auto own = read_file("/proc/self/cgroup");
  if (!mounts || !own) return std::nullopt;
  std::string line;
  std::string mount;
  for (std::istringstream lines(*mounts); std::getline(lines, line);) {
    std::istringstream words(line);
    std::string device;
    std::string where;
    std::string kind;
    if (words >> device >> where >> kind && kind == "cgroup2") mount = where;
  }
  std::string below;
  for (std::istringstream lines(*own); std::getline(lines, line);) {
    if (line.starts_with("0::")) below = line.substr(3);
  }
  if (mount.empty() || below.empty()) return std::nullopt;
  if (below == "/") below.clear();
  static int made = 0;
  std::string path =
      mount + below + "/weft-lab-" + std::to_string(::getpid()) + "-" + std::to_string(made++);
  if (::mkdir(path.c_str(), 0755) != 0) return std::nullopt;
  cgroup group(std::move(path));
  const int procs = ::open(group.procs_path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (procs >= 0) ::close(procs);
  if (procs < 0 || !group.read()) return std::nullopt;
  return group;
}

cgroup::~cgroup() {
  if (path_.empty()) return;
  // The kernel takes a moment to let go of processes that have been waited for.
  for (int i = 0; i < 100 && ::rmdir(path_.c_str()) != 0; ++i) ::usleep(10'000);
}

void cgroup::join() const noexcept {
  const int fd = ::open(procs_path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  const auto n = ::write(fd, "0", 1);
  ::close(fd);
  if (n != 1) ::_exit(126);
}

std::optional<cpu_times> cgroup::read() const {
  const auto text = read_file(path_ + "/cpu.stat");
  if (!text) return std::nullopt;
  const auto user = parse_field(*text, "user_usec");
  const auto system = parse_field(*text, "system_usec");
  if (!user || !system) return std::nullopt;
  return cpu_times{static_cast<double>(*user), static_cast<double>(*system)};
}

cpu_times cpu_meter::read() {
  if (group_ != nullptr) return group_->read().value_or(cpu_times{});
  cpu_times sum;
  for (const auto& p : descendants(root_)) {
    const double user = static_cast<double>(p.user_ticks) * tick_us();
    const double system = static_cast<double>(p.system_ticks) * tick_us();
    // Ticks tell how user and system share, the clock how much it is in all.
    const double whole = process_cpu_us(p.pid).value_or(user + system);
    const double share = user + system > 0 ? user / (user + system) : 0.5;
    sum.user_us += whole * share;
    sum.system_us += whole * (1 - share) + static_cast<double>(p.reaped_ticks) * tick_us();
  }
  return sum;
}

}  // namespace lab
