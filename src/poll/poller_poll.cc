#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/assert.h"
#include "base/atomic.h"
#include "base/list.h"
#include "base/lock.h"
#include "poll/descriptor.h"
#include "poll/operation.h"
#include "poll/poller.h"
#include "poll/wake_word.h"

// poller_poll: the portable backend, over poll(2).
//
// Purpose. It runs where epoll is not, and shows that the contract does not lean on epoll: it is
// built and tested beside it. Simple before fast: each wait walks what is armed.
//
// How. poll(2) is level-triggered, so what becomes ready between the attempt and the arming is seen
// by the next call. Only armed records are polled; they stand in one list, and wait() copies it
// into an array, polls that without a lock, and then completes what is still the same. Whoever arms
// while a thread sleeps in poll(2) interrupts it through a pipe, so that it sees the new set; the
// wait then ends early, with nothing, as the contract allows.
//
// Invariants.
// I1  A record is in armed_ exactly while it is open and one of its directions is pending.
// I2  An entry of the array speaks for a record only if its generation still stands: a descriptor
//     that was closed meanwhile, and its number reused, finds nobody.
// I3  As the contract: a pending operation leaves exactly once, under lock_.
// I4  poll(2) holds the files that it polls. close() returns when none holds the descriptor's any
//     more: a snapshot's turn is odd from before it looks at the list until its poll has returned.
//
// Locks. lock_ (rank poller) guards slots, generations and the list. No system call and no
// allocation under it. wake_word decides who writes into the pipe; only the sleeper polls and
// empties it.
//
// Two arrays, one for the sleeper and one for a poll that does not wait; of two such polls at once
// one returns with nothing, for the other will find the same.
//
// Tests: poller_test.cc, for both backends.

namespace weft::poll {
namespace {

class poll_poller final : public poller {
 public:
  poll_poller(int read_end, int write_end) noexcept
      : pipe_read_(read_end), pipe_write_(write_end) {}
  ~poll_poller() override {
    ::close(pipe_read_);
    ::close(pipe_write_);
  }
  poll_poller(const poll_poller&) = delete;
  poll_poller& operator=(const poll_poller&) = delete;

  [[nodiscard]] const char* name() const noexcept override { return "poll"; }
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
  // entry: for whom the pollfd at the same place speaks.
  struct entry {
    descriptor* record;
    std::uint32_t generation;
  };
  struct snapshot {
    std::vector<pollfd> fds;
    std::vector<entry> owners;
    base::atomic<std::uint32_t> turn{0};  // I4
  };

  void build(snapshot& s) noexcept;
  std::size_t run(snapshot& s, std::span<completion> out, std::int64_t timeout_ns,
                  bool sleeps) noexcept;
  std::size_t deliver(const snapshot& s, std::span<completion> out) noexcept;
  bool drop_locked(descriptor& d, direction dir, cookie& out) noexcept;
  void interrupt() noexcept;

  const int pipe_read_;
  const int pipe_write_;
  descriptor_pool pool_;
  wake_word wake_;
  base::atomic<std::size_t> pending_{0};

  base::lock<base::rank::poller> lock_;
  base::list<descriptor> armed_;  // guarded by lock_
  std::size_t armed_count_ = 0;   // guarded by lock_

