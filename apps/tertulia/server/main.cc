// tertuliad: reads what it is to do, then serves until it is told to stop (SIGTERM, SIGINT).

#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include <weft/context.h>
#include <weft/runtime.h>

#include "server/log.h"
#include "server/options.h"
#include "server/server.h"

namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// wait_for_signals: the first asks the server to drain, the second ends the process at once.
void wait_for_signals(const weft::cancel_function& stop) {
  const sigset_t set = stop_signals();
  int signal = 0;
  sigwait(&set, &signal);
  tertulia::log_info("signal", {{"number", static_cast<long long>(signal)}});
  stop();
  sigwait(&set, &signal);
  ::_exit(tertulia::exit_failed);
}

}  // namespace

int main(int argc, char** argv) {
  auto [conf, exit_status] = tertulia::read_startup(argc, argv);
  if (exit_status) return *exit_status;
  if (sodium_init() < 0) {
    std::fputs("tertuliad: libsodium cannot be used\n", stderr);
    return tertulia::exit_failed;
  }
  tertulia::start_log(conf.log.level, conf.log.format);
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);  // what is said is nobody else's on this machine
  // Before any other thread exists, so that all of them leave these to the one that waits.
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  auto stopping = weft::with_cancel({});
  std::thread(wait_for_signals, stopping.cancel).detach();
  weft::main([&] { return tertulia::serve(conf, stopping.ctx); });
}
