#include "sched/environment.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "arch/sanitizer.h"

namespace weft::sched {
namespace {

constexpr std::size_t machine_stack_size = 256 * 1024;

thread_local const std::int64_t* simulated_clock [[gnu::tls_model("initial-exec")]] = nullptr;

struct thread_start {
  void (*body)(void*);
  void* argument;
};

void* thread_main(void* raw) {
  arch::sanitizer::enter_runtime();
  const thread_start start = *static_cast<thread_start*>(raw);
  delete static_cast<thread_start*>(raw);
  // Timer slack of 1 ns instead of 50 us: a sleeping poller wakes when the timer is due. Failing
  // only costs precision.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  start.body(start.argument);
  arch::sanitizer::leave_runtime();
  return nullptr;
}

// read_first_line: false if the file is not there.
bool read_first_line(const char* path, char* buffer, int size) noexcept {
  std::FILE* f = std::fopen(path, "re");
  if (f == nullptr) return false;
  const bool ok = std::fgets(buffer, size, f) != nullptr;
  std::fclose(f);
  return ok;
}

// quota_of: the quota in one group's folder, as CPUs rounded up; 0 if there is none.
unsigned quota_of(const std::string& folder) {
  char line[256];
  long long quota = 0;
  long long period = 0;
  if (read_first_line((folder + "/cpu.max").c_str(), line,
                      sizeof line)) {  // "max 100000", "150000 100000"
    if (std::sscanf(line, "%lld %lld", &quota, &period) != 2) return 0;
  } else {
    char period_line[64];
    if (!read_first_line((folder + "/cpu.cfs_quota_us").c_str(), line, sizeof line) ||
        !read_first_line((folder + "/cpu.cfs_period_us").c_str(), period_line,
                         sizeof period_line)) {
      return 0;
    }
    quota = std::atoll(line);
    period = std::atoll(period_line);
  }
  return quota > 0 && period > 0 ? static_cast<unsigned>((quota + period - 1) / period) : 0;
}

}  // namespace

void simulate_clock(const std::int64_t* clock) noexcept { simulated_clock = clock; }

std::int64_t now_ns() noexcept {
  if (simulated_clock != nullptr) [[unlikely]]
    return *simulated_clock;
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::int64_t coarse_now_ns() noexcept {
  if (simulated_clock != nullptr) [[unlikely]]
    return *simulated_clock;
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::uint64_t random_seed() noexcept {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
    seed = static_cast<std::uint64_t>(now_ns());
  return seed | 1;  // generators of the xorshift kind never leave zero
}

int start_thread(void (*body)(void*), void* argument) noexcept {
  pthread_attr_t attributes;
  if (const int error = ::pthread_attr_init(&attributes); error != 0) return error;
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_attr_setstacksize(&attributes, machine_stack_size);
  auto* start = new thread_start{body, argument};
  pthread_t thread{};
  const int error = ::pthread_create(&thread, &attributes, thread_main, start);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) delete start;
  return error;
}

void take_no_signals() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS})
    ::sigdelset(&all, fault);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

int thread_id() noexcept { return static_cast<int>(::syscall(SYS_gettid)); }

blocks thread_blocks(int thread_id) noexcept {
  // proc(5): "running", or the number of the call, its arguments and where it was made.
  char name[64];
  std::snprintf(name, sizeof name, "/proc/self/task/%d/syscall", thread_id);
  const int fd = ::open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return blocks::unknown;
  char first = 'r';
  const auto n = ::read(fd, &first, 1);
  ::close(fd);
  if (n != 1) return blocks::unknown;
  return first == 'r' ? blocks::no : blocks::yes;
}

int cpu_clock() noexcept {
  clockid_t clock = CLOCK_THREAD_CPUTIME_ID;
  ::pthread_getcpuclockid(::pthread_self(), &clock);
  return clock;
}

std::int64_t cpu_ns(int cpu_clock) noexcept {
  timespec t{};
  ::clock_gettime(cpu_clock, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void lower_priority(int thread_id) noexcept {
  constexpr int lowered_by = 10;
  const auto who = static_cast<id_t>(thread_id);
  ::setpriority(PRIO_PROCESS, who, ::getpriority(PRIO_PROCESS, who) + lowered_by);
}

std::size_t thread_count() noexcept {
  // The kernel's own count. A listing of /proc/self/task leaves out threads that live while others
  // end.
  std::FILE* f = std::fopen("/proc/self/stat", "re");
  if (f == nullptr) return 0;
  char text[1024];
  text[std::fread(text, 1, sizeof text - 1, f)] = '\0';
  std::fclose(f);
  const char* name_end =
      std::strrchr(text, ')');  // the name, in brackets, is the second of 52 fields
  std::size_t n = 0;
  constexpr const char* twentieth =
      " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %zu";
  return name_end != nullptr && std::sscanf(name_end + 1, twentieth, &n) == 1 ? n : 0;
}

unsigned quota_cpus(const char* mount, const char* membership) {
  unsigned least = 0;
  const auto take = [&least](unsigned cpus) {
    if (cpus != 0) least = least == 0 ? cpus : std::min(least, cpus);
  };
  std::FILE* f = std::fopen(membership, "re");
  if (f == nullptr) return 0;
  char line[4096];
  while (std::fgets(line, sizeof line, f) !=
         nullptr) {  // "0::/a/b" (version 2), "4:cpu,cpuacct:/a/b" (version 1)
    std::string_view text(line);
    if (text.ends_with('\n')) text.remove_suffix(1);
    const auto first = text.find(':');
    const auto second = first == text.npos ? text.npos : text.find(':', first + 1);
    if (second == text.npos) continue;
    const auto controllers = text.substr(first + 1, second - first - 1);
    const bool is_cpu =
        controllers == "cpu" || controllers.starts_with("cpu,") || controllers.ends_with(",cpu");
    if (!controllers.empty() && !is_cpu) continue;
    const std::string base = std::string(mount) + (controllers.empty() ? "" : "/cpu");
    // Each group above limits as well. Inside a container the path may lie outside of what is
    // mounted: the mount is last.
    std::string path(text.substr(second + 1));
    for (;;) {
      take(quota_of(base + path));
      const auto slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
  std::fclose(f);
  return least;
}

unsigned usable_cpus() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned cpus = 1;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    cpus = static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  }
  const unsigned quota = quota_cpus("/sys/fs/cgroup", "/proc/self/cgroup");
  return quota == 0 ? cpus : std::min(cpus, quota);
}

}  // namespace weft::sched
