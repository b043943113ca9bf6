#pragma once

// goroutine_pool: the slabs of goroutine records. Records are handed out in batches to processors'
// caches and come back in batches; slabs are never unmapped while the scheduler lives, so walking
// all goroutines needs no stopping of anybody.

#include <cstddef>
#include <cstdint>
#include <vector>

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

  // slab_count, slab: all records ever made, for dumps: `slab(i)` has slab_records of them.
  static constexpr std::size_t slab_records = 1024;
  static constexpr std::size_t slabs_max = 1 << 16;  // 67 million goroutines
  [[nodiscard]] std::size_t slab_count() const noexcept;
  [[nodiscard]] goroutine* slab(std::size_t i) const noexcept;

 private:
  void grow();

  base::lock<base::rank::slabs> lock_;
  waiter* free_ = nullptr;      // guarded by lock_
  std::size_t free_count_ = 0;  // guarded by lock_
  // slabs_[i] is written once, before count_ grows past i, which publishes it.
  base::atomic<goroutine*>* slabs_ = nullptr;
  base::atomic<std::size_t> count_{0};
};

}  // namespace weft::sched
