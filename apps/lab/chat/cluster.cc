// cluster: the processes of the paper's chat, its figure 2.
//
//   listener  accepts, and forks a Child RECV for each member
//   RECV      reads the key, forks the member's Child SEND, then appends to the file what the
//             member says and tells all others: SIGUSR1 to the whole process group
//   SEND      sends the member what is new in the file, then sleeps until SIGUSR1
//
// No wake-up is lost. RECV signals while it holds the file's exclusive lock. SEND has SIGUSR1
// blocked but within sigsuspend, so that one that comes earlier ends that at once; and each time it
// reads until there is nothing more, so that several signals may become one.
//
// A lock is held while the file is read or written, never while a member's socket is: one that does
// not read stops nobody but its own SEND.

#include "chat/cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "chat/daemon.h"
#include "chat/key.h"
#include "chat/lines.h"
#include "serve/socket.h"

namespace lab::chat {

namespace {

constexpr unsigned key_seconds = 1;
constexpr long rest_ns = 100'000'000;  // after an accept that failed for want of something
constexpr std::size_t read_max = 4096;

volatile sig_atomic_t end_asked = 0;

extern "C" void on_end(int) { end_asked = 1; }
extern "C" void on_signal(int) {}  // only to end a wait

volatile sig_atomic_t own_send = 0;  // in a RECV: its SEND, once there is one

// end_recv: RECV ends, and its SEND before it. Also as a signal handler: a write to the chat file
// that is under way is made whole first.
extern "C" void end_recv(int) {
  if (own_send != 0) {
    ::kill(own_send, SIGTERM);
    ::waitpid(own_send, nullptr, 0);
  }
  ::_exit(0);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  if (::sigaction(signal, &action, nullptr) != 0) die("sigaction");
}

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int s : signals) ::sigaddset(&set, s);
  return set;
}

// tell_all: wakes every SEND; the others in the group ignore it.
void tell_all() { ::kill(0, SIGUSR1); }

// read_key: the first bytes of a connection, however they arrive. The alarm ends the process of one
// who takes too long.
bool read_right_key(int client, const std::string& key) {
  std::array<char, key_size> given;
  ::alarm(key_seconds);
  for (std::size_t have = 0; have < given.size();) {
    const auto n = ::read(client, given.data() + have, given.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    have += static_cast<std::size_t>(n);
  }
  ::alarm(0);
  return same_key(given, key);
}

[[noreturn]] void run_send(int client, chat_file file) {
  // Blocked since before the fork: nothing that was said after the replay began is missed.
  handle(SIGUSR1, on_signal);
  sigset_t while_asleep;
  ::sigprocmask(SIG_SETMASK, nullptr, &while_asleep);
  ::sigdelset(&while_asleep, SIGUSR1);
  std::array<char, read_max> buffer;
  off_t offset = file.replay_offset();
  while (offset >= 0) {
    const auto n = file.read(offset, buffer);
    if (n < 0) break;
    if (n == 0) {
      ::sigsuspend(&while_asleep);
      continue;
    }
    if (!write_all(client, {buffer.data(), static_cast<std::size_t>(n)})) break;
    offset += n;
  }
  ::_exit(0);
}

// receive: until the member leaves, or may no longer speak.
void receive(int client, chat_file& file, off_t file_max) {
  line_gatherer gathered;
  std::array<char, read_max> buffer;
  for (;;) {
    const auto n = ::read(client, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    const auto lines =
        n > 0 ? gathered.add({buffer.data(), static_cast<std::size_t>(n)}) : gathered.rest();
    if (!lines.empty() && !file.append(lines, file_max, tell_all)) {
      log("the chat file cannot be written", true);
      return;
    }
    if (n <= 0) return;
  }
}

[[noreturn]] void run_recv(int client, const chat_file& inherited, const cluster_options& o) {
  handle(SIGCHLD, SIG_DFL);
  handle(SIGTERM, end_recv);
  handle(SIGINT, SIG_DFL);
  const sigset_t none = set_of({});
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (!read_right_key(client, o.key)) ::_exit(1);
  auto mine = inherited.for_process();
  if (!mine) {
    log("the chat file cannot be opened", true);
    ::_exit(1);
  }
  const sigset_t wake = set_of({SIGUSR1});
  ::sigprocmask(SIG_BLOCK, &wake, nullptr);
  const pid_t send = ::fork();
  if (send == 0) {
    handle(SIGTERM, SIG_DFL);
    auto its = inherited.for_process();
    if (!its) ::_exit(1);
    run_send(client, std::move(*its));
  }
  if (send < 0) {
    log("fork", true);
    ::_exit(1);
  }
  own_send = send;
  receive(client, *mine, o.file_max);
  end_recv(SIGTERM);
  ::_exit(0);
}

class gatekeeper {
 public:
  gatekeeper(int listener, chat_file& file, const cluster_options& options)
      : listener_(listener), file_(file), options_(options) {
    set_nonblocking(listener_);
    handle(SIGTERM, on_end);
    handle(SIGINT, on_end);
    handle(SIGCHLD, on_signal);
    handle(SIGUSR1, SIG_IGN);  // it is for the SENDs alone, and reaches the whole group
    handle(SIGPIPE, SIG_IGN);
    // They come while it waits, and at no other time.
    const sigset_t blocked = set_of({SIGTERM, SIGINT, SIGCHLD});
    ::sigprocmask(SIG_BLOCK, &blocked, &while_waiting_);
  }

  void run() {
    while (end_asked == 0) {
      wait();
      while (::waitpid(-1, nullptr, WNOHANG) > 0) --members_;
      if (end_asked == 0 && members_ < options_.members_max) accept();
    }
    ::kill(0, SIGTERM);  // its own is blocked
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }

 private:
  void wait() {
    fd_set readable;
    FD_ZERO(&readable);
    const bool full = members_ >= options_.members_max;
    if (!full && !rests_) FD_SET(listener_, &readable);
    const timespec rest = {0, rest_ns};
    ::pselect(listener_ + 1, &readable, nullptr, nullptr, rests_ ? &rest : nullptr,
              &while_waiting_);
    rests_ = false;
  }

  void accept() {
    const int client = ::accept(listener_, nullptr, nullptr);
    if (client < 0) {
      // What befalls one connection, or is over already, is nobody's failure. Without descriptors
      // or memory it waits a little: members leave.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log("accept", true);
        rests_ = true;
      }
      return;
    }
    ::fcntl(client, F_SETFL, ::fcntl(client, F_GETFL) & ~O_NONBLOCK);  // inherited on the BSDs
    const pid_t recv = ::fork();
    if (recv == 0) {
      close_fd(listener_);
      run_recv(client, file_, options_);
    }
    close_fd(client);
    if (recv > 0) {
      ++members_;
    } else {
      log("fork", true);
      rests_ = true;
    }
  }

  int listener_;
  chat_file& file_;
  const cluster_options& options_;
  sigset_t while_waiting_{};
  unsigned long members_ = 0;
  bool rests_ = false;
};

}  // namespace

void run_cluster(int listener, chat_file& file, const cluster_options& options) {
  // The signals to the group must reach nobody else.
  if (::getpgrp() != ::getpid() && ::setpgid(0, 0) != 0) die("setpgid");
  gatekeeper(listener, file, options).run();
}

}  // namespace lab::chat
