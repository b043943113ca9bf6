#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/atomic.h"
#include "base/futex.h"
#include "base/list.h"
#include "base/lock.h"
#include "poll/descriptor.h"
#include "poll/operation.h"
#include "poll/poller.h"
#include "poll/uring.h"
#include "poll/wake_word.h"

// poller_uring: the backend over io_uring, for who asks for it (WEFT_POLLER=io_uring).
//
// Purpose. The kernel is told once what is waited for, and says in shared memory when it has come:
// a poll that does not wait costs no system call. For a connection it also receives: one multishot
// request fills buffers of ours for as long as its reader keeps up, and a read is a copy.
//
// How. start() tries first. Only "would wait" asks the kernel: to receive from a TCP connection and
// to accept from a TCP listener that nobody else reads from (access::sole), for everything else to
// say when it is ready (POLL_ADD, once). All complete the operation with `again`: what came is held
// by the descriptor, where the next attempt finds it. So the kernel never touches the caller's
// memory, and whoever gives up takes nothing with him: cancel() changes but our own list. A request
// that outlives its operation serves the next one.
//
// The keeper. The kernel carries a request out on the thread that submitted it, and completes it
// nowhere else. A thread that runs a user's code may be anywhere: in a computation, in a system
// call that would end with EINTR, behind a disk that hangs, at its end. So one thread of ours
// submits and waits, and runs nothing else: the ring belongs to it (SINGLE_ISSUER), and it works
// off what has come in one go (DEFER_TASKRUN), which is what makes io_uring quick. It makes the
// ring, too: whoever makes one is interrupted when it goes. It queues what is completed; whoever
// polls takes it from there, and the one who sleeps in wait() is woken.
//
// Batches. What start() asks for stays in the queue until somebody waits or polls, who tells the
// keeper; if somebody sleeps already start() does it at once (I4).
//
// Received ahead. While a request flies the bytes are not in the socket, so nobody asks the socket
// (I2). A descriptor holds at most ahead_max bytes: the kernel counts them and ends the request. Of
// small pieces it holds held_max, and what comes before a cancellation reaches the kernel. Kernels
// that do not count (before 6.17) are asked for one buffer at a time. What is more stays in the
// socket, and holds the peer up. The end, or an error, is held behind the bytes. When no buffer is
// free a request ends: the reader is told `again`, asks the socket, and begins another one. A
// connection closed with bytes held ends as if they had been read: no reset tells the peer.
//
// Accepted ahead. The keeper begins the next request when one has brought a connection, and submits
// it as it goes back to sleep, up to connections_max; what is more stays in the backlog, and is
// accepted without the keeper. The peer is named when the connection is taken. An error is not
// kept: it may have passed (EMFILE) when somebody accepts, who then asks the socket. Closing resets
// the connections held, as the kernel does with its backlog.
//
// Invariants.
// I1  The order of a connection's completions is the order of its bytes: they leave the queue under
//     lock_ and are worked off before it is dropped.
// I2  receiver::state: has iff buffers or an end are held; flying from the push of the request to
//     its last completion. Only in state 0 is the socket read.
// I3  A key carries the generation of its record: completions of a closed descriptor find nobody;
//     the buffer they bring goes back.
// I4  A request in the queue comes to the keeper's notice by whoever pushed it, or by a thread that
//     will wait: wake_word says under lock_ whether one sleeps that has looked before.
// I5  A pending operation leaves exactly once: collected out of completed_, by cancel() or by
//     close(), all under lock_. It stands in completed_ iff it is done.
// I6  close() returns when the kernel has taken everything that names the descriptor's number.
// I7  The keeper sleeps only while keeper_fd_ is being read, and takes that completion itself: it
//     may not have noticed yet that it ends its wait.
// I8  What has left a socket is collected when the keeper has next come round (keeper_rounds_): the
//     kernel takes it, and completes, inside one enter(). So `ask` looks at the socket, then waits
//     for a round, then looks at what is held.
// I9  A listener has one request at a time, and holds at most connections_max. What it accepts for
//     nobody - behind a close, or at the poller's end, which waits for accepting_ - is reset.
//
// Locks. lock_ (rank poller) guards all but `state`, which is written under it. No system call
// under it. Bytes are copied without it, out of a buffer that is in nobody's list.
//
// Rejected. A plain ring, entered by whoever waits: measured at 1.1 to 1.3 times the CPU of this
// one, and each of the troubles above is real. Receiving into, and sending from, the caller's
// memory: cancel() would have to wait for the kernel; and a send that waits for a batch is late
// when its thread computes. Multishot accept: nothing bounds it; it takes the whole backlog before
// anybody can cancel it (1,000 of 1,000 in one enter), and with it all descriptors of a process
// that accepts with care. A connection costs as much with ours (20 and 22 us of the server, and 29
// when readiness is waited for). Eight requests at a time for a listener: 3 us more a connection.
// liburing: see uring.h.
//
// Tests: poller_test.cc, for all backends, and this one with queues that are always full.

