// tertuliad: reads what it is to do, then serves until it is told to stop (SIGTERM, SIGINT).

#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/signal.h>

#include "server/log.h"
#include "server/options.h"
#include "server/server.h"

namespace {

// wait_for_signals: the first asks the server to drain, the second ends the process at once.
void wait_for_signals(const weft::channel<int>& signals, const weft::cancel_function& stop) {
  const int first = signals.recv().value();
  tertulia::log_info("signal", {{"number", static_cast<long long>(first)}});
  stop();
  static_cast<void>(signals.recv());
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
  weft::main([&] {
    const weft::channel<int> signals(2);
    weft::signal::notify(signals, {SIGTERM, SIGINT});
    auto stopping = weft::with_cancel({});
    weft::go({.name = "signals"},
             [signals, stop = stopping.cancel] { wait_for_signals(signals, stop); });
    return tertulia::serve(conf, stopping.ctx);
  });
}
