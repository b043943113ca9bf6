#include <weft/copy.h>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/go.h>

#include <array>
#include <cerrno>

#include "net/call.h"
#include "net/socket.h"
#include "net/unique_fd.h"
#include "poll/sigpipe.h"
#include "sched/environment.h"
#include "sched/file_slots.h"
#include "sched/gate.h"

// copy: bytes from one descriptor to another without leaving the kernel.
//
// splice(2) needs a pipe at one end, and says EAGAIN for either end without saying which. So there
// is always a pipe of our own in between, empty before bytes are pulled into it and emptied before
// the next: then what would wait is the one end that is not ours. A pipe costs two descriptors for
// the time of the copy; where there are none the bytes go through a buffer instead.

namespace weft::detail {
namespace {

using net::pollable;
using net::verb;
using poll::direction;
using sched::wait_reason;

constexpr std::size_t pipe_size = 256 * 1024;      // asked for; the kernel may give less
constexpr std::size_t held_size = 2048;            // a piece of what was received ahead
constexpr std::size_t sendfile_max = 1024 * 1024;  // a call: between two the limit is looked at

mode_t mode_of(int fd) noexcept {
  struct stat s{};
  return ::fstat(fd, &s) == 0 ? s.st_mode : 0;
}

// side: one end of a copy.
struct side {
  pollable* io;
  int fd;
  direction dir;

  [[nodiscard]] verb what() const noexcept {
    return dir == direction::read ? verb::read : verb::write;
  }
  [[nodiscard]] wait_reason reason() const noexcept {
    return dir == direction::read ? wait_reason::io_read : wait_reason::io_write;
  }
  [[nodiscard]] error failure(int code) const noexcept {
    const std::error_code why(code, std::system_category());
    if (io != nullptr) return io->failure(what(), why);
    return {why, dir == direction::read ? "read" : "write"};
  }
};

// streams: whether the kernel can splice what is in the poller: bytes without borders.
bool streams(const pollable& io) noexcept {
  if (poll::is_simulated(io.fd())) return false;
  switch (io.kind()) {
    case net::transport::tcp:
    case net::transport::unix_stream: return true;
    case net::transport::file: return S_ISFIFO(mode_of(io.fd()));
    default: return false;
  }
}

// is_file: a regular one, which can be written where it stands.
bool is_file(int fd, direction dir) noexcept {
  if (fd < 0 || !S_ISREG(mode_of(fd))) return false;
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (dir == direction::read || (flags & O_APPEND) == 0);
}

// move: `step`, a system call that moves bytes, until it has: how many, 0 at the end. A regular
// file at either end may block the thread.
template <class Step>
result<std::size_t> move(const side& at, bool blocks, const sched::limits& l, Step&& step) {
  bool last = false;
  pollable::outcome ended;
  for (;;) {  // each further round has waited, or was interrupted
    {
      const sched::waiting_gate counted(sched::waiting_gate::system_call);
    }
    std::int64_t n = 0;
    const auto once = [&] {
      n = step();
      if (n < 0) n = -errno;
    };
    if (blocks) {
      const sched::file_call slot;
      blocking(once);
    } else {
      once();
    }
    if (n >= 0) return static_cast<std::size_t>(n);
    if (n == -EINTR) continue;
    if (n != -EAGAIN || at.io == nullptr) return std::unexpected(at.failure(static_cast<int>(-n)));
    if (last) return std::unexpected(at.io->failure(at.what(), ended, l));
    ended = at.io->await(at.dir, at.reason(), l);
    last = ended.by == sched::token_timeout || ended.by == sched::token_cancelled;
    if (!last && (ended.by != sched::token_ready || ended.value < 0)) {
      return std::unexpected(at.io->failure(at.what(), ended, l));
    }
  }
}

class mover {
 public:
  mover(const side& to, const side& from, const sched::limits& l) noexcept
      : to_(to), from_(from), limits_(l) {}

  // by_pipe: nothing when there is no pipe, or `from` knows no splice.
  std::optional<copy_result> by_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return std::nullopt;
    const net::unique_fd out(ends[0]);
    const net::unique_fd in(ends[1]);
    // A refusal leaves it smaller.
    ::fcntl(in.get(), F_SETPIPE_SZ, static_cast<int>(pipe_size));
    if (from_.io != nullptr) {
      if (const auto why = move_held()) return stopped(*why);
    }
    for (;;) {
      const auto got = move(from_, from_.io == nullptr, limits_, [&] {
        return ::splice(from_.fd, nullptr, in.get(), nullptr, pipe_size, SPLICE_F_NONBLOCK);
      });
      if (!got && copied_ == 0 && got.error() == std::errc::invalid_argument) return std::nullopt;
      if (!got) return stopped(got.error());
      if (*got == 0) return copied_;
      for (auto left = *got; left > 0;) {
        const auto put = move(to_, to_.io == nullptr, limits_, [&] {
          return poll::without_sigpipe([&] {
            return ::splice(out.get(), nullptr, to_.fd, nullptr, left, SPLICE_F_NONBLOCK);
          });
        });
        if (!put) return stopped(put.error());
        left -= *put;
        copied_ += *put;
      }
      if (const auto why = ended()) return stopped(*why);
    }
  }

