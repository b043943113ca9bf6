#include "fs/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/context.h>
#include <weft/process.h>
#include <weft/wait_group.h>

#include <cctype>
#include <cerrno>
#include <mutex>

#include "base/atomic.h"
#include "fs/helper.h"
#include "net/pollable.h"
#include "net/unique_fd.h"

namespace weft::process {
namespace {

using net::unique_fd;

base::atomic<bool> pidfd_wanted{true};

// ended: the status of a process that has ended, which is reaped unless WNOWAIT is in `flags`;
// nothing if it runs; an error number if it is no child of ours any more.
std::expected<std::optional<exit_status>, int> ended(pid_t pid, int flags) noexcept {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | flags) != 0) {
    if (errno != EINTR) return std::unexpected(errno);
  }
  if (info.si_pid == 0) return std::nullopt;
  if (info.si_code == CLD_EXITED) return exit_status(info.si_status, 0);
  return exit_status(-1, info.si_status);
}

}  // namespace

void wait_by_pidfd(bool on) noexcept {
  pidfd_wanted.store(on, base::relaxed);  // relaxed: a setting
}

std::string exit_status::text() const {
  if (signal_ == 0) return "exit status " + std::to_string(code_);
  const char* name = ::sigdescr_np(signal_);
  std::string words = name != nullptr ? name : std::to_string(signal_);
  words[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(words[0])));
  return "signal: " + words;
}

// child_state: a child from its start until it is reaped. The lock is std's: system calls are made
// under it, and nobody waits. While it is held and the child is not reaped, its number is its own.
class child_state {
 public:
  child_state(pid_t pid, const command& what) : pid_(pid), what_(what) {
    if (!pidfd_wanted.load(base::relaxed)) return;
    const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0) return;
    if (auto opened = poll_fd::open(fd)) pidfd_ = std::move(*opened);
  }
  child_state(const child_state&) = delete;
  child_state& operator=(const child_state&) = delete;

  ~child_state() {
    if (settled(WNOHANG)) return;
    ::kill(pid_, SIGKILL);
    if (settled(WNOHANG)) return;
    const int code = sched::start_thread(
        [](void* pid) {
          static_cast<void>(ended(static_cast<pid_t>(reinterpret_cast<std::intptr_t>(pid)), 0));
        },
        reinterpret_cast<void*>(static_cast<std::intptr_t>(pid_)));
    if (code != 0) static_cast<void>(settled(0));  // it is dying: soon
  }

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  result<exit_status> wait(const limit& l) {
    if (auto known = settled(WNOHANG)) return *known;
    if (pidfd_.native_handle() >= 0) {
      if (auto ready = pidfd_.readable(l); !ready) return failure(ready.error().code());
    } else {
      const auto over = fs::helped<fs::blocking_on::other>(
          l, [pid = pid_] { return ended(pid, WNOWAIT).has_value(); });
      if (!over) return failure(over.error());
    }
    if (auto known = settled(WNOHANG)) return *known;
    return failure(std::error_code(ECHILD, std::system_category()));
  }

  result<exit_status> finish(const limit& l) {
    auto first = wait(l);
    if (first) return first;
    if (auto known = settled(WNOHANG)) return *known;
    const shield clean_up;
    static_cast<void>(signal(what_.kill_signal));
    if (what_.kill_signal != SIGKILL && !wait(what_.wait_delay)) static_cast<void>(signal(SIGKILL));
    if (auto last = wait({}); !last) return last;
    return first;
  }

  result<void> signal(int number) {
    const std::lock_guard hold(lock_);
    if (status_) return std::unexpected(error::from_errno(ESRCH, "signal", what_.args[0]));
    if (::kill(pid_, number) == 0) return {};
    return std::unexpected(error::from_errno(errno, "signal", what_.args[0]));
  }

 private:
  std::unexpected<error> failure(std::error_code code) const {
    return std::unexpected(error(code, "wait", what_.args[0]));
  }

  // settled: the result of a child that has ended, which it reaps; nothing while it runs.
  std::optional<result<exit_status>> settled(int flags) {
    const std::lock_guard hold(lock_);
    if (status_) return status_;
    const auto now = ended(pid_, flags);
    if (!now) {
      status_ = std::unexpected(error::from_errno(now.error(), "wait", what_.args[0]));
    } else if (*now) {
      status_ = **now;
    }
    return status_;
  }

  const pid_t pid_;
  const command what_;
  poll_fd pidfd_;  // none: the kernel has no such thing
  std::mutex lock_;
  std::optional<result<exit_status>> status_;  // guarded by lock_: set when it is reaped
};

child::child() noexcept = default;
child::child(child&& other) noexcept = default;
child& child::operator=(child&& other) noexcept = default;
child::~child() = default;

int child::pid() const noexcept { return state_ != nullptr ? state_->pid() : -1; }

result<exit_status> child::wait(const limit& l) {
  if (state_ == nullptr) return std::unexpected(error(errc::closed, "wait"));
  return state_->wait(l);
}

result<exit_status> child::finish(const limit& l) {
  if (state_ == nullptr) return std::unexpected(error(errc::closed, "wait"));
  return state_->finish(l);
}

result<void> child::signal(int number) {
  if (state_ == nullptr) return std::unexpected(error(errc::closed, "signal"));
  return state_->signal(number);
}