namespace weft::poll {
namespace {

// held_max: buffers that one descriptor may hold before receiving ahead is stopped. ahead_max:
// bytes that one request may receive, which the kernel itself counts.
constexpr std::uint16_t held_max = 8;
constexpr std::uint32_t ahead_max = held_max * uring::buffer_size;

// connections_max: that one listener may hold.
constexpr std::size_t connections_max = std::tuple_size_v<decltype(receiver::connections)>;

// looks_max: how often an attempt that asks has the keeper receive what lies in the socket.
constexpr int looks_max = 1000;
constexpr operation readable_now{opcode::readable, nullptr, 0, 0};

constexpr std::size_t collect_max = 256;  // completions for one holding of the lock
constexpr std::size_t keeper_stack_size = 256 * 1024;

// What a completion is of: in 4 bits of its key, beside the record's index and generation.
enum class kind : std::uint8_t { nothing, watch_read, watch_write, receive, accept, wake };
constexpr int index_bits = 28;
constexpr std::uint32_t index_end = 1U << index_bits;

constexpr kind what_of(const io_uring_cqe& done) noexcept {
  return static_cast<kind>(done.user_data >> index_bits & 0xf);
}

constexpr std::uint64_t key_of(kind what, std::uint32_t index, std::uint32_t generation) noexcept {
  return std::uint64_t{generation} << 32 | static_cast<std::uint64_t>(what) << index_bits | index;
}

// receiver::state. has: buffers, a connection or an end are held. flying: the request is in the
// kernel. stopping: and has been cancelled.
constexpr std::uint8_t has = 1;
constexpr std::uint8_t flying = 2;
constexpr std::uint8_t stopping = 4;
constexpr std::int32_t no_end = 1;

// uring_poller::started_.
constexpr std::uint32_t runs = 1;
constexpr std::uint32_t refused = 2;

// ownerless: connections accepted for a listener that has been closed. Reset when it goes, as the
// backlog of a closed listener is: it stands outside of the lock.
class ownerless {
 public:
  static constexpr std::size_t most = 8;

  ownerless() = default;
  ~ownerless() {
    for (const int fd : std::span(fds_).first(count_)) {
      const linger hard{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      ::close(fd);
    }
  }
  ownerless(const ownerless&) = delete;
  ownerless& operator=(const ownerless&) = delete;

  [[nodiscard]] bool full() const noexcept { return count_ == most; }
  void add(int fd) noexcept { fds_[count_++] = fd; }

 private:
  std::array<int, most> fds_{};
  std::size_t count_ = 0;
};

// name_peer: of an accepted connection, as accept(2) does it: also of one that was reset meanwhile,
// of which getpeername(2) knows nothing.
bool name_peer(int fd, const operation& op) noexcept {
  for (const std::size_t size : {sizeof(sockaddr_in), sizeof(sockaddr_in6)}) {
    // More than there is would be refused.
    auto length = static_cast<socklen_t>(std::min(op.size, size));
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERNAME, op.data, &length) != 0) return false;
    if (static_cast<const sockaddr*>(op.data)->sa_family != AF_INET6) break;
  }
  return true;
}

class uring_poller final : public poller {
 public:
  uring_poller() = default;
  ~uring_poller() override;
  uring_poller(const uring_poller&) = delete;
  uring_poller& operator=(const uring_poller&) = delete;

  [[nodiscard]] bool setup(const uring_options& options, refusal* why) noexcept;

  [[nodiscard]] const char* name() const noexcept override { return "io_uring"; }
  [[nodiscard]] descriptor* open(int fd, int* error, access who) noexcept override;
  int close(descriptor& d, std::span<completion, 2> evicted) noexcept override;
  void release(descriptor& d) noexcept override;
  [[nodiscard]] start_result start(descriptor& d, const operation& op,
                                   cookie who) noexcept override;
  [[nodiscard]] std::int64_t attempt(descriptor& d, const operation& op,
                                     trust how) noexcept override;
  [[nodiscard]] std::int64_t take_held(descriptor& d, std::span<char> into) noexcept override;
  [[nodiscard]] bool cancel(descriptor& d, direction dir, cookie who) noexcept override;
  [[nodiscard]] std::size_t wait(std::span<completion> out,
                                 std::int64_t timeout_ns) noexcept override;
  void wake() noexcept override;
  [[nodiscard]] std::size_t pending_count() const noexcept override {
    // seq_cst: pairs with the increment of whoever leaves an operation pending (poller.h).
    return pending_.load(base::seq_cst);
  }

  [[nodiscard]] std::size_t own_threads() const noexcept override { return 1; }

 private:
  // held_buffer: of a buffer that a descriptor holds.
  struct held_buffer {
    std::uint16_t next = 0;
    std::uint32_t length = 0;
  };

  [[nodiscard]] io_uring_sqe receive_request(int fd, std::uint64_t key) const noexcept;

  // -- of the keeper --
  [[nodiscard]] bool start_keeper(const uring_options& options, refusal* why) noexcept;
  static void* keeper_thread(void* poller) noexcept;
  void keep() noexcept;
  [[nodiscard]] bool bounds_multishot() noexcept;
  void listen_locked() noexcept;
  void end_accepting() noexcept;
  void collect_locked(bool keeps, ownerless& left) noexcept;
  void on_completion_locked(const io_uring_cqe& done, bool keeps, ownerless& left) noexcept;
  void on_received_locked(descriptor& d, const io_uring_cqe& done) noexcept;
  void on_accepted_locked(descriptor& d, const io_uring_cqe& done, bool keeps) noexcept;

