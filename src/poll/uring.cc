#include "poll/uring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace weft::poll {
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;

// word: a place that the kernel reads or writes as well.
template <class T>
base::atomic<T>* word(void* at, std::size_t offset) noexcept {
  static_assert(sizeof(base::atomic<T>) == sizeof(T));
  return reinterpret_cast<base::atomic<T>*>(static_cast<char*>(at) + offset);
}

bool fail(refusal* why, const char* what, int code) noexcept {
  *why = {what, code};
  return false;
}

int register_with(int fd, unsigned opcode, void* arg, unsigned count) noexcept {
  return static_cast<int>(::syscall(SYS_io_uring_register, fd, opcode, arg, count));
}

}  // namespace

uring::mapping::~mapping() {
  if (at != nullptr) ::munmap(at, size);
}

bool uring::mapping::map(std::size_t bytes, int fd, std::int64_t offset) noexcept {
  const int flags = fd >= 0 ? MAP_SHARED | MAP_POPULATE : MAP_PRIVATE | MAP_ANONYMOUS;
  void* got = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, offset);
  if (got == MAP_FAILED) return false;
  at = got;
  size = bytes;
  return true;
}

bool uring::open(const uring_options& options, refusal* why) noexcept {
  io_uring_params p{};
  p.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL |
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  p.cq_entries = options.completions;
  fd_ = static_cast<int>(::syscall(SYS_io_uring_setup, options.entries, &p));  // close-on-exec
  if (fd_ < 0) return fail(why, "io_uring_setup", errno);
  constexpr std::uint32_t needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP |
                                   IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL |
                                   IORING_FEAT_CQE_SKIP;
  if ((p.features & needed) != needed) return fail(why, "io_uring's features", ENOSYS);
  return map_queues(p, why) && has_opcodes(why) && open_buffers(options.buffers, why);
}

bool uring::map_queues(const io_uring_params& p, refusal* why) noexcept {
  entries_ = p.sq_entries;
  const std::size_t bytes = std::max(p.sq_off.array + p.sq_entries * sizeof(std::uint32_t),
                                     p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe));
  if (!queues_.map(bytes, fd_, IORING_OFF_SQ_RING) ||
      !requests_.map(p.sq_entries * sizeof(io_uring_sqe), fd_, IORING_OFF_SQES)) {
    return fail(why, "mmap of io_uring's queues", errno);
  }
  auto* base = static_cast<char*>(queues_.at);
  sq_head_ = word<std::uint32_t>(base, p.sq_off.head);
  sq_tail_ = word<std::uint32_t>(base, p.sq_off.tail);
  sq_flags_ = word<std::uint32_t>(base, p.sq_off.flags);
  cq_head_ = word<std::uint32_t>(base, p.cq_off.head);
  cq_tail_ = word<std::uint32_t>(base, p.cq_off.tail);
  std::memcpy(&sq_mask_, base + p.sq_off.ring_mask, sizeof sq_mask_);
  std::memcpy(&cq_mask_, base + p.cq_off.ring_mask, sizeof cq_mask_);
  sqes_ = static_cast<io_uring_sqe*>(requests_.at);
  cqes_ = reinterpret_cast<const io_uring_cqe*>(base + p.cq_off.cqes);
  // Each place of the queue has its own request for good.
  auto* places = reinterpret_cast<std::uint32_t*>(base + p.sq_off.array);
  for (std::uint32_t i = 0; i < entries_; ++i) places[i] = i;
  return true;
}

bool uring::has_opcodes(refusal* why) const noexcept {
  constexpr std::size_t most = 256;
  alignas(io_uring_probe)
      std::array<char, sizeof(io_uring_probe) + most * sizeof(io_uring_probe_op)>
          space{};
  if (register_with(fd_, IORING_REGISTER_PROBE, space.data(), most) != 0)
    return fail(why, "IORING_REGISTER_PROBE", errno);
  const auto* probe = reinterpret_cast<const io_uring_probe*>(space.data());
  for (const int op : {IORING_OP_NOP, IORING_OP_POLL_ADD, IORING_OP_READ, IORING_OP_RECV,
                       IORING_OP_ACCEPT, IORING_OP_ASYNC_CANCEL}) {
    if (op > probe->last_op || (probe->ops[op].flags & IO_URING_OP_SUPPORTED) == 0)
      return fail(why, "an operation of io_uring", ENOSYS);
  }
  return true;
}

bool uring::open_buffers(std::uint32_t count, refusal* why) noexcept {
  constexpr std::size_t page = 4096;
  const std::size_t head = (count * sizeof(io_uring_buf) + page - 1) / page * page;
  if (!buffers_.map(head + count * buffer_stride, -1, 0))
    return fail(why, "memory for io_uring's buffers", errno);
  slots_ = static_cast<io_uring_buf*>(buffers_.at);
  memory_ = static_cast<char*>(buffers_.at) + head;
  // The tail lies in a field of the first slot that has no other use.
  buffer_tail_ = reinterpret_cast<base::atomic<std::uint16_t>*>(&slots_[0].resv);
  io_uring_buf_reg reg{};
  reg.ring_addr = reinterpret_cast<std::uint64_t>(slots_);
  reg.ring_entries = count;
  reg.bgid = group;
  if (register_with(fd_, IORING_REGISTER_PBUF_RING, &reg, 1) != 0)
    return fail(why, "IORING_REGISTER_PBUF_RING", errno);
  buffer_count_ = count;
  for (std::uint32_t id = 0; id < count; ++id) give(static_cast<std::uint16_t>(id));
  return true;
}

// The owner has ended, and its requests with it: nobody fills the buffers any more.
uring::~uring() {
  if (fd_ >= 0) ::close(fd_);
}

void uring::push(const io_uring_sqe& request) noexcept {
  const std::uint32_t at = place();
  sqes_[at & sq_mask_] = request;
  // release: publishes the request to the kernel (I1).
  sq_tail_->store(at + 1, base::release);
}

int uring::enter(std::uint32_t least, std::int64_t timeout_ns) noexcept {
  __kernel_timespec limit{timeout_ns / ns_per_s, timeout_ns % ns_per_s};
  io_uring_getevents_arg arg{};
  if (timeout_ns >= 0) arg.ts = reinterpret_cast<std::uint64_t>(&limit);
  constexpr unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  const long n = ::syscall(SYS_io_uring_enter, fd_, unsubmitted(), least, flags, &arg, sizeof arg);
  return n >= 0 ? 0 : -errno;
}

void uring::give(std::uint16_t id) noexcept {
  // relaxed: our own word, under the caller's lock.
  const std::uint16_t tail = buffer_tail_->load(base::relaxed);
  io_uring_buf& slot = slots_[tail & (buffer_count_ - 1)];
  slot.addr = reinterpret_cast<std::uint64_t>(buffer(id));
  slot.len = buffer_size;
  slot.bid = id;
  // release: publishes the slot to the kernel (I1).
  buffer_tail_->store(static_cast<std::uint16_t>(tail + 1), base::release);
}

}  // namespace weft::poll
