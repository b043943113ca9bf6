#include "chat/daemon.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "serve/socket.h"

namespace lab::chat {

namespace {

bool to_syslog = false;

// fork_away: goes on in a child; the caller's process ends.
void fork_away() {
  const pid_t child = ::fork();
  if (child < 0) die("fork");
  if (child > 0) ::_exit(0);
}

}  // namespace

void become_daemon(int keep_a, int keep_b) {
  fork_away();
  if (::setsid() < 0) die("setsid");
  fork_away();  // no longer the leader of its session: it can never get a terminal
  // What it makes is for its user and group: 0660 of a file.
  ::umask(S_IXUSR | S_IXGRP | S_IRWXO);
  long most = ::sysconf(_SC_OPEN_MAX);
  constexpr long enough = 65536;
  if (most < 0 || most > enough) most = enough;
  for (int fd = 0; fd < static_cast<int>(most); ++fd) {
    if (fd != keep_a && fd != keep_b) ::close(fd);
  }
  // The lowest free descriptors are the standard ones now.
  if (::open("/dev/null", O_RDWR) != STDIN_FILENO || ::dup(STDIN_FILENO) != STDOUT_FILENO ||
      ::dup(STDIN_FILENO) != STDERR_FILENO)
    ::_exit(1);
  ::openlog("weft-chat", LOG_PID, LOG_USER);
  to_syslog = true;
}

void log(const char* text, bool with_errno) {
  const char* why = with_errno ? std::strerror(errno) : "";
  const char* colon = with_errno ? ": " : "";
  if (to_syslog) {
    ::syslog(LOG_INFO, "%s%s%s", text, colon, why);
  } else {
    std::fprintf(stderr, "weft-chat: %s%s%s\n", text, colon, why);
  }
}

}  // namespace lab::chat