  [[nodiscard]] bool arm(descriptor& d, const operation& op, cookie who) noexcept;
  [[nodiscard]] bool close_locked(descriptor& d, std::span<completion, 2> evicted, std::size_t& n,
                                  ownerless& left) noexcept;
  void watch_locked(descriptor& d, direction dir) noexcept;
  void receive_locked(descriptor& d) noexcept;
  void accept_locked(descriptor& d) noexcept;
  void stop_receiving_locked(descriptor& d) noexcept;
  void cancel_request_locked(std::uint64_t key, std::uint32_t which = 0) noexcept;

  std::int64_t take(descriptor& d, std::span<char> into) noexcept;
  static void give_up_connections_locked(receiver& r, ownerless& left) noexcept;
  std::int64_t take_connection(descriptor& d, const operation& op) noexcept;
  void hold_locked(receiver& r, std::uint16_t id, std::uint32_t length) noexcept;
  static void note_state_locked(receiver& r, std::uint8_t in_kernel) noexcept;

  void ask_keeper() noexcept;
  void submit() noexcept;
  bool catch_up(bool keeps) noexcept;
  template <class Done>
  void have_keeper(Done&& done) noexcept;
  void have_keeper_round() noexcept;
  void complete_locked(descriptor& d, direction dir) noexcept;
  bool withdraw_locked(descriptor& d, direction dir, cookie& out) noexcept;
  std::size_t take_completed(std::span<completion> out) noexcept;
  void interrupt() noexcept;

  // Constant once the keeper has started.
  uring ring_;
  int keeper_fd_ = -1;  // an eventfd: ends the keeper's wait
  bool multishot_ = false;
  bool has_keeper_ = false;
  const uring_options* options_ = nullptr;  // until the keeper has started
  refusal* refusal_ = nullptr;              // until the keeper has started
  pthread_t keeper_{};

  descriptor_pool pool_;
  base::atomic<std::size_t> pending_{0};
  wake_word wake_;                                // of the thread that waits
  base::atomic<std::uint32_t> rounds_{0};         // its futex
  wake_word keeper_wake_;                         // of the keeper
  base::atomic<std::uint32_t> started_{0};        // runs or refused, once the keeper knows
  base::atomic<std::uint32_t> keeper_rounds_{0};  // times it has entered and collected
  base::atomic<bool> stopping_{false};

  base::lock<base::rank::poller> lock_;
  base::list<descriptor> completed_;         // guarded by lock_
  std::unique_ptr<held_buffer[]> held_;      // by buffer; guarded by lock_
  base::atomic<std::size_t> done_count_{0};  // written under lock_: operations in completed_

