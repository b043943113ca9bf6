#include "poll/descriptor.h"

#include <bit>
#include <memory>
#include <new>
#include <utility>

#include "base/assert.h"

namespace weft::poll {

descriptor_pool::~descriptor_pool() {
  // relaxed: nobody else is left.
  for (auto& slab : slabs_) delete[] slab.load(base::relaxed);
}

descriptor* descriptor_pool::take() noexcept {
  for (;;) {  // each round that fails has doubled the pool, or lost to threads that opened
    {
      const base::locked hold(lock_);
      if (free_ != nullptr) {
        descriptor* d = free_;
        free_ = std::exchange(d->next_free, nullptr);
        return d;
      }
    }
    if (!grow()) return nullptr;
  }
}

void descriptor_pool::put(descriptor& d) noexcept {
  const base::locked hold(lock_);
  d.next_free = free_;
  free_ = &d;
}

descriptor& descriptor_pool::at(std::uint32_t index) noexcept {
  const std::uint32_t shifted = index + slab_first;
  const auto slab = static_cast<std::size_t>(std::bit_width(shifted / slab_first) - 1);
  WEFT_ASSERT(slab < slabs_max, "event for a record that never was");
  // acquire: sees the records of the slab made; pairs with the store in grow().
  descriptor* records = slabs_[slab].load(base::acquire);
  WEFT_ASSERT(records != nullptr, "event for a record that never was");
  return records[shifted - (slab_first << slab)];
}

std::uint32_t descriptor_pool::size() noexcept {
  const base::locked hold(lock_);
  return (slab_first << slab_count_) - slab_first;
}

// grow: memory is asked for without the lock; of two threads that do it at once one gives its slab
// back.
bool descriptor_pool::grow() noexcept {
  std::size_t slab = 0;
  {
    const base::locked hold(lock_);
    slab = slab_count_;
  }
  if (slab == slabs_max) return false;
  const std::uint32_t count = slab_first << slab;
  std::unique_ptr<descriptor[]> fresh(new (std::nothrow) descriptor[count]);
  if (fresh == nullptr) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    fresh[i].index = count - slab_first + i;
    if (i + 1 < count) fresh[i].next_free = &fresh[i + 1];
  }
  const base::locked hold(lock_);
  if (slab_count_ != slab) return true;
  fresh[count - 1].next_free = free_;
  free_ = &fresh[0];
  // release: publishes the records; pairs with the load in at().
  slabs_[slab].store(fresh.release(), base::release);
  ++slab_count_;
  return true;
}

}  // namespace weft::poll
