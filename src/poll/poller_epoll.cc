#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/assert.h"
#include "base/atomic.h"
#include "poll/descriptor.h"
#include "poll/operation.h"
#include "poll/poller.h"
#include "poll/wake_word.h"

// poller_epoll: Linux's backend.
//
// Purpose. A descriptor is registered once, edge-triggered, for reading and writing: after open()
// an operation costs its own system call and, if it must wait, nothing but a lock. start() tries
// first. Only "would wait" arms the direction, and an event completes it with `again`.
//
// The race. Between the attempt and the arming an event may come, and edge-triggered there is no
// second one. Each direction counts its edges. start() notes the count before it tries, and arms
// under the lock only if the count still stands; otherwise it tries again.
//
// What is known drained. After "would wait" the next attempt fails as well until an edge arrives,
// so start() remembers the count in drained_at and arms without a system call while it stands. On a
// TCP connection a transfer that moved some but not all bytes says the same: the queue ran empty,
// or the buffer full. It does not say so
//  - of an end, a reset or an urgent byte, which shorten a read with no edge to follow: once an
//    event has reported one, `ended` is set and a short transfer proves nothing any more. One that
//    was not reported yet is still to come as an edge of its own;
//  - of Unix sockets (a passed descriptor ends a read early), terminals (a line does), datagrams,
//    and of TCP with the kernel's TLS on it (a record does), which nobody here turns on.
// EPOLLHUP alone does not set `ended`: a fresh TCP socket reports it before connect.
//
// An event carries the record's index and generation. close() raises the generation under the lock,
// so an event that was collected before, or that a duplicate of the descriptor still causes, finds
// nobody.
//
// Invariants.
// I1  `edges` changes only under the guard, and only grows.
// I2  pending: an attempt since the last counted edge said "would wait", so what makes the
//     direction ready brings an edge that is not counted yet.
// I3  drained_at == edges: an attempt would say "would wait", or an edge is on its way. So this is
//     enough to wait, and not enough to tell a caller who will not wait that nothing is there
//     (trust::ask).
// I4  A pending operation leaves exactly once: by an event, by cancel() or by close(), each of
//     which takes its cookie under the guard.
// I5  A record is pending only while it is open.
//
// Locks. guard (rank descriptor) for microseconds; never a system call under it. drained_at belongs
// to whoever starts operations in its direction, one at a time by contract.
//
// Waking. An eventfd in the set, edge-triggered: each write is an edge, nobody has to read it.
// wake_word says when a write is needed. A poll that does not wait may collect the sleeper's
// interrupt: it then writes again.
//
// Rejected. Level-triggered with one-shot: a system call more for each wait. Registering for what
// is waited for: the same. A flag "ready" cleared before the attempt in place of the count: the
// store may become visible after the event's and erase it. Pointers in events: 16 spare bits are
// few generations.
//
// Tests: poller_test.cc, for both backends; with threads under ThreadSanitizer;
// tests/model/poller.pml (fails without the count, `ended`, the generation, or the look at `open`).

namespace weft::poll {
namespace {

constexpr std::uint32_t interest =
    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | static_cast<std::uint32_t>(EPOLLET);
constexpr std::uint32_t for_readers = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t for_writers = EPOLLOUT | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t ends = EPOLLRDHUP | EPOLLERR | EPOLLPRI;

constexpr std::size_t batch_max = 128;  // events a call; the rest waits in the kernel, oldest first
constexpr std::uint64_t wake_key = UINT64_MAX;

constexpr std::int64_t ns_per_s = 1'000'000'000;

class epoll_poller final : public poller {
 public:
  epoll_poller(int epoll_fd, int wake_fd) noexcept : epoll_fd_(epoll_fd), wake_fd_(wake_fd) {}
  ~epoll_poller() override {
    ::close(wake_fd_);
    ::close(epoll_fd_);
  }
  epoll_poller(const epoll_poller&) = delete;
  epoll_poller& operator=(const epoll_poller&) = delete;

  [[nodiscard]] const char* name() const noexcept override { return "epoll"; }
  [[nodiscard]] descriptor* open(int fd, int* error, access who) noexcept override;
  int close(descriptor& d, std::span<completion, 2> evicted) noexcept override;
  void release(descriptor& d) noexcept override;
  [[nodiscard]] start_result start(descriptor& d, const operation& op,
                                   cookie who) noexcept override;
  [[nodiscard]] std::int64_t attempt(descriptor& d, const operation& op,
                                     trust how) noexcept override;
  [[nodiscard]] bool cancel(descriptor& d, direction dir, cookie who) noexcept override;
  [[nodiscard]] std::size_t wait(std::span<completion> out,
                                 std::int64_t timeout_ns) noexcept override;
  void wake() noexcept override;
  [[nodiscard]] std::size_t pending_count() const noexcept override {
    // seq_cst: pairs with the increment of whoever leaves an operation pending (poller.h).
    return pending_.load(base::seq_cst);
  }