  bool listens_ = false;         // guarded by lock_: keeper_fd_ is being read
  std::size_t accepting_ = 0;    // guarded by lock_: requests to accept that have not ended
  std::uint64_t wake_sink_ = 0;  // of the kernel; nobody looks at it
};

bool uring_poller::setup(const uring_options& options, refusal* why) noexcept {
  held_.reset(new (std::nothrow) held_buffer[options.buffers]);
  // Blocking: a request to read from what is not would fail where it should wait.
  keeper_fd_ = ::eventfd(0, EFD_CLOEXEC);
  if (held_ == nullptr || keeper_fd_ < 0) {
    *why = {"eventfd", held_ == nullptr ? ENOMEM : errno};
    return false;
  }
  return start_keeper(options, why);
}

// The keeper's requests end with its thread.
uring_poller::~uring_poller() {
  if (has_keeper_) {
    // release: pairs with the load in keep().
    stopping_.store(true, base::release);
    ask_keeper();
    ::pthread_join(keeper_, nullptr);
  }
  if (keeper_fd_ >= 0) ::close(keeper_fd_);
  for (std::uint32_t i = 0; i < pool_.size(); ++i) {
    ownerless left;
    give_up_connections_locked(pool_.at(i).ahead, left);  // nobody else is left
  }
}

// -- the keeper --

// start_keeper: a thread that takes no signals. Returns when it runs, or has been refused.
bool uring_poller::start_keeper(const uring_options& options, refusal* why) noexcept {
  options_ = &options;
  refusal_ = why;
  pthread_attr_t attributes;
  int code = ::pthread_attr_init(&attributes);
  if (code == 0) {
    ::pthread_attr_setstacksize(&attributes, keeper_stack_size);
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    code = ::pthread_create(&keeper_, &attributes, keeper_thread, this);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::pthread_attr_destroy(&attributes);
  }
  if (code != 0) {
    *why = {"a thread for io_uring", code};
    return false;
  }
  // acquire, twice: the ring stands; pairs with the store in keeper_thread().
  while (started_.load(base::acquire) == 0) base::futex_wait(started_, 0);
  has_keeper_ = started_.load(base::acquire) == runs;
  if (!has_keeper_) ::pthread_join(keeper_, nullptr);
  return has_keeper_;
}

void* uring_poller::keeper_thread(void* poller) noexcept {
  ::pthread_setname_np(::pthread_self(), "weft-uring");
  auto& p = *static_cast<uring_poller*>(poller);
  const bool granted = p.ring_.open(*p.options_, p.refusal_);
  p.multishot_ = granted && p.options_->multishot && p.bounds_multishot();
  // release: publishes the ring and multishot_, or why there is none.
  p.started_.store(granted ? runs : refused, base::release);
  base::futex_wake(p.started_, 1);
  if (granted) p.keep();
  return nullptr;
}

// keep: submits, waits, and queues what is completed, until the poller goes.
void uring_poller::keep() noexcept {
  // acquire: pairs with the store in the destructor.
  while (!stopping_.load(base::acquire)) {
    bool listens = false;
    {
      const base::locked hold(lock_);
      listen_locked();
      listens = listens_;
    }
    const bool sleeps = listens && keeper_wake_.sleep();  // I7
    const int result = ring_.enter(sleeps ? 1 : 0);
    if (sleeps) keeper_wake_.awake();
    WEFT_ASSERT(result == 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY ||
                    result == -ENOMEM,
                "io_uring refused to wait");
    while (catch_up(true)) continue;  // only enter() makes it longer
    if (ring_.overflowed()) continue;
    // relaxed: nobody else writes it. release: publishes what was collected.
    keeper_rounds_.store(keeper_rounds_.load(base::relaxed) + 1, base::release);
  }
  end_accepting();
}

// end_accepting: what a request accepts behind our back would be nobody's.
void uring_poller::end_accepting() noexcept {
  for (bool asked = false;;) {  // bounded by the requests: a cancelled one ends
    {
      const base::locked hold(lock_);
      if (accepting_ == 0) return;
      if (!asked && ring_.room() > 0) {
        cancel_request_locked(0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        asked = true;
      }
    }
    ring_.enter(asked ? 1 : 0);
    catch_up(true);
  }
}

// listen_locked: keeper_fd_ ends the wait as a completion.
void uring_poller::listen_locked() noexcept {
  if (listens_ || ring_.room() == 0) return;
  io_uring_sqe request{};
  request.opcode = IORING_OP_READ;
  request.fd = keeper_fd_;
  request.addr = reinterpret_cast<std::uint64_t>(&wake_sink_);
  request.len = sizeof wake_sink_;
  request.user_data = key_of(kind::wake, 0, 0);
  ring_.push(request);
  listens_ = true;
}

// bounds_multishot: tries whether the kernel ends a multishot receive after as many bytes as it is
// told (6.17 and later do); only then nobody's bytes pile up here.
bool uring_poller::bounds_multishot() noexcept {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return false;
  constexpr std::int64_t patience_ns = 1'000'000'000;
  multishot_ = true;
  ring_.push(receive_request(ends[0], 0));
  bool more = false;
  const auto next = [&](int result) {
    more = false;
    if (ring_.enter(1, patience_ns) != 0 || ring_.front() == nullptr) return false;
    const io_uring_cqe done = *ring_.front();
    ring_.drop_front();
    if ((done.flags & IORING_CQE_F_BUFFER) != 0)
      ring_.give(static_cast<std::uint16_t>(done.flags >> IORING_CQE_BUFFER_SHIFT));
    more = (done.flags & IORING_CQE_F_MORE) != 0;
    return done.res == result;
  };
  bool works = ::send(ends[1], "x", 1, MSG_NOSIGNAL) == 1 && next(1) && more;
  ::close(ends[1]);
  works = works && next(0) && !more;  // the end of the stream ends the request
  ::close(ends[0]);
  return works;
}

// -- descriptors --

descriptor* uring_poller::open(int fd, int* error, access who) noexcept {
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    *error = errno;
    return nullptr;
  }
  // As epoll has it: a file or directory is always "ready", whatever its disk does.
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
    *error = EPERM;
    return nullptr;
  }
  descriptor* d = pool_.take();
  if (d == nullptr || d->index >= index_end) {
    *error = ENOMEM;
    if (d != nullptr) pool_.put(*d);
    return nullptr;
  }
  d->fd = fd;
  d->kind = kind_of(fd);
  d->ahead.allowed = who == access::sole && d->kind == fd_kind::tcp;
  // relaxed: whoever uses the record gets it from our caller.
  d->open.store(true, base::relaxed);
  return d;
}

int uring_poller::close(descriptor& d, std::span<completion, 2> evicted) noexcept {
  constexpr std::uint32_t requests_max = 3;
  std::size_t n = 0;
  bool asked = false;
  ownerless left;
  for (bool done = false; !done;) {  // each further round has emptied the queue
    {
      const base::locked hold(lock_);
      // relaxed: under lock_.
      WEFT_ASSERT(d.open.load(base::relaxed), "closed a descriptor twice");
      done = ring_.room() >= requests_max;
      if (done) asked = close_locked(d, evicted, n, left);
    }
    if (!done) have_keeper([&] { return ring_.room() >= requests_max; });
  }
  if (!asked) return static_cast<int>(n);
  // A request that holds the file would keep the peer waiting for its end.
  submit();
  // I6. Nobody starts anything any more, so this is the last of them.
  for (const auto& s : d.slots) {
    const auto place = s.asked_at;
    if (ring_.queued(place)) have_keeper([&] { return !ring_.queued(place); });
  }
  return static_cast<int>(n);
}

