#include "sched/goroutine_pool.h"

#include <sys/mman.h>

#include <new>

#include "arch/sanitizer.h"

namespace weft::sched {
namespace {

constexpr std::size_t slab_bytes = goroutine_pool::slab_records * sizeof(goroutine);

void* map(std::size_t bytes) {
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) base::fatal("runtime: out of memory for goroutine records");
  return p;
}

}  // namespace

goroutine_pool::~goroutine_pool() {
  if (slabs_ == nullptr) return;
  for (std::size_t i = 0; i < slab_count(); ++i) ::munmap(slab(i), slab_bytes);
  ::munmap(slabs_, slabs_max * sizeof(*slabs_));
}

std::size_t goroutine_pool::slab_count() const noexcept {
  // acquire: sees the slab's address and its initialised records; pairs with the store in grow().
  return count_.load(base::acquire);
}

goroutine* goroutine_pool::slab(std::size_t i) const noexcept {
  return slabs_[i].load(base::relaxed);
}

// grow: maps a slab outside the lock; several may do so at once, each adds its own.
void goroutine_pool::grow() {
  auto* records = static_cast<goroutine*>(map(slab_bytes));
  const auto number = take_numbers(slab_records);
  for (std::uint32_t i = 0; i < slab_records; ++i) new (&records[i]) goroutine(number + i);
  void* table = nullptr;
  if (count_.load(base::relaxed) == 0) table = map(slabs_max * sizeof(*slabs_));
  {
    base::locked hold(lock_);
    if (slabs_ == nullptr) {
      slabs_ = static_cast<base::atomic<goroutine*>*>(table);
      table = nullptr;
    }
    const auto n = count_.load(base::relaxed);  // relaxed: written under lock_ only
    WEFT_ASSERT(n < slabs_max, "too many goroutine records");
    for (std::size_t i = 0; i < slab_records; ++i) {
      records[i].slab_index = static_cast<std::uint32_t>(n * slab_records + i);
      records[i].link = i + 1 < slab_records ? &records[i + 1] : free_;
    }
    free_ = &records[0];
    free_count_ += slab_records;
    slabs_[n].store(records, base::relaxed);  // published by the next line
    // release: publishes the slab to walkers; pairs with slab_count().
    count_.store(n + 1, base::release);
  }
  if (table != nullptr) ::munmap(table, slabs_max * sizeof(*slabs_));
}

goroutine* goroutine_pool::take(std::size_t count) {
  for (;;) {
    {
      base::locked hold(lock_);
      if (free_ != nullptr) {
        waiter* first = free_;
        waiter* last = first;
        std::size_t n = 1;
        for (; n < count && last->link != nullptr; ++n) last = last->link;
        free_ = last->link;
        free_count_ -= n;
        last->link = nullptr;
        return static_cast<goroutine*>(first);
      }
    }
    grow();
  }
}

void goroutine_pool::give(goroutine* first, goroutine* last, std::size_t count) noexcept {
  base::locked hold(lock_);
  last->link = free_;
  free_ = first;
  free_count_ += count;
}

}  // namespace weft::sched
