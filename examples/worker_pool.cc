// worker_pool: jobs go into a channel, four workers take them, results come back through another.
// The scope joins the workers; closing the channel ends them.
//
//   $ ./worker_pool
//   338350

#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <cstdio>

int main() {
  return weft::run([] {
    weft::channel<int> jobs(16);
    weft::channel<int> squares(16);
    long sum = 0;
    {
      weft::scope all;
      all.go([&] {
        for (int i = 1; i <= 100; ++i) jobs.send(i);
        jobs.close();
      });
      all.go([&] {
        weft::scope workers;
        for (int w = 0; w < 4; ++w) {
          workers.go([&] {
            for (int job : jobs) squares.send(job * job);
          });
        }
        workers.join();
        squares.close();
      });
      for (int square : squares) sum += square;
    }
    std::printf("%ld\n", sum);
    return 0;
  });
}
