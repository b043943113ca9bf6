// held: waits while it holds a std::mutex, for which a build with the check reports it. On one
// processor who would send comes after who waits.

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/runtime.h>

#include <mutex>

int main() {
  return weft::run(
      [] {
        std::mutex m;
        const std::lock_guard hold(m);
        const weft::channel<int> c(0);
        weft::go([c] { c.send(0); });
        return c.recv().value();
      },
      {.max_procs = 1});
}
