#include "sched/goroutine_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

#include "arch/sanitizer.h"
#include "stack/pages.h"
#include "stack/stack.h"

namespace weft::sched {
namespace {

constexpr std::int64_t period_ns = 1'000'000'000;
constexpr std::size_t sorted_at_once = 256;  // records, for one holding of the lock
constexpr std::size_t slab_bytes = goroutine_pool::slab_records * sizeof(goroutine);
static_assert(slab_bytes % 4096 == 0, "a slab is whole pages");

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
  return slabs_[i].records.load(base::relaxed);
}

goroutine* goroutine_pool::find(std::uint32_t number) const noexcept {
  const auto slabs = slab_count();
  for (std::size_t i = 0; i < slabs; ++i) {
    const std::uint32_t at = number - slabs_[i].first_number;  // large if it is below
    if (at < slab_records) return slab(i) + at;
  }
  return nullptr;
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
      slabs_ = static_cast<home*>(table);
      table = nullptr;
    }
    const auto n = count_.load(base::relaxed);  // relaxed: written under lock_ only
    WEFT_ASSERT(n < slabs_max, "too many goroutine records");
    for (std::size_t i = 0; i < slab_records; ++i) {
      records[i].slab_index = static_cast<std::uint32_t>(n * slab_records + i);
      records[i].link = i + 1 < slab_records ? &records[i + 1] : free_;
    }
    free_ = &records[0];
    // relaxed: written under lock_.
    free_count_.store(free_count_.load(base::relaxed) + slab_records, base::relaxed);
    home& made = *new (&slabs_[n]) home;
    made.records.store(records, base::relaxed);  // published by the last line
    made.first_number = number;
    // release: publishes the slab to walkers; pairs with slab_count().
    count_.store(n + 1, base::release);
  }
  if (table != nullptr) ::munmap(table, slabs_max * sizeof(*slabs_));
}

goroutine* goroutine_pool::take(std::size_t count) {
  for (;;) {
    home* retired = nullptr;
    {
      base::locked hold(lock_);
      if (free_ != nullptr) {
        waiter* first = free_;
        waiter* last = first;
        std::size_t n = 1;
        for (; n < count && last->link != nullptr; ++n) last = last->link;
        free_ = last->link;
        // relaxed: written under lock_.
        const auto left = free_count_.load(base::relaxed) - n;
        free_count_.store(left, base::relaxed);
        unneeded_ = std::min(unneeded_, left);
        last->link = nullptr;
        return static_cast<goroutine*>(first);
      }
      if (waiter* first = take_sorted_locked(count)) return static_cast<goroutine*>(first);
      retired = retired_.pop_front();
    }
    if (retired != nullptr) {
      revive(*retired);
    } else {
      grow();
    }
  }
}

void goroutine_pool::give(goroutine* first, goroutine* last, std::size_t count) noexcept {
  base::locked hold(lock_);
  last->link = free_;
  free_ = first;
  // relaxed: written under lock_.
  free_count_.store(free_count_.load(base::relaxed) + count, base::relaxed);
}

// take_sorted_locked: of one slab; null if there are none.
waiter* goroutine_pool::take_sorted_locked(std::size_t count) noexcept {
  home* from = sorted_.front();
  if (from == nullptr) return nullptr;
  waiter* taken = nullptr;
  for (std::size_t n = 0; n < count && from->free_count > 0; ++n, --from->free_count) {
    waiter* w = std::exchange(from->free, from->free->link);
    w->link = std::exchange(taken, w);
  }
  if (from->free_count == 0) sorted_.remove(*from);
  return taken;
}

// sort_locked: up to `count` of free_ to their slabs. The first that is complete then, in nobody's
// list.
goroutine_pool::home* goroutine_pool::sort_locked(std::size_t count) noexcept {
  for (; count > 0 && free_ != nullptr; --count) {
    auto& g = static_cast<goroutine&>(*std::exchange(free_, free_->link));
    // relaxed: written under lock_.
    free_count_.store(free_count_.load(base::relaxed) - 1, base::relaxed);
    --to_sort_;
    home& of = slabs_[g.slab_index / slab_records];
    g.link = std::exchange(of.free, &g);
    if (of.free_count++ == 0) sorted_.push_back(of);
    if (of.free_count < slab_records) continue;
    sorted_.remove(of);
    of.free = nullptr;
    of.free_count = 0;
    return &of;
  }
  return nullptr;
}

// retire: gives the pages back of a slab whose records are all free and ours.
void goroutine_pool::retire(home& slab) noexcept {
  goroutine* records = slab.records.load(base::relaxed);
  for (std::size_t i = 0; i < slab_records; ++i)
    slab.last_ticket = std::max(slab.last_ticket, records[i].last_ticket());
  stack::discard_pages(reinterpret_cast<char*>(records), slab_bytes);
}

// revive: the records of a retired slab, which is ours, are free.
void goroutine_pool::revive(home& slab) noexcept {
  goroutine* records = slab.records.load(base::relaxed);
  const auto first_index = static_cast<std::uint32_t>(&slab - slabs_) * std::uint32_t{slab_records};
  for (std::uint32_t i = 0; i < slab_records; ++i) {
    records[i].renew(slab.first_number + i, slab.last_ticket);
    records[i].slab_index = first_index + i;
    records[i].link = i + 1 < slab_records ? &records[i + 1] : nullptr;
  }
  give(&records[0], &records[slab_records - 1], slab_records);
}

std::int64_t goroutine_pool::trim(std::int64_t now_ns) noexcept {
  // relaxed: who sees an older number trims later.
  if (free_count_.load(base::relaxed) <= few) return stack::trim_never;
  home* complete = nullptr;
  std::int64_t again = now_ns;
  {
    base::locked hold(lock_);
    // relaxed, twice: written under lock_.
    if (now_ns >= period_ends_ns_) {
      to_sort_ = period_ends_ns_ == 0 ? 0 : unneeded_;
      unneeded_ = free_count_.load(base::relaxed);
      period_ends_ns_ = now_ns + period_ns;
    }
    complete = sort_locked(std::min(to_sort_, sorted_at_once));
    unneeded_ = std::min(unneeded_, free_count_.load(base::relaxed));
    if (to_sort_ == 0)
      again = free_count_.load(base::relaxed) <= few ? stack::trim_never : period_ends_ns_;
  }
  if (complete == nullptr) return again;
  retire(*complete);
  base::locked hold(lock_);
  retired_.push_back(*complete);
  return again;
}

}  // namespace weft::sched
