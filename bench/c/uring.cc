// weft-bench-uring: the echo server as an io_uring loop written by hand: one thread, one ring,
// multishot accept, multishot receive into buffers that the kernel picks from a ring of them.
// usage: weft-bench-uring echo | probe      (probe: 0 if this kernel lets us)

#include <liburing.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "c/listen.h"

namespace {

constexpr unsigned entries = 4096;
constexpr unsigned buffers = 4096;  // a power of two
constexpr std::size_t buffer_size = 256;
constexpr int group = 0;

enum class operation : std::uint8_t { accept, receive, send };

// tag: what comes back with a completion.
std::uint64_t tag(operation o, int fd, unsigned buffer = 0) {
  return static_cast<std::uint64_t>(o) << 56U | static_cast<std::uint64_t>(buffer) << 32U |
         static_cast<std::uint32_t>(fd);
}

class loop {
 public:
  bool open() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = 4 * entries;
    if (::io_uring_queue_init_params(entries, &ring_, &params) < 0) return false;
    memory_.resize(buffers * buffer_size);
    void* raw = nullptr;
    if (::posix_memalign(&raw, 4096, buffers * sizeof(io_uring_buf)) != 0) return false;
    pool_ = static_cast<io_uring_buf_ring*>(raw);
    io_uring_buf_reg reg{};
    reg.ring_addr = reinterpret_cast<std::uint64_t>(pool_);
    reg.ring_entries = buffers;
    reg.bgid = group;
    if (::io_uring_register_buf_ring(&ring_, &reg, 0) < 0) return false;
    ::io_uring_buf_ring_init(pool_);
    for (unsigned b = 0; b < buffers; ++b) give(b, static_cast<int>(b));
    ::io_uring_buf_ring_advance(pool_, buffers);
    return true;
  }

  [[noreturn]] void serve(int listener) {
    accept(listener);
    for (;;) {
      ::io_uring_submit_and_wait(&ring_, 1);
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_cqe* done = nullptr;
      io_uring_for_each_cqe(&ring_, head, done) {
        ++seen;
        complete(listener, *done);
      }
      ::io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  io_uring_sqe* next() {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
    if (sqe != nullptr) return sqe;
    ::io_uring_submit(&ring_);
    return ::io_uring_get_sqe(&ring_);
  }

  char* bytes(unsigned buffer) { return memory_.data() + buffer * buffer_size; }

  void give(unsigned buffer, int offset) {
    ::io_uring_buf_ring_add(pool_, bytes(buffer), buffer_size, static_cast<unsigned short>(buffer),
                            ::io_uring_buf_ring_mask(buffers), offset);
  }

  void accept(int listener) {
    io_uring_sqe* sqe = next();
    ::io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
    sqe->user_data = tag(operation::accept, listener);
  }

  void receive(int fd) {
    io_uring_sqe* sqe = next();
    ::io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = group;
    sqe->user_data = tag(operation::receive, fd);
  }

  void complete(int listener, const io_uring_cqe& done) {
    const auto what = static_cast<operation>(done.user_data >> 56U);
    const int fd = static_cast<int>(static_cast<std::uint32_t>(done.user_data));
    const bool more = (done.flags & IORING_CQE_F_MORE) != 0;
    switch (what) {
      case operation::accept:
        if (done.res >= 0) {
          bench::no_delay(done.res);
          receive(done.res);
        }
        if (!more) accept(listener);
        break;
      case operation::receive:
        if (done.res > 0) {
          const unsigned buffer = done.flags >> IORING_CQE_BUFFER_SHIFT;
          io_uring_sqe* sqe = next();
          ::io_uring_prep_send(sqe, fd, bytes(buffer), static_cast<std::size_t>(done.res),
                               MSG_NOSIGNAL);
          sqe->user_data = tag(operation::send, fd, buffer);
          if (!more) receive(fd);
        } else if (done.res == -ENOBUFS) {
          receive(fd);
        } else {
          ::close(fd);
        }
        break;
      case operation::send:
        give(static_cast<unsigned>(done.user_data >> 32U) & 0xffffffU, 0);
        ::io_uring_buf_ring_advance(pool_, 1);
        break;
    }
  }

  io_uring ring_{};
  io_uring_buf_ring* pool_ = nullptr;
  std::vector<char> memory_;
};

}  // namespace

int main(int argc, char** argv) {
  const bool probe = argc > 1 && std::strcmp(argv[1], "probe") == 0;
  if (!probe && (argc < 2 || std::strcmp(argv[1], "echo") != 0)) {
    std::fputs("usage: weft-bench-uring echo | probe\n", stderr);
    return 2;
  }
  static loop server;
  if (!server.open()) {
    std::fputs("weft-bench-uring: this kernel has no such io_uring\n", stderr);
    return 1;
  }
  if (probe) return 0;
  server.serve(bench::listen_here(0));
}
