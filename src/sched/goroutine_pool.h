#pragma once

// goroutine_pool: the slabs of goroutine records. Records are handed out in batches to processors'
// caches and come back in batches; slabs are never unmapped while the scheduler lives, so walking
// all goroutines needs no stopping of anybody, and a stale pointer finds a record (waiter.h, I5).
//
// After a crowd has gone the memory goes back to the kernel: what nobody needed for a period is
// sorted by slab, and of a slab that is complete the pages are discarded. Its records read as zeros
// then, which is idle and of no wait. To live again a record needs its number, its place, and a
// ticket that no wait in that slab has had.
//
// I1  A free record is in free_, or on its slab's list, or its slab is retired, or it is in the
//     hands of one thread.
// I2  A slab is in sorted_ iff its list is neither empty nor complete; in retired_ iff its pages
//     are discarded; on its way between them it is in the hands of one thread.
//
// Rejected: unmapping slabs, or records behind handles with generations: stale pointers would cost
// every claim a look elsewhere.
//
// Tests: goroutine_pool_test.cc.

#include <cstddef>
#include <cstdint>

#include "base/list.h"
#include "base/lock.h"
#include "sched/goroutine.h"

namespace weft::sched {

class goroutine_pool {
 public:
  goroutine_pool() = default;
  ~goroutine_pool();
  goroutine_pool(const goroutine_pool&) = delete;
  goroutine_pool& operator=(const goroutine_pool&) = delete;

  // take: a list of up to `count` free records, linked by `link`; at least one. Ends the process
  // when memory is refused.
  [[nodiscard]] goroutine* take(std::size_t count);

  // give: takes back a list linked by `link`.
  void give(goroutine* first, goroutine* last, std::size_t count) noexcept;

  // trim: as stack::trim: a step, and when to take the next one.
  static constexpr std::size_t few = 1024;  // free records that nobody minds
  std::int64_t trim(std::int64_t now_ns) noexcept;

  // slab_count, slab: all records ever made, for dumps: `slab(i)` has slab_records of them.
  static constexpr std::size_t slab_records = 1024;
  static constexpr std::size_t slabs_max = 1 << 16;  // 67 million goroutines
  [[nodiscard]] std::size_t slab_count() const noexcept;
  [[nodiscard]] goroutine* slab(std::size_t i) const noexcept;
  // find: the record with that number; null: none here.
  [[nodiscard]] goroutine* find(std::uint32_t number) const noexcept;

 private:
  friend struct debug_access;  // debugger.cc

  struct home : base::list_node {
    // Constant once count_ says that it is there.
    base::atomic<goroutine*> records{nullptr};
    std::uint32_t first_number = 0;

    ticket last_ticket = 0;  // of whoever has it in hand
    // Guarded by lock_.
    waiter* free = nullptr;
    std::size_t free_count = 0;
  };

  void grow();
  void revive(home& slab) noexcept;
  static void retire(home& slab) noexcept;
  [[nodiscard]] home* sort_locked(std::size_t count) noexcept;
  [[nodiscard]] waiter* take_sorted_locked(std::size_t count) noexcept;

  base::lock<base::rank::slabs> lock_;
  waiter* free_ = nullptr;                   // guarded by lock_
  base::atomic<std::size_t> free_count_{0};  // written under lock_
  base::list<home> sorted_;                  // guarded by lock_
  base::list<home> retired_;                 // guarded by lock_
  std::size_t unneeded_ = 0;         // guarded by lock_: the least free_count_ was in this period
  std::size_t to_sort_ = 0;          // guarded by lock_: of what was unneeded in the last one
  std::int64_t period_ends_ns_ = 0;  // guarded by lock_; 0: none has begun
  home* slabs_ = nullptr;            // slabs_max of them, published by count_
  base::atomic<std::size_t> count_{0};
};

}  // namespace weft::sched
