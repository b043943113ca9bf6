#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <weft/file.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "base/lock.h"
#include "fs/helper.h"
#include "net/call.h"
#include "net/pollable.h"
#include "net/unique_fd.h"

namespace weft {

static_assert(reader<file> && writer<file>);

namespace fs {
namespace {

using net::unique_fd;

// copy_max: bytes that a helper moves at a time.
constexpr std::size_t copy_max = 1 << 20;
// shared_max: bytes that a shared descriptor takes without waiting, once it is writable.
constexpr std::size_t shared_max = PIPE_BUF;

// counted: a system call's value, or -errno; made again when a signal interrupts it.
template <class F>
std::int64_t counted(F&& call) {
  for (;;) {
    const std::int64_t n = call();
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

int duplicate(int fd) noexcept { return ::fcntl(fd, F_DUPFD_CLOEXEC, 3); }

// is_disk: whether the poller has no use for it.
bool is_disk(int fd) noexcept {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return true;
  return S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || S_ISBLK(info.st_mode);
}

}  // namespace

// open_file: what a file and its helpers share. One that can wait and is ours is a stream, which
// has the descriptor. Others have fd, which the last call closes; one that can wait and is not ours
// has a watch beside it, on a duplicate.
class open_file {
 public:
  explicit open_file(std::string_view path) : name(path) {}
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  ~open_file() {
    if (watch != nullptr) watch->drop();
  }

  static result<std::shared_ptr<open_file>> adopt(int taken, std::string_view path) {
    unique_fd owned(taken);
    auto made = std::make_shared<open_file>(path);
    if (!is_disk(taken)) {
      unique_fd spare(duplicate(taken));
      if (!spare) return std::unexpected(made->failure("open", errno));
      auto opened = poll_fd::open(owned.take());
      if (opened) {
        made->stream = std::move(*opened);
        made->streams = true;
        return made;
      }
      // A device that never waits: /dev/null.
      if (opened.error() != std::errc::operation_not_permitted)
        return std::unexpected(made->failure("open", opened.error().code()));
      owned = std::move(spare);
    }
    made->fd = std::move(owned);
    return made;
  }

  static result<std::shared_ptr<open_file>> share(int lent, std::string_view path) {
    auto made = std::make_shared<open_file>(path);
    made->fd = unique_fd(duplicate(lent));
    if (!made->fd) return std::unexpected(made->failure("open", errno));
    if (is_disk(lent)) return made;
    const auto home = net::home_here();
    unique_fd watched(duplicate(lent));
    if (!watched) return std::unexpected(made->failure("open", errno));
    const auto opened = net::pollable::open(watched.take(), net::transport::file, {}, home);
    if (opened) {
      made->watch = *opened;
    } else if (opened.error() != std::errc::operation_not_permitted) {
      return std::unexpected(made->failure("open", opened.error().code()));
    }
    return made;
  }

  [[nodiscard]] error failure(const char* op, std::error_code code) const noexcept {
    return {code, op, name};
  }
  [[nodiscard]] error failure(const char* op, int code) const noexcept {
    return error::from_errno(code, op, name);
  }

  // enter: a call that uses fd begins; false once it is closed.
  [[nodiscard]] bool enter() noexcept {
    const base::locked hold(lock_);
    if (closed_) return false;
    ++calls_;
    return true;
  }
  void leave() noexcept {
    unique_fd last;
    {
      const base::locked hold(lock_);
      if (--calls_ == 0 && closed_) last = std::move(fd);
    }
  }
  [[nodiscard]] bool close() noexcept {
    unique_fd last;
    {
      const base::locked hold(lock_);
      if (std::exchange(closed_, true)) return false;
      if (calls_ == 0) last = std::move(fd);
    }
    if (watch != nullptr) watch->close();
    return true;
  }
  [[nodiscard]] bool closed() noexcept {
    const base::locked hold(lock_);
    return closed_;
  }

  // Constant once opened; fd until the last call has left a closed one.
  const std::string name;
  poll_fd stream;
  bool streams = false;
  net::pollable* watch = nullptr;
  unique_fd fd;

 private:
  base::lock<base::rank::sync> lock_;
  std::size_t calls_ = 0;  // guarded by lock_
  bool closed_ = false;    // guarded by lock_
};

namespace {

// stay: a call in a file, of whoever makes it: a helper's goes on when the caller has left.
class stay {
 public:
  explicit stay(const std::shared_ptr<open_file>& of) noexcept {
    if (of != nullptr && of->enter()) of_ = of;
  }
  stay(stay&&) noexcept = default;
  stay& operator=(stay&&) = delete;
  ~stay() {
    if (of_ != nullptr) of_->leave();
  }
  [[nodiscard]] explicit operator bool() const noexcept { return of_ != nullptr; }
  [[nodiscard]] open_file& file() const noexcept { return *of_; }
  [[nodiscard]] int fd() const noexcept { return of_->fd.get(); }

 private:
  std::shared_ptr<open_file> of_;
};

std::unexpected<error> closed(const std::shared_ptr<open_file>& of, const char* op) {
  return std::unexpected(error(errc::closed, op, of != nullptr ? of->name : std::string()));
}

// transfer: of bytes between a buffer and a disk.
struct transfer {
  const char* op;
  bool writes;
  std::int64_t offset;  // negative: at the position
};

std::int64_t move_bytes(int fd, const transfer& t, char* data, std::size_t size) {
  return counted([&]() -> std::int64_t {
    if (t.writes)
      return t.offset < 0 ? ::write(fd, data, size) : ::pwrite(fd, data, size, t.offset);
    return t.offset < 0 ? ::read(fd, data, size) : ::pread(fd, data, size, t.offset);
  });
}

// move_cached: reads what the kernel has in memory; -EAGAIN if it would have to wait for a disk.
std::int64_t move_cached(int fd, const transfer& t, char* data, std::size_t size) {
  iovec into{data, size};
  return counted([&] { return ::preadv2(fd, &into, 1, t.offset, RWF_NOWAIT); });
}

// move_in_slot: move_bytes in a slot. While there is none, what is in memory comes without.
std::int64_t move_in_slot(int fd, const transfer& t, std::span<char> bytes) {
  const auto call = [&] { return move_bytes(fd, t, bytes.data(), bytes.size()); };
  {
    const sched::file_call slot(sched::file_call::when::idle);
    if (slot) return blocking(call);
  }
  if (!t.writes) {
    const auto n = move_cached(fd, t, bytes.data(), bytes.size());
    if (n >= 0) return n;
  }
  const sched::file_call slot;
  return blocking(call);
}

// move_once: one system call on a disk: its value, or -errno; an error code if the limit came
// first.
std::expected<std::int64_t, std::error_code> move_once(const std::shared_ptr<open_file>& of,
                                                       const transfer& t, std::span<char> bytes,
                                                       const limit& l) {
  stay here(of);
  if (!here) return std::unexpected(make_error_code(errc::closed));
  if (!may_end(l)) return move_in_slot(here.fd(), t, bytes);
  struct moved {
    std::int64_t n;
    std::vector<char> copy;
  };
  std::vector<char> copy(std::min(bytes.size(), copy_max));
  if (t.writes) std::memcpy(copy.data(), bytes.data(), copy.size());
  auto done =
      helped<blocking_on::disk>(l, [here = std::move(here), t, copy = std::move(copy)]() mutable {
        const auto n = move_bytes(here.fd(), t, copy.data(), copy.size());
        return moved{n, std::move(copy)};
      });
  if (!done) return std::unexpected(done.error());
  if (!t.writes && done->n > 0)
    std::memcpy(bytes.data(), done->copy.data(), static_cast<std::size_t>(done->n));
  return done->n;
}

// move_shared: one system call on a shared descriptor, when it is ready.
std::expected<std::int64_t, std::error_code> move_shared(const std::shared_ptr<open_file>& of,
                                                         const transfer& t, std::span<char> bytes,
                                                         const limit& l) {
  const stay here(of);
  if (!here) return std::unexpected(make_error_code(errc::closed));
  net::pollable& io = *here.file().watch;
  const auto raw = l.raw_io();
  const auto reason = t.writes ? sched::wait_reason::io_write : sched::wait_reason::io_read;
  const auto verb = t.writes ? net::verb::write : net::verb::read;
  const net::call c(io, t.writes ? poll::direction::write : poll::direction::read, verb, reason,
                    raw);
  if (!c) return std::unexpected(c.why().code());
  const auto code = t.writes ? poll::opcode::writable : poll::opcode::readable;
  const auto o = io.run({code, nullptr, 0, 0}, reason, raw);
  if (o.by != sched::token_ready || o.value < 0)
    return std::unexpected(io.failure(verb, o, raw).code());
  const auto some = bytes.first(std::min(bytes.size(), shared_max));
  return blocking([&] { return move_bytes(here.fd(), t, some.data(), some.size()); });
}

std::expected<std::int64_t, std::error_code> move_some(const std::shared_ptr<open_file>& of,
                                                       const transfer& t, std::span<char> bytes,
                                                       const limit& l) {
  const bool waits = of->watch != nullptr && t.offset < 0;
  auto n = waits ? move_shared(of, t, bytes, l) : move_once(of, t, bytes, l);
  if (n && *n < 0)
    return std::unexpected(std::error_code(static_cast<int>(-*n), std::system_category()));
  return n;
}

result<std::size_t> read_from(const std::shared_ptr<open_file>& of, std::span<char> buffer,
                              const transfer& t, const limit& l) {
  if (of == nullptr || of->closed()) return closed(of, t.op);
  if (buffer.empty()) return 0;
  const auto n = move_some(of, t, buffer, l);
  if (!n) return std::unexpected(of->failure(t.op, n.error()));
  if (*n == 0) return std::unexpected(errc::eof);
  return static_cast<std::size_t>(*n);
}

write_result write_to(const std::shared_ptr<open_file>& of, std::span<const char> bytes, transfer t,
                      const limit& l) {
  if (of == nullptr || of->closed())
    return std::unexpected(write_error(closed(of, t.op).error(), 0));
  std::size_t written = 0;
  while (written < bytes.size()) {
    const auto rest = bytes.subspan(written);
    const auto n = move_some(of, t, {const_cast<char*>(rest.data()), rest.size()}, l);
    if (!n) return std::unexpected(write_error(of->failure(t.op, n.error()), written));
    written += static_cast<std::size_t>(*n);
    if (t.offset >= 0) t.offset += *n;
  }
  return written;
}

// on_disk: `f(fd)`, which gives -errno when it fails, with a limit.
template <class F>
result<void> on_disk(const std::shared_ptr<open_file>& of, const char* op, const limit& l, F f) {
  stay here(of);
  if (!here) return closed(of, op);
  const auto done =
      helped<blocking_on::disk>(l, [here = std::move(here), f] { return f(here.fd()); });
  if (!done) return std::unexpected(of->failure(op, done.error()));
  if (*done < 0) return std::unexpected(of->failure(op, static_cast<int>(-*done)));
  return {};
}

}  // namespace
}  // namespace fs

result<file> file::adopt(int fd, std::string_view name) {
  auto made = fs::open_file::adopt(fd, name);
  if (!made) return std::unexpected(made.error());
  return file(std::move(*made));
}

result<file> file::share(int fd, std::string_view name) {
  auto made = fs::open_file::share(fd, name);
  if (!made) return std::unexpected(made.error());
  return file(std::move(*made));
}

result<std::size_t> file::read(std::span<char> buffer, const limit& l) {
  if (of_ == nullptr || !of_->streams) return fs::read_from(of_, buffer, {"read", false, -1}, l);
  auto n = of_->stream.read(buffer, l);
  if (!n && !n.error().eof()) return std::unexpected(of_->failure("read", n.error().code()));
  return n;
}

write_result file::write(std::span<const char> bytes, const limit& l) {
  if (of_ == nullptr || !of_->streams) return fs::write_to(of_, bytes, {"write", true, -1}, l);
  auto n = of_->stream.write(bytes, l);
  if (n) return n;
  return std::unexpected(write_error(of_->failure("write", n.error().code()), n.error().written()));
}

result<std::size_t> file::pread(std::span<char> buffer, std::int64_t offset, const limit& l) {
  if (offset < 0) return std::unexpected(error::from_errno(EINVAL, "pread"));
  if (of_ != nullptr && of_->streams) return std::unexpected(of_->failure("pread", ESPIPE));
  return fs::read_from(of_, buffer, {"pread", false, offset}, l);
}

write_result file::pwrite(std::span<const char> bytes, std::int64_t offset, const limit& l) {
  if (offset < 0) return std::unexpected(write_error(error::from_errno(EINVAL, "pwrite"), 0));
  if (of_ != nullptr && of_->streams)
    return std::unexpected(write_error(of_->failure("pwrite", ESPIPE), 0));
  return fs::write_to(of_, bytes, {"pwrite", true, offset}, l);
}

result<std::int64_t> file::seek(std::int64_t offset, int whence) {
  if (of_ != nullptr && of_->streams) return std::unexpected(of_->failure("seek", ESPIPE));
  const fs::stay here(of_);
  if (!here) return fs::closed(of_, "seek");
  const auto at = fs::counted([&] { return ::lseek(here.fd(), offset, whence); });
  if (at < 0) return std::unexpected(of_->failure("seek", static_cast<int>(-at)));
  return at;
}

result<std::int64_t> file::size() {
  if (of_ != nullptr && of_->streams) return std::unexpected(of_->failure("size", ESPIPE));
  const fs::stay here(of_);
  if (!here) return fs::closed(of_, "size");
  struct stat info{};
  if (::fstat(here.fd(), &info) != 0) return std::unexpected(of_->failure("size", errno));
  return info.st_size;
}

result<void> file::truncate(std::int64_t size, const limit& l) {
  if (of_ != nullptr && of_->streams) return std::unexpected(of_->failure("truncate", EINVAL));
  return fs::on_disk(of_, "truncate", l,
                     [size](int fd) { return fs::counted([&] { return ::ftruncate(fd, size); }); });
}

result<void> file::sync(const limit& l) {
  if (of_ != nullptr && of_->streams) return std::unexpected(of_->failure("sync", EINVAL));
  return fs::on_disk(of_, "sync", l,
                     [](int fd) { return fs::counted([&] { return ::fsync(fd); }); });
}

result<void> file::close() {
  if (of_ == nullptr) return fs::closed(of_, "close");
  const bool first = of_->streams ? of_->stream.close().has_value() : of_->close();
  if (!first) return fs::closed(of_, "close");
  return {};
}

int file::native_handle() const noexcept {
  if (of_ == nullptr) return -1;
  return of_->streams ? of_->stream.native_handle() : of_->fd.get();
}

result<file> open_file(std::string_view path, int flags, int mode, const limit& l) {
  // Opened by a helper that finishes alone, it is closed again.
  const std::string name(path);
  auto done = fs::helped<fs::blocking_on::disk>(l, [name, flags, mode] {
    const auto fd =
        fs::counted([&] { return ::open(name.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode); });
    return std::pair(net::unique_fd(static_cast<int>(std::max<std::int64_t>(fd, -1))), fd);
  });
  if (!done) return std::unexpected(error(done.error(), "open", path));
  if (done->second < 0)
    return std::unexpected(error::from_errno(static_cast<int>(-done->second), "open", path));
  return file::adopt(done->first.take(), path);
}

result<file> open(std::string_view path, const limit& l) { return open_file(path, O_RDONLY, 0, l); }

result<file> create(std::string_view path, const limit& l) {
  return open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0666, l);
}

result<std::string> read_file(std::string_view path, const limit& l) {
  auto from = open(path, l);
  if (!from) return std::unexpected(from.error());
  std::string all;
  std::size_t got = 0;
  for (;;) {
    // A size that is known: one read for all, and one to see the end.
    if (got == all.size()) {
      const auto known = from->size();
      const auto size = known && *known > 0 ? static_cast<std::size_t>(*known) + 1 : 0;
      all.resize(std::max({size, 2 * got, std::size_t{4096}}));
    }
    const auto n = from->read(std::span(all).subspan(got), l);
    if (!n && n.error().eof()) break;
    if (!n) return std::unexpected(n.error());
    got += *n;
  }
  all.resize(got);
  return all;
}

result<void> write_file(std::string_view path, std::span<const char> bytes, int mode,
                        const limit& l) {
  auto to = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode, l);
  if (!to) return std::unexpected(to.error());
  if (auto written = to->write(bytes, l); !written) return std::unexpected(written.error());
  return {};
}

result<pipe_ends> pipe() {
  int fds[2] = {-1, -1};
  if (::pipe2(fds, O_CLOEXEC) != 0) return std::unexpected(error::from_errno(errno, "pipe"));
  net::unique_fd second(fds[1]);
  auto reader = file::adopt(fds[0], "pipe");
  if (!reader) return std::unexpected(reader.error());
  auto writer = file::adopt(second.take(), "pipe");
  if (!writer) return std::unexpected(writer.error());
  return pipe_ends{std::move(*reader), std::move(*writer)};
}

result<file> standard_in() { return file::share(0, "standard input"); }
result<file> standard_out() { return file::share(1, "standard output"); }
result<file> standard_error() { return file::share(2, "standard error"); }

}  // namespace weft
