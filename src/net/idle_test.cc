// Idle means idle: while everybody waits, no thread of the runtime does anything at all.

#include <gtest/gtest.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/time.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "arch/sanitizer.h"
#include "net/net_test.h"

namespace weft::net_test {
namespace {

using namespace std::chrono_literals;

// asleep: one line for each thread but the caller, with how often it has left a CPU so far. Two
// equal ones, both of sleepers only: nothing ran in between.
std::set<std::string> asleep() {
  std::set<std::string> threads;
  const auto self = std::to_string(::gettid());
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == self) continue;
    std::string seen = task.path().filename();
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("State:") || line.find("ctxt_switches:") != std::string::npos)
        seen += " " + line;
    }
    if (seen.find("(sleeping)") == std::string::npos) return {};
    threads.insert(seen);
  }
  return threads;
}

TEST(idle, nothing_runs_while_everybody_waits) {
#if WEFT_TSAN
  GTEST_SKIP() << "ThreadSanitizer has a thread of its own, which wakes up all the time";
#endif
  run(
      [] {
        auto pair = connect_pair();
        channel<int> over(0);
        go([&] {
          char byte = 0;
          static_cast<void>(pair.server.read({&byte, 1}));
        });
        go([] { static_cast<void>(sleep_for(1h)); });
        go([&] { static_cast<void>(over.recv()); });
        // A runtime that wakes up once in a while never passes.
        std::thread watcher([&] {
          for (;;) {
            const auto before = asleep();
            std::this_thread::sleep_for(300ms);
            if (!before.empty() && asleep() == before) break;
          }
          over.close();
        });
        static_cast<void>(over.recv());
        blocking([&] { watcher.join(); });
      },
      {.max_procs = 2});
}

}  // namespace
}  // namespace weft::net_test