// close_locked: true if it has asked the kernel to cancel something.
bool uring_poller::close_locked(descriptor& d, std::span<completion, 2> evicted, std::size_t& n,
                                ownerless& left) noexcept {
  bool asked = false;
  const auto cancel_it = [&](kind what) {
    cancel_request_locked(key_of(what, d.index, d.generation));
    asked = true;
  };
  d.open.store(false, base::relaxed);  // relaxed: readers outside the lock only hurry
  for (const auto dir : {direction::read, direction::write}) {
    if (withdraw_locked(d, dir, evicted[n].who)) evicted[n++].result = -EBADF;  // I5
    if (!std::exchange(d.slot_of(dir).watched, false)) continue;
    cancel_it(dir == direction::read ? kind::watch_read : kind::watch_write);
  }
  receiver& r = d.ahead;
  // relaxed: written under lock_.
  if ((r.state.load(base::relaxed) & flying) != 0)
    cancel_it(r.accepts ? kind::accept : kind::receive);
  give_up_connections_locked(r, left);
  for (; r.held > 0; --r.held) {  // of a connection
    ring_.give(r.first);
    r.first = held_[r.first].next;
  }
  r.offset = 0;
  r.end = no_end;
  r.accepts = false;
  note_state_locked(r, 0);
  ++d.generation;  // I3
  return asked;
}

void uring_poller::release(descriptor& d) noexcept {
  // relaxed: whoever releases knows that it was closed.
  WEFT_ASSERT(!d.open.load(base::relaxed), "released a descriptor that is open");
  pool_.put(d);
}

// -- operations --

std::int64_t uring_poller::attempt(descriptor& d, const operation& op, trust how) noexcept {
  // relaxed: spares a system call on what is closed; arm() decides.
  if (!d.open.load(base::relaxed)) return -EBADF;
  if (!d.ahead.allowed || direction_of(op.code) == direction::write)
    return poll::attempt(d.fd, d.kind, op);
  const bool looks = op.code == opcode::readable;
  WEFT_ASSERT(looks || ((op.code == opcode::read || op.code == opcode::accept) && op.flags == 0),
              "read another way from what is received ahead");
  // acquire: what is held is visible; pairs with note_state_locked().
  auto state = d.ahead.state.load(base::acquire);
  if (state == 0) return poll::attempt(d.fd, d.kind, op);  // I2: the bytes are in the socket
  bool lies = how == trust::ask;
  for (int i = 0; lies && (state & has) == 0 && i < looks_max; ++i) {
    lies = poll::attempt(d.fd, d.kind, readable_now) == 0;
    // I8: what has left the socket is collected then; what lies there is on its way to us.
    have_keeper_round();
    state = d.ahead.state.load(base::acquire);  // acquire: as above
    if (state == 0) return poll::attempt(d.fd, d.kind, op);
  }
  if ((state & has) == 0) return -EAGAIN;
  if (looks) return 0;
  if (op.code == opcode::accept) return take_connection(d, op);
  return take(d, {static_cast<char*>(op.data), op.size});
}

start_result uring_poller::start(descriptor& d, const operation& op, cookie who) noexcept {
  for (;;) {  // each further round has seen bytes come, or a close
    const std::int64_t result = attempt(d, op, trust::rely);
    if (result != -EAGAIN) return {false, result};
    if (arm(d, op, who)) return {true, 0};
  }
}

// arm: false when something has come since the attempt, or the descriptor was closed.
bool uring_poller::arm(descriptor& d, const operation& op, cookie who) noexcept {
  const auto dir = direction_of(op.code);
  slot& s = d.slot_of(dir);
  for (bool armed = false; !armed;) {  // each further round has emptied the queue
    {
      const base::locked hold(lock_);
      // relaxed, twice: both change only under lock_.
      if (!d.open.load(base::relaxed)) return false;
      const auto state = d.ahead.state.load(base::relaxed);
      WEFT_ASSERT(!s.pending, "two operations pending in one direction");
      const bool reads = dir == direction::read;
      if (reads && (state & has) != 0) return false;
      const bool asks = !s.watched && !(reads && (state & flying) != 0);
      armed = !asks || ring_.room() > 0;
      if (armed) {
        if (asks && d.ahead.allowed && op.code == opcode::read) {
          receive_locked(d);
        } else if (asks && d.ahead.allowed && op.code == opcode::accept) {
          accept_locked(d);
        } else if (asks) {
          watch_locked(d, dir);
        }
        s.pending = true;
        s.who = who;
        // seq_cst: pairs with the load in pending_count().
        pending_.fetch_add(1, base::seq_cst);
        // I4: who sleeps has submitted only what was there before.
        if (!asks || !wake_.occupied()) return true;
      }
    }
    if (!armed) have_keeper([&] { return ring_.room() > 0; });
  }
  submit();
  return true;
}

void uring_poller::watch_locked(descriptor& d, direction dir) noexcept {
  const bool reads = dir == direction::read;
  io_uring_sqe request{};
  request.opcode = IORING_OP_POLL_ADD;
  request.fd = d.fd;
  request.poll32_events = reads ? POLLIN : POLLOUT;
  request.user_data = key_of(reads ? kind::watch_read : kind::watch_write, d.index, d.generation);
  slot& s = d.slot_of(dir);
  s.asked_at = ring_.place();
  s.watched = true;
  ring_.push(request);
}