  snapshot sleeper_;                       // of the one thread that waits
  snapshot quick_;                         // of whoever holds quick_taken_
  base::atomic<bool> quick_taken_{false};  // a try-lock: never waited for
};

descriptor* poll_poller::open(int fd, int* error, access) noexcept {
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
  if (d == nullptr) {
    *error = ENOMEM;
    return nullptr;
  }
  d->fd = fd;
  d->kind = kind_of(fd);
  // relaxed: whoever uses the record gets it from our caller.
  d->open.store(true, base::relaxed);
  return d;
}

int poll_poller::close(descriptor& d, std::span<completion, 2> evicted) noexcept {
  std::size_t n = 0;
  {
    const base::locked hold(lock_);
    // relaxed: under lock_.
    WEFT_ASSERT(d.open.load(base::relaxed), "closed a descriptor twice");
    d.open.store(false, base::relaxed);
    ++d.generation;
    for (const auto dir : {direction::read, direction::write}) {
      if (drop_locked(d, dir, evicted[n].who)) evicted[n++].result = -EBADF;
    }
  }
  // I4. Which turns these are is read before the sleeper is roused: the next one does not end so.
  // acquire: as below.
  const std::uint32_t slept = sleeper_.turn.load(base::acquire);
  const std::uint32_t quick = quick_.turn.load(base::acquire);
  if (wake_.rouse()) interrupt();
  // acquire: what was held is given up; pairs with the store in run().
  while (slept % 2 != 0 && sleeper_.turn.load(base::acquire) == slept) ::sched_yield();
  while (quick % 2 != 0 && quick_.turn.load(base::acquire) == quick) ::sched_yield();
  return static_cast<int>(n);
}

void poll_poller::release(descriptor& d) noexcept {
  // relaxed: whoever releases knows that it was closed.
  WEFT_ASSERT(!d.open.load(base::relaxed), "released a descriptor that is open");
  pool_.put(d);
}

std::int64_t poll_poller::attempt(descriptor& d, const operation& op, trust) noexcept {
  // relaxed: spares a system call on what is closed; start()'s look under lock_ decides.
  if (!d.open.load(base::relaxed)) return -EBADF;
  return poll::attempt(d.fd, d.kind, op);
}

start_result poll_poller::start(descriptor& d, const operation& op, cookie who) noexcept {
  const std::int64_t result = attempt(d, op, trust::ask);
  if (result != -EAGAIN) return {false, result};
  {
    const base::locked hold(lock_);
    // relaxed: under lock_.
    if (!d.open.load(base::relaxed)) return {false, -EBADF};
    slot& s = d.slot_of(direction_of(op.code));
    WEFT_ASSERT(!s.pending, "two operations pending in one direction");
    s.pending = true;
    s.who = who;
    if (!d.linked()) {  // I1
      armed_.push_back(d);
      ++armed_count_;
    }
    // seq_cst: pairs with the load in pending_count().
    pending_.fetch_add(1, base::seq_cst);
  }
  if (wake_.rouse()) interrupt();  // whoever sleeps does not poll this one yet
  return {true, 0};
}

bool poll_poller::cancel(descriptor& d, direction dir, cookie who) noexcept {
  const base::locked hold(lock_);
  const slot& s = d.slot_of(dir);
  if (!s.pending || s.who.who != who.who || s.who.ticket != who.ticket) return false;
  cookie taken;
  return drop_locked(d, dir, taken);
}

bool poll_poller::drop_locked(descriptor& d, direction dir, cookie& out) noexcept {
  if (!d.drop(dir, out)) return false;  // I3
  if (!d.slots[0].pending && !d.slots[1].pending) {
    armed_.remove(d);  // I1
    --armed_count_;
  }
  // relaxed: only a missed increment could keep somebody from looking.
  pending_.fetch_sub(1, base::relaxed);
  return true;
}

std::size_t poll_poller::wait(std::span<completion> out, std::int64_t timeout_ns) noexcept {
  WEFT_ASSERT(out.size() >= 2, "an event may complete both directions");
  if (timeout_ns != 0) {
    const bool sleeps = wake_.sleep();
    const std::size_t n = run(sleeper_, out, sleeps ? timeout_ns : 0, sleeps);
    if (sleeps) wake_.awake();
    return n;
  }
  // acquire, release: the array passes from one poll to the next.
  if (quick_taken_.exchange(true, base::acquire)) return 0;
  const std::size_t n = run(quick_, out, 0, false);
  quick_taken_.store(false, base::release);
  return n;
}

std::size_t poll_poller::run(snapshot& s, std::span<completion> out, std::int64_t timeout_ns,
                             bool sleeps) noexcept {
  // relaxed: whoever closes what we are about to see in the list takes its lock behind us.
  const auto turn = s.turn.load(base::relaxed);
  s.turn.store(turn + 1, base::relaxed);
  build(s);
  if (sleeps) s.fds.push_back({pipe_read_, POLLIN, 0});
  int n = ::poll(s.fds.data(), static_cast<nfds_t>(s.fds.size()), milliseconds(timeout_ns));
  if (n < 0 && errno == EINVAL) {
    // More than RLIMIT_NOFILE allows by now: nothing can be known, so everybody looks.
    ::poll(nullptr, 0, timeout_ns == 0 ? 0 : 1);
    for (auto& p : s.fds) p.revents = p.events;
    n = static_cast<int>(s.fds.size());
  }
  WEFT_ASSERT(n >= 0 || errno == EINTR || errno == ENOMEM, "poll refused to wait");
  s.turn.store(turn + 2, base::release);  // release: pairs with close()
  if (n <= 0) return 0;
  if (sleeps && s.fds.back().revents != 0) {
    // Rarely more than one byte: wake_word lets one through a sleep.
    std::array<char, 16> bytes;
    while (::read(pipe_read_, bytes.data(), bytes.size()) > 0) continue;
  }
  return deliver(s, out);
}

// build: memory is asked for without the lock, so the list may grow meanwhile.
void poll_poller::build(snapshot& s) noexcept {
  s.fds.clear();
  s.owners.clear();
  for (std::size_t wanted = 0;;) {
    s.fds.reserve(wanted + 1);  // and the pipe
    s.owners.reserve(wanted);
    const base::locked hold(lock_);
    wanted = armed_count_;
    if (s.owners.capacity() < wanted || s.fds.capacity() < wanted + 1) continue;
    for (descriptor* d = armed_.front(); d != nullptr; d = armed_.next(*d)) {
      int events = 0;
      if (d->slot_of(direction::read).pending) events |= POLLIN;
      if (d->slot_of(direction::write).pending) events |= POLLOUT;
      s.fds.push_back({d->fd, static_cast<short>(events), 0});
      s.owners.push_back({d, d->generation});
    }
    return;
  }
}

std::size_t poll_poller::deliver(const snapshot& s, std::span<completion> out) noexcept {
  constexpr int both = POLLERR | POLLHUP | POLLNVAL;
  std::size_t done = 0;
  const base::locked hold(lock_);
  for (std::size_t i = 0; i < s.owners.size() && done + 2 <= out.size(); ++i) {
    const int events = s.fds[i].revents;
    descriptor& d = *s.owners[i].record;
    if (events == 0 || d.generation != s.owners[i].generation) continue;  // I2
    for (const auto dir : {direction::read, direction::write}) {
      const int wanted = dir == direction::read ? POLLIN : POLLOUT;
      if ((events & (wanted | both)) == 0) continue;
      if (drop_locked(d, dir, out[done].who)) out[done++].result = again;
    }
  }
  return done;
}

void poll_poller::wake() noexcept {
  if (wake_.ask()) interrupt();
}

// interrupt: async-signal-safe. A full pipe interrupts as well as one byte more would.
void poll_poller::interrupt() noexcept {
  const int saved = errno;
  const char byte = 0;
  const auto n = ::write(pipe_write_, &byte, 1);
  WEFT_ASSERT(n == 1 || errno == EAGAIN, "the wake-up was not written");
  errno = saved;
}

}  // namespace

std::unique_ptr<poller> make_poll_poller() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
  return std::make_unique<poll_poller>(ends[0], ends[1]);
}

}  // namespace weft::poll
