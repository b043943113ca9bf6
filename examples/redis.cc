// redis: hiredis as it is. Workers with a connection each wait in BLPOP for jobs that come through
// a list; a blocked one costs a thread, and no goroutine its turn.
//
//   $ ./redis /run/redis/redis-server.sock
//   4 workers did 20 jobs: 210

#include <hiredis/hiredis.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace {

constexpr int workers = 4, jobs = 20;
using connection = std::unique_ptr<redisContext, decltype([](redisContext* c) { redisFree(c); })>;
using reply = std::unique_ptr<redisReply, decltype([](redisReply* r) { freeReplyObject(r); })>;

template <class... Arguments>
reply command(const connection& c, const char* format, Arguments... arguments) {
  return reply(static_cast<redisReply*>(redisCommand(c.get(), format, arguments...)));
}

// work: until job 0, or the end of the connection. What it did.
int work(const connection& c) {
  for (int sum = 0;;) {
    const reply job = command(c, "BLPOP weft-jobs 0");
    const int n = job && job->elements == 2 ? std::atoi(job->element[1]->str) : 0;
    if (n == 0) return sum;
    sum += n;
  }
}

int run(const char* socket) {
  connection all[workers + 1];
  for (auto& c : all) {
    c.reset(redisConnectUnix(socket));
    if (c && c->err == 0) continue;
    std::fprintf(stderr, "redis: %s\n", c ? c->errstr : "no memory");
    return 1;
  }
  std::atomic<int> sum{0};
  {
    weft::scope working;
    for (int i = 0; i < workers; ++i) working.go([&, i] { sum += work(all[i]); });
    for (int n = 1; n <= jobs; ++n) command(all[workers], "RPUSH weft-jobs %d", n);
    for (int i = 0; i < workers; ++i) command(all[workers], "RPUSH weft-jobs 0");
  }
  std::printf("%d workers did %d jobs: %d\n", workers, jobs, sum.load());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return weft::run([&] { return run(argc > 1 ? argv[1] : "/run/redis/redis-server.sock"); });
}