 private:
  [[nodiscard]] bool arm(descriptor& d, slot& s, cookie who) noexcept;
  [[nodiscard]] int collect(std::span<epoll_event> events, std::int64_t timeout_ns) noexcept;
  std::size_t deliver(const epoll_event& event, std::span<completion, 2> out) noexcept;
  void interrupt() noexcept;
  void count_left(std::size_t n) noexcept {
    // relaxed: only a missed increment could keep somebody from looking.
    if (n != 0) pending_.fetch_sub(n, base::relaxed);
  }

  const int epoll_fd_;
  const int wake_fd_;
  descriptor_pool pool_;
  wake_word wake_;
  base::atomic<std::size_t> pending_{0};
  base::atomic<bool> has_pwait2_{true};  // until the kernel says otherwise
};

constexpr std::uint64_t key_of(std::uint32_t index, std::uint32_t generation) noexcept {
  return std::uint64_t{generation} << 32 | index;
}

descriptor* epoll_poller::open(int fd, int* error, access) noexcept {
  descriptor* d = pool_.take();
  if (d == nullptr) {
    *error = ENOMEM;
    return nullptr;
  }
  std::uint32_t generation = 0;
  {
    const base::locked hold(d->guard);
    d->fd = fd;
    for (auto& s : d->slots) s.drained_at = 0;
    // relaxed: `ended` is read behind an acquiring load of edges, `open` by who gets the record
    // from us.
    d->ended.store(false, base::relaxed);
    d->open.store(true, base::relaxed);
    generation = d->generation;
  }
  d->kind = kind_of(fd);
  epoll_event event{};
  event.events = interest;
  event.data.u64 = key_of(d->index, generation);
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0) return d;
  *error = errno;
  // relaxed: nobody else has seen the record open.
  d->open.store(false, base::relaxed);
  pool_.put(*d);
  return nullptr;
}

int epoll_poller::close(descriptor& d, std::span<completion, 2> evicted) noexcept {
  std::size_t n = 0;
  {
    const base::locked hold(d.guard);
    // relaxed: under the guard; readers outside it only hurry (see start).
    WEFT_ASSERT(d.open.load(base::relaxed), "closed a descriptor twice");
    d.open.store(false, base::relaxed);
    ++d.generation;
    for (const auto dir : {direction::read, direction::write}) {
      if (d.drop(dir, evicted[n].who)) evicted[n++].result = -EBADF;  // I4
    }
  }
  count_left(n);
  // A descriptor that was duplicated would go on to cause events; fails only if the fd is gone
  // already.
  epoll_event unused{};
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, d.fd, &unused);
  return static_cast<int>(n);
}

void epoll_poller::release(descriptor& d) noexcept {
  // relaxed: whoever releases knows that it was closed.
  WEFT_ASSERT(!d.open.load(base::relaxed), "released a descriptor that is open");
  pool_.put(d);
}

// drains: whether a transfer proves that the next one would wait. With flags (MSG_PEEK, MSG_OOB) it
// does not.
bool drains(fd_kind kind, const operation& op, std::int64_t result) noexcept {
  return kind == fd_kind::tcp && op.flags == 0 && result > 0 && result < size_of(op);
}

std::int64_t epoll_poller::attempt(descriptor& d, const operation& op, trust how) noexcept {
  // relaxed: spares a system call on what is closed; arm() decides.
  if (!d.open.load(base::relaxed)) return -EBADF;
  slot& s = d.slot_of(direction_of(op.code));
  // acquire: sees `ended` as of this edge; pairs with the increment in deliver().
  const std::uint64_t seen = s.edges.load(base::acquire);
  if (s.drained_at == seen && how == trust::rely) return -EAGAIN;  // I3
  const std::int64_t result = poll::attempt(d.fd, d.kind, op);
  // relaxed: ordered by the load of edges above. A later end comes with an edge of its own.
  const bool drained =
      result == -EAGAIN || (drains(d.kind, op, result) && !d.ended.load(base::relaxed));
  s.drained_at = drained ? seen : 0;
  return result;
}

start_result epoll_poller::start(descriptor& d, const operation& op, cookie who) noexcept {
  for (;;) {  // each further round has seen a new edge, or a close
    const std::int64_t result = attempt(d, op, trust::rely);
    if (result != -EAGAIN) return {false, result};
    if (arm(d, d.slot_of(direction_of(op.code)), who)) return {true, 0};
  }
}

