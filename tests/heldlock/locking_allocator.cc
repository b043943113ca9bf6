// locking_allocator: a program's own, with a lock, of which the check is told as well. Were that to
// allocate, it would never return.

#include <cstdlib>
#include <mutex>
#include <new>

static std::mutex memory;

void* operator new(std::size_t size) {
  const std::lock_guard hold(memory);
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  const std::lock_guard hold(memory);
  return std::malloc(size);
}

void operator delete(void* p) noexcept {
  const std::lock_guard hold(memory);
  std::free(p);
}

void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