io_uring_sqe uring_poller::receive_request(int fd, std::uint64_t key) const noexcept {
  io_uring_sqe request{};
  request.opcode = IORING_OP_RECV;
  request.flags = IOSQE_BUFFER_SELECT;
  request.ioprio = IORING_RECVSEND_POLL_FIRST;
  request.fd = fd;
  request.buf_group = uring::group;
  if (multishot_) {
    request.ioprio |= IORING_RECV_MULTISHOT;
    request.file_index = ahead_max;  // where newer headers have optlen: bytes until it ends
  }
  request.user_data = key;
  return request;
}

void uring_poller::receive_locked(descriptor& d) noexcept {
  d.slot_of(direction::read).asked_at = ring_.place();
  ring_.push(receive_request(d.fd, key_of(kind::receive, d.index, d.generation)));
  note_state_locked(d.ahead, flying);
}

void uring_poller::accept_locked(descriptor& d) noexcept {
  io_uring_sqe request{};
  request.opcode = IORING_OP_ACCEPT;
  request.fd = d.fd;
  request.accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  request.user_data = key_of(kind::accept, d.index, d.generation);
  d.slot_of(direction::read).asked_at = ring_.place();
  ring_.push(request);
  d.ahead.accepts = true;
  ++accepting_;
  note_state_locked(d.ahead, flying);
}

// stop_receiving_locked: if there is no room, the next completion tries again.
void uring_poller::stop_receiving_locked(descriptor& d) noexcept {
  if (ring_.room() == 0) return;
  cancel_request_locked(key_of(kind::receive, d.index, d.generation));
  note_state_locked(d.ahead, flying | stopping);
}

// cancel_request_locked: `which`: flags of IORING_OP_ASYNC_CANCEL.
void uring_poller::cancel_request_locked(std::uint64_t key, std::uint32_t which) noexcept {
  io_uring_sqe request{};
  request.opcode = IORING_OP_ASYNC_CANCEL;
  request.flags = IOSQE_CQE_SKIP_SUCCESS;
  request.fd = -1;
  request.addr = key;
  request.cancel_flags = which;
  ring_.push(request);
}

bool uring_poller::cancel(descriptor& d, direction dir, cookie who) noexcept {
  const base::locked hold(lock_);
  const slot& s = d.slot_of(dir);
  if (!s.pending || s.who.who != who.who || s.who.ticket != who.ticket) return false;
  cookie taken;
  return withdraw_locked(d, dir, taken);
}

// -- what is held --

// note_state_locked: after held, end, or the request has changed.
void uring_poller::note_state_locked(receiver& r, std::uint8_t in_kernel) noexcept {
  const bool something = r.held > 0 || r.end != no_end;
  // release: publishes what is held to an attempt without the lock.
  r.state.store(static_cast<std::uint8_t>(in_kernel | (something ? has : 0)), base::release);
}

void uring_poller::hold_locked(receiver& r, std::uint16_t id, std::uint32_t length) noexcept {
  held_[id].length = length;
  if (r.held++ == 0) {
    r.first = id;
  } else {
    held_[r.last].next = id;
  }
  r.last = id;
}

// take: out of what is held; never -EAGAIN. The bytes are copied without the lock, out of a buffer
// that nobody else has: a close meanwhile does not find it.
std::int64_t uring_poller::take(descriptor& d, std::span<char> into) noexcept {
  if (into.empty()) return 0;
  receiver& r = d.ahead;
  std::size_t copied = 0;
  std::uint16_t id = 0;
  std::uint32_t from = 0;
  std::uint32_t size = 0;
  std::uint32_t length = 0;
  std::uint32_t generation = 0;
  for (bool has_one = false;;) {
    {
      const base::locked hold(lock_);
      if (!has_one) {
        // relaxed: under lock_.
        if (!d.open.load(base::relaxed)) return -EBADF;
        generation = d.generation;
      } else if (d.generation != generation || from + size == length) {
        ring_.give(id);
      } else {  // what is left of it goes back to the front
        held_[id].next = r.first;
        if (r.held++ == 0) r.last = id;
        r.first = id;
        r.offset = from + size;
      }
      if (d.generation != generation) return static_cast<std::int64_t>(copied);
      // relaxed: written under lock_.
      const auto in_kernel =
          static_cast<std::uint8_t>(r.state.load(base::relaxed) & (flying | stopping));
      if (r.held == 0 && copied == 0) {
        const auto end = std::exchange(r.end, no_end);
        note_state_locked(r, in_kernel);
        WEFT_ASSERT(end != no_end, "I2: nothing was held");
        return end;
      }
      if (r.held == 0 || copied == into.size()) {
        note_state_locked(r, in_kernel);
        return static_cast<std::int64_t>(copied);
      }
      has_one = true;
      id = r.first;
      from = std::exchange(r.offset, 0);
      length = held_[id].length;
      r.first = held_[id].next;
      --r.held;
    }
    size = static_cast<std::uint32_t>(std::min<std::size_t>(length - from, into.size() - copied));
    std::memcpy(into.data() + copied, ring_.buffer(id) + from, size);
    copied += size;
  }
}