namespace {

// plan: what posix_spawn is told, freed in the end.
class plan {
 public:
  plan() {
    if (::posix_spawn_file_actions_init(&actions_) != 0 ||
        ::posix_spawnattr_init(&attributes_) != 0)
      throw std::bad_alloc();
    sigset_t none;
    sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t plain;
    sigemptyset(&plain);
    sigaddset(&plain, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes_, &plain);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  plan(const plan&) = delete;
  plan& operator=(const plan&) = delete;
  ~plan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  // set: what descriptor `target` of the child is; our end of a pipe goes to `ours`. 0 or an error
  // number.
  int set(int target, stream kind, unique_fd& ours) {
    if (kind == stream::inherit) return 0;
    const bool reads = target == 0;
    if (kind == stream::null) {
      return ::posix_spawn_file_actions_addopen(&actions_, target, "/dev/null",
                                                reads ? O_RDONLY : O_WRONLY, 0);
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
    unique_fd from(ends[0]);
    unique_fd to(ends[1]);
    ours = std::move(reads ? to : from);
    // Above the numbers that are set one after the other.
    theirs_[target] = unique_fd(::fcntl((reads ? from : to).get(), F_DUPFD_CLOEXEC, 3));
    if (!theirs_[target]) return errno;
    return ::posix_spawn_file_actions_adddup2(&actions_, theirs_[target].get(), target);
  }

  int set_directory(const std::string& dir) {
    return dir.empty() ? 0 : ::posix_spawn_file_actions_addchdir_np(&actions_, dir.c_str());
  }

  int spawn(pid_t& pid, const command& what) {
    // Ours are close-on-exec; those of other libraries may not be.
    if (const int code = ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3)) return code;
    auto arguments = pointers(what.args);
    std::vector<char*> variables;
    if (what.env) variables = pointers(*what.env);
    return ::posix_spawnp(&pid, what.args[0].c_str(), &actions_, &attributes_, arguments.data(),
                          what.env ? variables.data() : environ);
  }

 private:
  static std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    all.reserve(texts.size() + 1);
    for (const auto& t : texts) all.push_back(const_cast<char*>(t.c_str()));
    all.push_back(nullptr);
    return all;
  }

  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
  unique_fd theirs_[3];
};

}  // namespace

result<child> start(const command& what) {
  if (what.args.empty()) throw misuse_error("process: no program is named");
  static_cast<void>(net::home_here());  // throws where there is no runtime
  const auto failed = [&](int code) {
    return std::unexpected(error::from_errno(code, "start", what.args[0]));
  };
  plan how;
  unique_fd ours[3];
  const stream kinds[3] = {what.in, what.out, what.err};
  for (int i = 0; i < 3; ++i) {
    if (const int code = how.set(i, kinds[i], ours[i])) return failed(code);
  }
  if (const int code = how.set_directory(what.dir)) return failed(code);
  child made;
  file* const files[3] = {&made.in_, &made.out_, &made.err_};
  for (int i = 0; i < 3; ++i) {
    if (!ours[i]) continue;
    auto opened = file::adopt(ours[i].take(), what.args[0]);
    if (!opened) return std::unexpected(opened.error());
    *files[i] = std::move(*opened);
  }
  pid_t pid = -1;
  // The thread waits until the program is loaded.
  if (const int code = blocking([&] { return how.spawn(pid, what); })) return failed(code);
  made.state_ = std::make_unique<child_state>(pid, what);
  return made;
}

result<exit_status> run(const command& what, const limit& l) {
  auto c = start(what);
  if (!c) return std::unexpected(c.error());
  return c->finish(l);
}

namespace {

// collect: reads `from` to its end; false if there is more than `max`.
bool collect(file& from, std::string& to, std::size_t max) {
  char buffer[16 * 1024];
  while (const auto n = from.read(buffer)) {
    if (to.size() + *n > max) return false;
    to.append(buffer, *n);
  }
  return true;
}

}  // namespace

result<outcome> output(command what, const limit& l, std::string_view input) {
  what.out = stream::pipe;
  if (!input.empty()) what.in = stream::pipe;
  auto started = start(what);
  if (!started) return std::unexpected(started.error());
  child& c = *started;
  outcome o{{-1, 0}, {}, {}};
  base::atomic<bool> too_much{false};
  wait_group streams;
  const auto gather = [&](file& from, std::string& to) {
    streams.go([&] {
      if (collect(from, to, what.output_max)) return;
      // relaxed: the wait below orders it.
      too_much.store(true, base::relaxed);
      static_cast<void>(c.signal(SIGKILL));
      static_cast<void>(from.close());
    });
  };
  gather(c.out(), o.out);
  if (what.err == stream::pipe) gather(c.err(), o.err);
  if (!input.empty()) {
    streams.go([&] {
      static_cast<void>(c.in().write(input));  // it need not read all, nor any
      static_cast<void>(c.in().close());
    });
  }
  auto status = c.finish(l);
  // Its children may hold the pipes still.
  const limit& patience = status ? l : limit(what.wait_delay);
  auto drained = streams.wait(patience);
  if (!drained) {
    for (file* f : {&c.in(), &c.out(), &c.err()}) static_cast<void>(f->close());
    static_cast<void>(streams.wait());
  }
  if (!status) return std::unexpected(status.error());
  if (too_much.load(base::relaxed))
    return std::unexpected(error::from_errno(EFBIG, "output", what.args[0]));
  if (!drained) return std::unexpected(error(drained.error().code(), "output", what.args[0]));
  o.status = *status;
  return o;
}

}  // namespace weft::process
