#pragma once

// descriptor: what a poller knows of one open descriptor, and the pool such records come from.
// Records are type-stable: they live in slabs that stay mapped as long as the poller, so an index
// out of a stale event leads to a record, and its generation says that the event is for somebody
// else.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/atomic.h"
#include "base/list.h"
#include "base/lock.h"
#include "poll/operation.h"
#include "poll/poller.h"

namespace weft::poll {

// slot: one direction of a descriptor. (poller_epoll.cc explains edges and drained_at.)
struct slot {
  base::atomic<std::uint64_t> edges{1};  // events seen; written under the guard, only grows
  std::uint64_t drained_at = 0;  // whoever starts an operation in this direction, one at a time
  bool pending = false;          // guarded
  bool done = false;             // guarded: completed, and not collected yet (io_uring)
  bool watched = false;          // guarded: a poll request is in the kernel (io_uring)
  std::uint32_t asked_at = 0;    // guarded: where its last request was queued (io_uring)
  cookie who;                    // guarded; of the pending operation
};

// receiver: what io_uring receives ahead of the reads, and accepts ahead of the accepts
// (poller_uring.cc). Guarded but for `state`, which is written guarded.
struct receiver {
  base::atomic<std::uint8_t> state{0};
  bool allowed = false;      // constant from open to release
  std::uint16_t first = 0;   // buffers held, oldest first, linked by the poller
  std::uint16_t last = 0;    // while held > 0
  std::uint16_t held = 0;    // how many; of a listener, connections
  std::uint32_t offset = 0;  // read of the first
  std::int32_t end = 1;      // behind what is held: 0 the end, or -errno; 1 none is known
  // Of a listener: connections held, oldest first, the poller's until they are taken.
  bool accepts = false;
  std::array<int, 4> connections{};
};

// descriptor: "guarded" means by `guard` in the epoll backend and by the poller's one lock in the
// others. The list node is its place among the armed ones in the poll(2) backend, and among those
// with a completion to collect in the io_uring backend.
struct descriptor : base::list_node {
  // constant from open to release
  int fd = -1;
  fd_kind kind = fd_kind::other;
  std::uint32_t index = 0;  // constant for ever

  base::lock<base::rank::descriptor> guard;
  std::uint32_t generation = 0;  // guarded; grows with every close
  std::array<slot, 2> slots;     // by direction
  receiver ahead;
  base::atomic<bool> open{false};   // written guarded
  base::atomic<bool> ended{false};  // written guarded: an end, an error or urgent data was reported

  descriptor* next_free = nullptr;  // guarded by the pool

  [[nodiscard]] slot& slot_of(direction d) noexcept { return slots[static_cast<std::size_t>(d)]; }

  // drop: withdraws what is pending in a direction; false when nothing is. Guarded.
  bool drop(direction d, cookie& out) noexcept {
    slot& s = slot_of(d);
    if (!s.pending) return false;
    s.pending = false;
    s.done = false;
    out = s.who;
    s.who = {};
    return true;
  }
};

// descriptor_pool: hands out records, newest returned first. Slab k has slab_first << k records, so
// a fixed table of slabs serves any number and an index is found without a lock.
class descriptor_pool {
 public:
  descriptor_pool() = default;
  ~descriptor_pool();
  descriptor_pool(const descriptor_pool&) = delete;
  descriptor_pool& operator=(const descriptor_pool&) = delete;

  // take: a record that nobody uses; null when there is no memory.
  [[nodiscard]] descriptor* take() noexcept;
  void put(descriptor& d) noexcept;
  // at: the record with this index, which take() has once given.
  [[nodiscard]] descriptor& at(std::uint32_t index) noexcept;
  // size: how many there are; all indices are below it.
  [[nodiscard]] std::uint32_t size() noexcept;

 private:
  static constexpr std::uint32_t slab_first = 128;
  static constexpr std::size_t slabs_max = 24;  // two thousand million records

  [[nodiscard]] bool grow() noexcept;

  base::lock<base::rank::poller> lock_;
  descriptor* free_ = nullptr;  // guarded by lock_
  std::size_t slab_count_ = 0;  // guarded by lock_
  // Owned arrays; each is set once, under lock_, before an index into it is given away.
  std::array<base::atomic<descriptor*>, slabs_max> slabs_{};
};

}  // namespace weft::poll
