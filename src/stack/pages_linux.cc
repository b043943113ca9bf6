#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/assert.h"
#include "stack/pages.h"

namespace weft::stack {
namespace {

constexpr int madv_guard_install = 102;  // MADV_GUARD_INSTALL, Linux 6.13; headers may be older

// read_some: up to `size` bytes from `fd`, 0 at the end or on an error.
std::size_t read_some(int fd, char* buffer, std::size_t size) noexcept {
  for (;;) {
    const ssize_t n = ::read(fd, buffer, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return 0;
  }
}

std::size_t count_lines(const char* path) noexcept {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::size_t lines = 0;
  char buffer[4096];
  while (const std::size_t n = read_some(fd, buffer, sizeof buffer))
    lines += static_cast<std::size_t>(std::count(buffer, buffer + n, '\n'));
  ::close(fd);
  return lines;
}

std::size_t number_in(const char* path, std::size_t fallback) noexcept {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fallback;
  char text[32];
  const std::size_t n = read_some(fd, text, sizeof text - 1);
  ::close(fd);
  text[n] = '\0';
  char* end = nullptr;
  const auto value = std::strtoull(text, &end, 10);
  return end == text ? fallback : static_cast<std::size_t>(value);
}

}  // namespace

char* map_pages(std::size_t bytes) noexcept {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  // A huge page would commit eight default stacks at the first touch of one. A kernel without huge
  // pages refuses this, and needs none of it.
  ::madvise(at, bytes, MADV_NOHUGEPAGE);
  return static_cast<char*>(at);
}

void unmap_pages(char* at, std::size_t bytes) noexcept {
  const bool unmapped = ::munmap(at, bytes) == 0;
  WEFT_ASSERT(unmapped, "munmap refused pages that map_pages gave");
}

void discard_pages(char* at, std::size_t bytes) noexcept {
  // Refused only for locked memory (mlockall), which then simply stays.
  ::madvise(at, bytes, MADV_DONTNEED);
}

bool install_guard(char* at, std::size_t bytes) noexcept {
  return ::madvise(at, bytes, madv_guard_install) == 0;
}

bool protect_guard(char* at, std::size_t bytes) noexcept {
  return ::mprotect(at, bytes, PROT_NONE) == 0;
}

bool access_faults(const char* at) noexcept {
  // The kernel reads a path name there: EFAULT if it cannot, another error (an empty path) if it
  // can.
  return ::syscall(SYS_faccessat, AT_FDCWD, at, F_OK) != 0 && errno == EFAULT;
}

std::size_t spare_mappings() noexcept {
  constexpr std::size_t kernel_default = 65530;
  const std::size_t limit = number_in("/proc/sys/vm/max_map_count", kernel_default);
  const std::size_t now = count_lines("/proc/self/maps");
  return limit > now ? limit - now : 0;
}

}  // namespace weft::stack