void uring_poller::give_up_connections_locked(receiver& r, ownerless& left) noexcept {
  static_assert(connections_max <= ownerless::most);
  if (!r.accepts) return;
  for (std::size_t i = 0; i < r.held; ++i) left.add(r.connections[i]);
  r.held = 0;
}

// take_connection: the oldest; never -EAGAIN.
std::int64_t uring_poller::take_connection(descriptor& d, const operation& op) noexcept {
  receiver& r = d.ahead;
  int fd = -1;
  {
    const base::locked hold(lock_);
    // relaxed: under lock_.
    if (!d.open.load(base::relaxed)) return -EBADF;
    WEFT_ASSERT(r.held > 0, "I2: no connection was held");
    fd = r.connections[0];
    std::shift_left(r.connections.begin(), r.connections.end(), 1);
    --r.held;
    // relaxed: written under lock_.
    note_state_locked(r, r.state.load(base::relaxed) & flying);
  }
  if (op.data == nullptr || name_peer(fd, op)) return fd;
  ::close(fd);
  return -ECONNABORTED;  // as accept(2) has it
}

std::int64_t uring_poller::take_held(descriptor& d, std::span<char> into) noexcept {
  if (!d.ahead.allowed) return 0;
  bool stops = false;
  {
    const base::locked hold(lock_);
    // relaxed, twice: under lock_.
    if (!d.open.load(base::relaxed)) return -EBADF;
    const auto state = d.ahead.state.load(base::relaxed);
    if (state == 0) return 0;
    stops = (state & (flying | stopping)) == flying;
    if (stops) stop_receiving_locked(d);
  }
  if (stops) submit();
  catch_up(false);
  // acquire: as in attempt().
  const auto state = d.ahead.state.load(base::acquire);
  if ((state & has) != 0) return take(d, into);
  return (state & flying) != 0 ? -EAGAIN : 0;
}

// -- completions --

void uring_poller::complete_locked(descriptor& d, direction dir) noexcept {
  slot& s = d.slot_of(dir);
  if (!s.pending || s.done) return;
  s.done = true;
  // relaxed: under lock_; others take it for a hint.
  done_count_.store(done_count_.load(base::relaxed) + 1, base::relaxed);
  if (!d.linked()) completed_.push_back(d);
}

// withdraw_locked: takes an operation out, whether its completion has been seen or not (I5).
bool uring_poller::withdraw_locked(descriptor& d, direction dir, cookie& out) noexcept {
  // relaxed: as in complete_locked().
  if (d.slot_of(dir).done) done_count_.store(done_count_.load(base::relaxed) - 1, base::relaxed);
  if (!d.drop(dir, out)) return false;
  if (d.linked() && !d.slots[0].done && !d.slots[1].done) completed_.remove(d);
  // relaxed: only a missed increment could keep somebody from looking.
  pending_.fetch_sub(1, base::relaxed);
  return true;
}

void uring_poller::on_completion_locked(const io_uring_cqe& done, bool keeps,
                                        ownerless& left) noexcept {
  const auto what = what_of(done);
  const auto generation = static_cast<std::uint32_t>(done.user_data >> 32);
  if (what == kind::nothing) return;
  if (what == kind::wake) {
    listens_ = false;
    return;
  }
  descriptor& d = pool_.at(static_cast<std::uint32_t>(done.user_data) & (index_end - 1));
  if (what == kind::accept) --accepting_;
  if (d.generation != generation) {  // I3
    if (what == kind::accept && done.res >= 0) left.add(done.res);
    if ((done.flags & IORING_CQE_F_BUFFER) != 0)
      ring_.give(static_cast<std::uint16_t>(done.flags >> IORING_CQE_BUFFER_SHIFT));
    return;
  }
  if (what == kind::receive) return on_received_locked(d, done);
  if (what == kind::accept) return on_accepted_locked(d, done, keeps);
  const auto dir = what == kind::watch_read ? direction::read : direction::write;
  d.slot_of(dir).watched = false;
  complete_locked(d, dir);
}

void uring_poller::on_received_locked(descriptor& d, const io_uring_cqe& done) noexcept {
  receiver& r = d.ahead;
  const bool buffered = (done.flags & IORING_CQE_F_BUFFER) != 0;
  const auto id = static_cast<std::uint16_t>(done.flags >> IORING_CQE_BUFFER_SHIFT);
  if (done.res > 0) {
    WEFT_ASSERT(buffered && static_cast<std::uint32_t>(done.res) <= uring::buffer_size,
                "the kernel received into no buffer");
    hold_locked(r, id, static_cast<std::uint32_t>(done.res));
  } else {
    if (buffered) ring_.give(id);
    switch (done.res) {
      // The request has ended, the connection has not: whoever reads asks the socket, and then
      // begins another. ECANCELED: ours, or that of a thread that ended.
      case -ECANCELED:
      case -ENOBUFS:
      case -EAGAIN:
      case -EINTR:
      case -ENOMEM: break;
      default: r.end = done.res;
    }
  }
  const bool more = (done.flags & IORING_CQE_F_MORE) != 0;
  // relaxed: written under lock_.
  const auto before = r.state.load(base::relaxed);
  note_state_locked(
      r, more ? static_cast<std::uint8_t>(before & (flying | stopping)) : std::uint8_t{0});
  complete_locked(d, direction::read);
  if (more && r.held >= held_max && (before & stopping) == 0) stop_receiving_locked(d);
}

