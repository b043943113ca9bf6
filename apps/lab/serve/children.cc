#include "serve/children.h"

#include <signal.h>
#include <sys/wait.h>

#include <cerrno>

#include "serve/socket.h"

namespace lab {

namespace {

extern "C" void on_child(int) {
  const int saved = errno;
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  errno = saved;
}

}  // namespace

void reap_children() {
  struct sigaction action{};
  action.sa_handler = on_child;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  if (::sigaction(SIGCHLD, &action, nullptr) != 0) die("sigaction");
}

}  // namespace lab
