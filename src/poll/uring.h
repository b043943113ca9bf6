#pragma once

// uring: an io_uring: its two queues, the ring of buffers that receives fill, and the three system
// calls. What poller_uring.cc is made of; it knows nothing of descriptors.
//
// Raw system calls: of liburing it could use but the constants, for its io_uring_submit() makes a
// system call where it fills the queue, which here is under a lock.
//
// I1  The kernel writes sq_head and cq_tail, we write sq_tail and cq_head; each is published with a
//     release and read by the other end with an acquire.
// I2  push(), drop_front() and give() are called under the caller's lock, one at a time; enter() by
//     the thread that has called open(), whom the kernel takes for the ring's owner.

#include <linux/io_uring.h>

#include <cstddef>
#include <cstdint>

#include "base/atomic.h"
#include "poll/poller.h"

namespace weft::poll {

class uring {
 public:
  uring() = default;
  ~uring();
  uring(const uring&) = delete;
  uring& operator=(const uring&) = delete;

  // open: asks the kernel for all of it; false, and *why, when it refuses.
  [[nodiscard]] bool open(const uring_options& options, refusal* why) noexcept;

  // -- submission queue --
  // room: how many may be pushed.
  [[nodiscard]] std::uint32_t room() const noexcept { return entries_ - unsubmitted(); }
  // push: there is room.
  void push(const io_uring_sqe& request) noexcept;
  // place: of the next one. queued: whether the kernel has not taken the one at `place` yet.
  [[nodiscard]] std::uint32_t place() const noexcept {
    // relaxed: our own word; whoever must see another's push has met it in the lock.
    return sq_tail_->load(base::relaxed);
  }
  [[nodiscard]] bool queued(std::uint32_t place) const noexcept {
    return place - taken() < unsubmitted();
  }
  [[nodiscard]] std::uint32_t unsubmitted() const noexcept { return place() - taken(); }

  // -- completion queue --
  // front: the oldest; null when there is none. drop_front: it has been read.
  [[nodiscard]] const io_uring_cqe* front() const noexcept {
    // relaxed: our own word, under the caller's lock, or a look.
    const std::uint32_t head = cq_head_->load(base::relaxed);
    // acquire: sees the completion and the bytes it tells of; pairs with the kernel's release (I1).
    return head == cq_tail_->load(base::acquire) ? nullptr : &cqes_[head & cq_mask_];
  }
  void drop_front() noexcept {
    // relaxed: our own word. release: the kernel may write there again (I1).
    cq_head_->store(cq_head_->load(base::relaxed) + 1, base::release);
  }
  // overflowed: the kernel keeps back completions that found the queue full, until we enter.
  [[nodiscard]] bool overflowed() const noexcept {
    // relaxed: for the thread that enters, in which the kernel writes it.
    return (sq_flags_->load(base::relaxed) & IORING_SQ_CQ_OVERFLOW) != 0;
  }
  // enter: submits what is in the queue and waits until `least` completions are there, at most
  // timeout_ns (< 0: for ever). 0, or -errno.
  int enter(std::uint32_t least, std::int64_t timeout_ns = -1) noexcept;

  // -- buffers: one group, of buffer_size bytes each --
  static constexpr std::uint16_t group = 0;
  static constexpr std::uint32_t buffer_size = 2048;
  [[nodiscard]] char* buffer(std::uint16_t id) const noexcept {
    return memory_ + std::size_t{id} * buffer_stride;
  }
  [[nodiscard]] std::uint32_t buffer_count() const noexcept { return buffer_count_; }
  // give: the kernel may fill it.
  void give(std::uint16_t id) noexcept;

 private:
  // A stride that is no power of two: else the first lines of all buffers share few cache sets.
  static constexpr std::size_t buffer_stride = buffer_size + 64;

  [[nodiscard]] std::uint32_t taken() const noexcept {
    // acquire: the kernel is done with what it took; pairs with its release (I1).
    return sq_head_->load(base::acquire);
  }
  [[nodiscard]] bool map_queues(const io_uring_params& p, refusal* why) noexcept;
  [[nodiscard]] bool has_opcodes(refusal* why) const noexcept;
  [[nodiscard]] bool open_buffers(std::uint32_t count, refusal* why) noexcept;

  struct mapping {
    void* at = nullptr;
    std::size_t size = 0;
    ~mapping();
    [[nodiscard]] bool map(std::size_t bytes, int fd, std::int64_t offset) noexcept;
  };

  // Constant after open().
  mapping queues_;
  mapping requests_;
  mapping buffers_;
  int fd_ = -1;
  std::uint32_t entries_ = 0;
  std::uint32_t sq_mask_ = 0;
  std::uint32_t cq_mask_ = 0;
  base::atomic<std::uint32_t>* sq_head_ = nullptr;
  base::atomic<std::uint32_t>* sq_tail_ = nullptr;
  base::atomic<std::uint32_t>* sq_flags_ = nullptr;
  base::atomic<std::uint32_t>* cq_head_ = nullptr;
  base::atomic<std::uint32_t>* cq_tail_ = nullptr;
  io_uring_sqe* sqes_ = nullptr;
  const io_uring_cqe* cqes_ = nullptr;
  io_uring_buf* slots_ = nullptr;
  base::atomic<std::uint16_t>* buffer_tail_ = nullptr;
  char* memory_ = nullptr;
  std::uint32_t buffer_count_ = 0;
};

}  // namespace weft::poll