  // by_sendfile: nothing when `to` knows no sendfile.
  std::optional<copy_result> by_sendfile() {
    for (;;) {
      const auto put = move(to_, true, limits_, [&] {
        return poll::without_sigpipe(
            [&] { return ::sendfile(to_.fd, from_.fd, nullptr, sendfile_max); });
      });
      if (!put && copied_ == 0 && put.error() == std::errc::invalid_argument) return std::nullopt;
      if (!put) return stopped(put.error());
      if (*put == 0) return copied_;
      copied_ += *put;
      if (const auto why = ended()) return stopped(*why);
    }
  }

 private:
  [[nodiscard]] copy_result stopped(const error& why) const noexcept {
    return std::unexpected(copy_error(why, copied_));
  }
  // move_held: what the poller has received ahead of us; from then on the bytes are in the socket.
  [[nodiscard]] std::optional<error> move_held() {
    std::array<char, held_size> bytes;
    for (;;) {  // bounded by what the poller holds
      const auto got = move(from_, false, limits_, [&] {
        const auto n = from_.io->take_held(bytes);
        if (n < 0) errno = static_cast<int>(-n);
        return n;
      });
      if (!got) return got.error();
      if (*got == 0) return std::nullopt;
      for (std::size_t done = 0; done < *got;) {
        const auto put = move(to_, to_.io == nullptr, limits_, [&] {
          return poll::without_sigpipe(
              [&] { return ::write(to_.fd, bytes.data() + done, *got - done); });
        });
        if (!put) return put.error();
        done += *put;
        copied_ += *put;
      }
    }
  }
  // ended: a limit or a deadline of either end that has passed.
  [[nodiscard]] std::optional<error> ended() const noexcept {
    for (const auto* at : {&from_, &to_}) {
      if (at->io == nullptr) continue;
      const auto by = at->io->check(at->dir, limits_);
      if (by != sched::token_ready) return at->io->failure(at->what(), by, limits_);
    }
    return std::nullopt;
  }

  const side to_;
  const side from_;
  const sched::limits limits_;
  std::uint64_t copied_ = 0;
};

}  // namespace

std::optional<copy_result> copy_in_kernel(const copy_end& to, const copy_end& from,
                                          const limit& l) {
  const bool from_file = from.io == nullptr && is_file(from.fd, direction::read);
  const bool to_file = to.io == nullptr && is_file(to.fd, direction::write);
  if (from.io == nullptr && (!from_file || to.io == nullptr)) return std::nullopt;
  if (to.io == nullptr && !to_file) return std::nullopt;
  if (from.io != nullptr && !streams(*from.io)) return std::nullopt;
  if (to.io != nullptr && !streams(*to.io)) return std::nullopt;

  const auto limits = l.raw_io();
  std::optional<net::call> reading;
  std::optional<net::call> writing;
  if (from.io != nullptr) {
    reading.emplace(*from.io, direction::read, verb::read, wait_reason::io_read, limits);
    if (!*reading) return std::unexpected(copy_error(reading->why(), 0));
  }
  if (to.io != nullptr) {
    writing.emplace(*to.io, direction::write, verb::write, wait_reason::io_write, limits);
    if (!*writing) return std::unexpected(copy_error(writing->why(), 0));
  }
  mover m({to.io, to.io != nullptr ? to.io->fd() : to.fd, direction::write},
          {from.io, from.io != nullptr ? from.io->fd() : from.fd, direction::read}, limits);
  return from_file ? m.by_sendfile() : m.by_pipe();
}

std::optional<error> limit_passed(const limit& l) noexcept {
  const auto limits = l.raw_io();
  for (const auto* source : {limits.cancel, limits.also, limits.scope}) {
    if (source != nullptr && source->fired()) return error(source->code(), "copy");
  }
  if (limits.deadline_ns == sched::none_due || sched::now_ns() < limits.deadline_ns) {
    return std::nullopt;
  }
  return error(errc::timeout, "copy");
}

}  // namespace weft::detail
