#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "sched/calls.h"

namespace weft::sched {
namespace {

struct named_call {
  long number;
  std::string_view name;
};

// Those that may wait. What older architectures have besides is named by number.
constexpr std::array<named_call, 56> named{{
    {SYS_read, "read"},
    {SYS_write, "write"},
    {SYS_readv, "readv"},
    {SYS_writev, "writev"},
    {SYS_pread64, "pread"},
    {SYS_pwrite64, "pwrite"},
    {SYS_preadv, "preadv"},
    {SYS_pwritev, "pwritev"},
    {SYS_openat, "openat"},
    {SYS_close, "close"},
    {SYS_fsync, "fsync"},
    {SYS_fdatasync, "fdatasync"},
    {SYS_sync, "sync"},
    {SYS_syncfs, "syncfs"},
    {SYS_sync_file_range, "sync_file_range"},
    {SYS_ftruncate, "ftruncate"},
    {SYS_fallocate, "fallocate"},
    {SYS_sendfile, "sendfile"},
    {SYS_splice, "splice"},
    {SYS_copy_file_range, "copy_file_range"},
    {SYS_getdents64, "getdents"},
    {SYS_newfstatat, "stat"},
    {SYS_statx, "statx"},
    {SYS_unlinkat, "unlink"},
    {SYS_mkdirat, "mkdir"},
    {SYS_flock, "flock"},
    {SYS_fcntl, "fcntl"},
    {SYS_ioctl, "ioctl"},
    {SYS_accept, "accept"},
    {SYS_accept4, "accept"},
    {SYS_connect, "connect"},
    {SYS_recvfrom, "recv"},
    {SYS_recvmsg, "recvmsg"},
    {SYS_recvmmsg, "recvmmsg"},
    {SYS_sendto, "send"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_sendmmsg, "sendmmsg"},
    {SYS_ppoll, "poll"},
    {SYS_pselect6, "select"},
    {SYS_epoll_pwait, "epoll_wait"},
    {SYS_futex, "futex (a lock, a condition or a join of plain threads)"},
    {SYS_nanosleep, "sleep"},
    {SYS_clock_nanosleep, "sleep"},
    {SYS_rt_sigtimedwait, "sigwait"},
    {SYS_rt_sigsuspend, "sigsuspend"},
    {SYS_wait4, "wait"},
    {SYS_waitid, "wait"},
    {SYS_clone, "clone"},
    {SYS_execve, "execve"},
    {SYS_semtimedop, "semop"},
    {SYS_msgrcv, "msgrcv"},
    {SYS_mq_timedreceive, "mq_receive"},
    {SYS_io_getevents, "io_getevents"},
    {SYS_madvise, "madvise"},
    {SYS_mmap, "mmap"},
    {SYS_munmap, "munmap"},
}};

// Names of the same calls that only some architectures have.
constexpr auto only_here = std::to_array<named_call>({
    {-1, ""},
#ifdef SYS_poll
    {SYS_poll, "poll"},
#endif
#ifdef SYS_select
    {SYS_select, "select"},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait"},
#endif
#ifdef SYS_open
    {SYS_open, "open"},
#endif
#ifdef SYS_stat
    {SYS_stat, "stat"},
#endif
#ifdef SYS_unlink
    {SYS_unlink, "unlink"},
#endif
#ifdef SYS_pause
    {SYS_pause, "pause"},
#endif
});

std::string name_of(long number) {
  const auto is = [number](const named_call& c) { return c.number == number; };
  if (const auto at = std::ranges::find_if(named, is); at != named.end())
    return std::string(at->name);
  if (const auto at = std::ranges::find_if(only_here, is); at != only_here.end())
    return std::string(at->name);
  return "system call " + std::to_string(number);
}

// doing: of one thread, by proc(5): "running", or "-1 ..." (it waits outside of a call: for a
// page), or the number of the call.
std::string doing(int thread_id) {
  char name[64];
  std::snprintf(name, sizeof name, "/proc/self/task/%d/syscall", thread_id);
  const int fd = ::open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "elsewhere";
  char text[32] = {};
  const auto n = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  if (n <= 0 || text[0] == '-') return "elsewhere";
  return text[0] == 'r' ? "running" : "in " + name_of(std::atol(text));
}

}  // namespace

std::string calls_of(std::span<const int> ids) {
  std::map<std::string, std::size_t> counts;
  for (const int id : ids) ++counts[doing(id)];
  std::vector<std::pair<std::size_t, std::string_view>> rows;
  rows.reserve(counts.size());
  for (const auto& [what, n] : counts) rows.emplace_back(n, what);
  std::ranges::sort(rows, std::greater());
  std::string text;
  for (const auto& [n, what] : rows) {
    if (!text.empty()) text += ", ";
    text += std::to_string(n);
    text += ' ';
    text += what;
  }
  return text;
}

}  // namespace weft::sched