// arm: false when an edge has come since the attempt, or the descriptor was closed.
bool epoll_poller::arm(descriptor& d, slot& s, cookie who) noexcept {
  const base::locked hold(d.guard);
  // relaxed, twice: both change only under the guard.
  if (!d.open.load(base::relaxed) || s.edges.load(base::relaxed) != s.drained_at) return false;
  WEFT_ASSERT(!s.pending, "two operations pending in one direction");
  s.pending = true;  // I2
  s.who = who;
  // seq_cst: pairs with the load in pending_count().
  pending_.fetch_add(1, base::seq_cst);
  return true;
}

bool epoll_poller::cancel(descriptor& d, direction dir, cookie who) noexcept {
  {
    const base::locked hold(d.guard);
    const slot& s = d.slot_of(dir);
    if (!s.pending || s.who.who != who.who || s.who.ticket != who.ticket) return false;
    cookie taken;
    d.drop(dir, taken);  // I4
  }
  count_left(1);
  return true;
}

std::size_t epoll_poller::wait(std::span<completion> out, std::int64_t timeout_ns) noexcept {
  WEFT_ASSERT(out.size() >= 2, "an event may complete both directions");
  const bool sleeps = timeout_ns != 0 && wake_.sleep();
  std::array<epoll_event, batch_max> events;
  const std::size_t room = std::min(batch_max, out.size() / 2);
  const int n = collect(std::span(events).first(room), sleeps ? timeout_ns : 0);
  if (sleeps) wake_.awake();
  std::size_t done = 0;
  for (int i = 0; i < n; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 != wake_key) {
      done += deliver(event, out.subspan(done).first<2>());
    } else if (!sleeps && wake_.interrupted()) {
      interrupt();  // it was meant for the sleeper
    }
  }
  count_left(done);
  return done;
}

// collect: epoll's three ways to wait. A signal ends it early, with nothing.
int epoll_poller::collect(std::span<epoll_event> events, std::int64_t timeout_ns) noexcept {
  const int room = static_cast<int>(events.size());
  int n = -1;
  bool done = false;
#if defined(SYS_epoll_pwait2)
  // relaxed: a hint that settles once.
  if (timeout_ns > 0 && has_pwait2_.load(base::relaxed)) {
    const timespec limit{timeout_ns / ns_per_s, timeout_ns % ns_per_s};
    n = static_cast<int>(::syscall(SYS_epoll_pwait2, epoll_fd_, events.data(), room, &limit,
                                   nullptr, std::size_t{0}));
    // EPERM: filters of system calls say so where they do not know one.
    done = n >= 0 || (errno != ENOSYS && errno != EPERM);
    if (!done) has_pwait2_.store(false, base::relaxed);
  }
#endif
  if (!done) {
    n = ::epoll_wait(epoll_fd_, events.data(), room, milliseconds(timeout_ns));
  }
  WEFT_ASSERT(n >= 0 || errno == EINTR, "epoll refused to wait");
  return std::max(n, 0);
}

std::size_t epoll_poller::deliver(const epoll_event& event, std::span<completion, 2> out) noexcept {
  descriptor& d = pool_.at(static_cast<std::uint32_t>(event.data.u64));
  const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
  std::size_t n = 0;
  const base::locked hold(d.guard);
  if (d.generation != generation) return 0;
  // relaxed: published by the increments below.
  if ((event.events & ends) != 0) d.ended.store(true, base::relaxed);
  for (const auto dir : {direction::read, direction::write}) {
    if ((event.events & (dir == direction::read ? for_readers : for_writers)) == 0) continue;
    // release: whoever sees this edge sees `ended`; pairs with the load in start().
    d.slot_of(dir).edges.fetch_add(1, base::release);      // I1
    if (d.drop(dir, out[n].who)) out[n++].result = again;  // I4
  }
  return n;
}

void epoll_poller::wake() noexcept {
  if (wake_.ask()) interrupt();
}

// interrupt: async-signal-safe.
void epoll_poller::interrupt() noexcept {
  const int saved = errno;
  const std::uint64_t one = 1;
  // Fails only when 2^64 wake-ups were never read, which wake_word rules out.
  const auto n = ::write(wake_fd_, &one, sizeof one);
  WEFT_ASSERT(n == sizeof one, "the wake-up was not written");
  errno = saved;
}

}  // namespace

std::unique_ptr<poller> make_epoll_poller() {
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) return nullptr;
  const int wake_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN | static_cast<std::uint32_t>(EPOLLET);
  event.data.u64 = wake_key;
  if (wake_fd < 0 || ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0) {
    const int saved = errno;
    if (wake_fd >= 0) ::close(wake_fd);
    ::close(epoll_fd);
    errno = saved;
    return nullptr;
  }
  return std::make_unique<epoll_poller>(epoll_fd, wake_fd);
}

}  // namespace weft::poll
