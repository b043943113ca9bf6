#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sched/environment.h"

namespace weft::sched {
namespace {

constexpr std::size_t machine_stack_size = 256 * 1024;

struct thread_start {
  void (*body)(void*);
  void* argument;
};

void* thread_main(void* raw) {
  const thread_start start = *static_cast<thread_start*>(raw);
  delete static_cast<thread_start*>(raw);
  // Timer slack of 1 ns instead of 50 us: a sleeping poller wakes when the timer is due. Failing
  // only costs precision.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  start.body(start.argument);
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

// quota_cpus: the quota of the control group as a whole number of CPUs, rounded up; 0 if there is
// none.
unsigned quota_cpus() noexcept {
  char line[256];
  // Version 2: "max 100000" or "150000 100000", in the group's own folder as seen from inside a
  // container.
  if (read_first_line("/sys/fs/cgroup/cpu.max", line, sizeof line)) {
    long long quota = 0;
    long long period = 0;
    if (std::sscanf(line, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0) {
      return static_cast<unsigned>((quota + period - 1) / period);
    }
    return 0;
  }
  char period_line[64];
  if (read_first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof line) &&
      read_first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period_line, sizeof period_line)) {
    const long long quota = std::atoll(line);
    const long long period = std::atoll(period_line);
    if (quota > 0 && period > 0) return static_cast<unsigned>((quota + period - 1) / period);
  }
  return 0;
}

}  // namespace

std::int64_t now_ns() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::int64_t coarse_now_ns() noexcept {
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

std::size_t thread_count() noexcept {
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return 0;
  std::size_t n = 0;
  while (const dirent* entry = ::readdir(tasks)) {
    if (entry->d_name[0] != '.') ++n;
  }
  ::closedir(tasks);
  return n;
}

unsigned usable_cpus() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned cpus = 1;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    cpus = static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  const unsigned quota = quota_cpus();
  return quota == 0 ? cpus : std::min(cpus, quota);
}

}  // namespace weft::sched