// on_accepted_locked: the keeper, who is about to submit anyway, asks for the next one. An error
// ends it: whoever accepts asks the socket.
void uring_poller::on_accepted_locked(descriptor& d, const io_uring_cqe& done,
                                      bool keeps) noexcept {
  receiver& r = d.ahead;
  bool goes_on = false;
  if (done.res >= 0) {
    WEFT_ASSERT(r.held < connections_max, "I9: a connection too many");
    r.connections[r.held++] = done.res;
    // relaxed: only the keeper goes on, and it has read it itself before it ends.
    goes_on =
        keeps && !stopping_.load(base::relaxed) && r.held < connections_max && ring_.room() > 0;
  }
  if (goes_on) {
    accept_locked(d);
  } else {
    note_state_locked(r, 0);
  }
  complete_locked(d, direction::read);
}

// collect_locked: what the kernel has completed, in its order (I1). The keeper's wake-up is its.
void uring_poller::collect_locked(bool keeps, ownerless& left) noexcept {
  for (std::size_t i = 0; i < collect_max && !left.full(); ++i) {
    const io_uring_cqe* next = ring_.front();
    if (next == nullptr || (!keeps && what_of(*next) == kind::wake)) return;  // I7
    const io_uring_cqe done = *next;
    ring_.drop_front();
    on_completion_locked(done, keeps, left);
  }
}

// catch_up: `keeps`: by the keeper. Whether there is more.
bool uring_poller::catch_up(bool keeps) noexcept {
  bool something = false;
  bool more = false;
  ownerless left;
  {
    const base::locked hold(lock_);
    collect_locked(keeps, left);
    something = !completed_.empty();
    more = ring_.front() != nullptr;
  }
  if (something && wake_.rouse()) interrupt();
  return more;
}

// ask_keeper: to look at the queue, and whether the poller goes.
void uring_poller::ask_keeper() noexcept {
  if (!keeper_wake_.ask()) return;
  const std::uint64_t one = 1;
  const auto n = ::write(keeper_fd_, &one, sizeof one);
  WEFT_ASSERT(n == sizeof one, "the keeper was not woken");
}

void uring_poller::submit() noexcept {
  if (ring_.unsubmitted() != 0) ask_keeper();
}

// have_keeper: waits for what the keeper is about to do: it runs no code but ours.
template <class Done>
void uring_poller::have_keeper(Done&& done) noexcept {
  while (!done()) {
    ask_keeper();
    ::sched_yield();
  }
}

// have_keeper_round: what the kernel had taken before is collected then (I8).
void uring_poller::have_keeper_round() noexcept {
  // acquire, twice: sees what the keeper has collected; pairs with the store in keep().
  const auto before = keeper_rounds_.load(base::acquire);
  have_keeper([&] { return keeper_rounds_.load(base::acquire) != before; });
}

// -- waiting --

std::size_t uring_poller::take_completed(std::span<completion> out) noexcept {
  std::size_t n = 0;
  ownerless left;
  const base::locked hold(lock_);
  collect_locked(false, left);
  while (n + 2 <= out.size()) {
    descriptor* d = completed_.front();
    if (d == nullptr) break;
    for (const auto dir : {direction::read, direction::write}) {
      if (!d->slot_of(dir).done) continue;
      withdraw_locked(*d, dir, out[n].who);
      out[n++].result = again;
    }
  }
  return n;
}

std::size_t uring_poller::wait(std::span<completion> out, std::int64_t timeout_ns) noexcept {
  WEFT_ASSERT(out.size() >= 2, "an event may complete both directions");
  submit();
  std::size_t n = 0;
  // relaxed: a hint: what comes now is for the next one who looks, or for the sleeper.
  if (done_count_.load(base::relaxed) != 0 || ring_.front() != nullptr) n = take_completed(out);
  if (n > 0 || timeout_ns == 0) return n;
  // relaxed: whoever interrupts us has met wake_ behind our sleep().
  const auto round = rounds_.load(base::relaxed);
  if (!wake_.sleep()) return 0;
  n = take_completed(out);
  submit();  // I4
  if (n == 0) base::futex_wait(rounds_, round, timeout_ns);
  wake_.awake();
  return n > 0 ? n : take_completed(out);
}

void uring_poller::wake() noexcept {
  if (wake_.ask()) interrupt();
}

// interrupt: async-signal-safe.
void uring_poller::interrupt() noexcept {
  // relaxed: the kernel compares it under a lock of its own.
  rounds_.fetch_add(1, base::relaxed);
  base::futex_wake(rounds_, 1);
}

}  // namespace

std::unique_ptr<poller> make_uring_poller(const uring_options& options, refusal* why) {
  auto made = std::make_unique<uring_poller>();
  if (!made->setup(options, why)) return nullptr;
  return made;
}

}  // namespace weft::poll
