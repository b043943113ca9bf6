#pragma once

// poller: runs I/O operations to their completion. It knows descriptors, operations and cookies,
// and nothing of goroutines: the scheduler puts a waiter and its ticket into a cookie and gets them
// back with the result.
//
// Contract. start() either completes at once (the result is returned) or keeps the operation
// pending; each pending operation leaves exactly once: by a completion from wait(), by cancel()
// returning true, or among those that close() evicts. epoll and poll(2) complete with `again`: the
// descriptor is ready, start the operation once more; it may still have to wait. Everything may be
// called from any thread; what is one at a time says so.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>

struct iovec;
struct msghdr;
struct sockaddr;

namespace weft::poll {

// cookie: opaque to the poller. `ticket` makes a stale one harmless.
struct cookie {
  void* who = nullptr;
  std::uint64_t ticket = 0;
};

// direction: a descriptor has two, and each may have one operation pending.
enum class direction : std::uint8_t { read, write };

// opcode: read, accept, recvmsg and readable use the read direction, the others the write
// direction. accept gives non-blocking, close-on-exec descriptors; readable and writable move
// nothing and give 0.
enum class opcode : std::uint8_t {
  read,
  write,
  writev,
  accept,
  connect,
  recvmsg,
  sendmsg,
  readable,
  writable
};

// operation: what to do; it and what it points to stay valid until it has left the poller.
struct operation {
  opcode code = opcode::readable;
  void* data = nullptr;  // buffer | iovec[] | sockaddr | msghdr
  std::size_t size = 0;  // bytes | count of iovecs | length of sockaddr
  int flags = 0;         // of recv(2), send(2) and accept4(2); nothing to what is no socket
};

// again: the result that means "ready, start it once more". Other results are >= 0 (bytes, or a
// descriptor for accept) or -errno.
inline constexpr std::int64_t again = INT64_MIN;

// descriptor: the poller's record of an open descriptor. Type-stable: records are pooled, never
// unmapped while the poller lives, and carry a generation, so an event for a closed descriptor
// finds nobody.
struct descriptor;

struct completion {
  cookie who;
  std::int64_t result = again;
};

struct start_result {
  bool pending = false;
  std::int64_t result =
      0;  // when not pending: bytes, descriptor, or -errno; never -EAGAIN, never `again`
};

// trust: in what the poller knows of a descriptor (see attempt).
enum class trust : std::uint8_t { rely, ask };

// access: who reads from a descriptor. sole: our caller alone, by the poller's `read` and `accept`
// without flags and `readable`, so that bytes may be received (see take_held), and connections
// accepted, before they are asked for. Others may accept besides.
enum class access : std::uint8_t { shared, sole };

class poller {
 public:
  virtual ~poller() = default;
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  [[nodiscard]] virtual const char* name() const noexcept = 0;

  // open: registers `fd`, which must be non-blocking and stays the caller's. Null with *error =
  // errno when it cannot be (EPERM: a regular file, which no poller can wait for).
  [[nodiscard]] virtual descriptor* open(int fd, int* error,
                                         access who = access::shared) noexcept = 0;

  // close: moves what is pending to `evicted` (at most two, with -EBADF; returns how many); no
  // further completion comes from the record, and start() on it returns -EBADF. Once a descriptor,
  // asserted. The fd itself is the caller's to close, afterwards, when no start() can be under way
  // any more.
  virtual int close(descriptor& d, std::span<completion, 2> evicted) noexcept = 0;

  // release: gives the closed record back; the caller knows that no user of it is left.
  virtual void release(descriptor& d) noexcept = 0;

  // start: tries the system call (retrying EINTR); when it would wait, keeps `who` pending in the
  // operation's direction. One operation a direction at a time, from start to its end, and not with
  // an attempt() at the same time.
  [[nodiscard]] virtual start_result start(descriptor& d, const operation& op,
                                           cookie who) noexcept = 0;

  // attempt: as start(), but leaves nothing pending: -EAGAIN when it would wait. `rely` on what is
  // known of the descriptor spares a system call that would only say so, but what has come since
  // events were last collected shows only to `ask`.
  [[nodiscard]] virtual std::int64_t attempt(descriptor& d, const operation& op,
                                             trust how) noexcept = 0;

  // take_held: for who is about to read from the fd itself: ends receiving ahead, and gives bytes
  // that had been received. 0: nothing is held, nothing is under way, and nothing will be before
  // the next read is started. -EAGAIN: something may be under way: wait for `readable`. Else
  // -errno: the connection's error, which the fd no longer tells.
  [[nodiscard]] virtual std::int64_t take_held(descriptor&, std::span<char>) noexcept { return 0; }

  // cancel: withdraws the pending operation of `who`; false when it has left, or is leaving,
  // another way.
  [[nodiscard]] virtual bool cancel(descriptor& d, direction dir, cookie who) noexcept = 0;

  // wait: collects completions, at most out.size(), which is at least 2. timeout_ns: 0 does not
  // wait, < 0 for ever; sub-millisecond honoured where the kernel can. May return early with none.
  // One thread at a time may wait with a timeout other than 0, asserted; others may call with 0
  // meanwhile.
  [[nodiscard]] virtual std::size_t wait(std::span<completion> out,
                                         std::int64_t timeout_ns) noexcept = 0;

  // wake: makes the waiting call, or the next one that would wait, return at once.
  // Async-signal-safe. A system call only when somebody sleeps and nobody has woken it yet.
  virtual void wake() noexcept = 0;

  // pending_count: operations pending now: the deadlock report asks whether a descriptor could
  // still wake anybody.
  [[nodiscard]] virtual std::size_t pending_count() const noexcept = 0;

  // own_threads: threads that the backend runs, none of which runs anybody else's code.
  [[nodiscard]] virtual std::size_t own_threads() const noexcept { return 0; }

 protected:
  poller() = default;
};

// make_poller: the backend that WEFT_POLLER names, else epoll; an unknown name ends the process
// with a text that lists the valid ones. Where the kernel refuses io_uring it is epoll as well, and
// standard error says so once. Each returns null with errno set when the kernel grants no
// descriptor.
[[nodiscard]] std::unique_ptr<poller> make_poller();
[[nodiscard]] std::unique_ptr<poller> make_epoll_poller();
[[nodiscard]] std::unique_ptr<poller> make_poll_poller();

// uring_options: of tests; the defaults are what programs get.
struct uring_options {
  std::uint32_t entries = 256;       // of the submission queue
  std::uint32_t completions = 4096;  // of the completion queue
  std::uint32_t buffers = 1024;      // a power of two
  bool multishot = true;             // if the kernel can bound it
};

// refusal: what failed, and errno.
struct refusal {
  const char* what = "";
  int code = 0;
};

// make_uring_poller: null, and *why, when the kernel refuses.
[[nodiscard]] std::unique_ptr<poller> make_uring_poller(const uring_options& options, refusal* why);

}  // namespace weft::poll
