// Wait group misuse: the count is not that of what is awaited.

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/wait_group.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "program.h"

namespace weft::leaks {
namespace {

// Each adds itself when it begins, which may be after the wait.
WRONG(wait_group_misuse, adds_itself, sometimes) {
  struct crawl {
    wait_group running;
    mutex lock;
    int pages = 0;
  };
  const auto c = std::make_shared<crawl>();
  for (int i = 0; i < 2; ++i) {
    go([c] {
      c->running.add(1);
      {
        const std::lock_guard hold(c->lock);
        ++c->pages;
      }
      c->running.done();
    });
  }
  c->running.wait();
  const std::lock_guard hold(c->lock);
  expect(c->pages == 2, "all pages are there");
}

RIGHT(wait_group_misuse, adds_itself) {
  struct crawl {
    wait_group running;
    mutex lock;
    int pages = 0;
  };
  const auto c = std::make_shared<crawl>();
  for (int i = 0; i < 2; ++i) {
    c->running.add(1);
    go([c] {
      {
        const std::lock_guard hold(c->lock);
        ++c->pages;
      }
      c->running.done();
    });
  }
  c->running.wait();
  const std::lock_guard hold(c->lock);
  expect(c->pages == 2, "all pages are there");
}

// One that cannot go on returns, and is still counted.
WRONG(wait_group_misuse, returns_without_done, always) {
  wait_group checks;
  int valid = 0;
  for (const std::string host : {"alpha", "", "gamma"}) {
    checks.add(1);
    go([&, host] {
      if (host.empty()) return;
      ++valid;
      checks.done();
    });
  }
  checks.wait();
  expect(valid == 2, "two of three");
}

RIGHT(wait_group_misuse, returns_without_done) {
  wait_group checks;
  int valid = 0;
  for (const std::string host : {"alpha", "", "gamma"}) {
    checks.go([&, host] {
      if (host.empty()) return;
      ++valid;
    });
  }
  checks.wait();
  expect(valid == 2, "two of three");
}

// All are counted, and those that are excluded never start.
WRONG(wait_group_misuse, counts_what_never_starts, always) {
  const std::vector<int> sizes{10, 0, 30};
  wait_group copies;
  copies.add(static_cast<std::ptrdiff_t>(sizes.size()));
  int copied = 0;
  for (const int size : sizes) {
    if (size == 0) continue;
    go([&, size] {
      copied += size;
      copies.done();
    });
  }
  copies.wait();
  expect(copied == 40, "all that is not empty");
}

RIGHT(wait_group_misuse, counts_what_never_starts) {
  const std::vector<int> sizes{10, 0, 30};
  wait_group copies;
  int copied = 0;
  for (const int size : sizes) {
    if (size == 0) continue;
    copies.add(1);
    go([&, size] {
      copied += size;
      copies.done();
    });
  }
  copies.wait();
  expect(copied == 40, "all that is not empty");
}

// Who fails says that it is done, and says it again at the end.
WRONG(wait_group_misuse, done_twice, always) {
  const auto uploads = std::make_shared<wait_group>();
  uploads->add(1);
  go([uploads] {
    const bool connected = false;
    if (!connected) uploads->done();
    work_for(1ms);
    uploads->done();
  });
  uploads->wait();
}

RIGHT(wait_group_misuse, done_twice) {
  const auto uploads = std::make_shared<wait_group>();
  uploads->add(1);
  go([uploads] {
    const bool connected = false;
    if (!connected) return uploads->done();
    work_for(1ms);
    uploads->done();
  });
  uploads->wait();
}

// It is done, and then it leaves its result.
WRONG(wait_group_misuse, done_before_the_result, sometimes) {
  struct sums {
    wait_group running;
    mutex lock;
    int total = 0;
  };
  const auto s = std::make_shared<sums>();
  s->running.add(2);
  for (int part = 1; part <= 2; ++part) {
    go([s, part] {
      const int sum = 10 * part;
      s->running.done();
      const std::lock_guard hold(s->lock);
      s->total += sum;
    });
  }
  s->running.wait();
  const std::lock_guard hold(s->lock);
  expect(s->total == 30, "both parts");
}

RIGHT(wait_group_misuse, done_before_the_result) {
  struct sums {
    wait_group running;
    mutex lock;
    int total = 0;
  };
  const auto s = std::make_shared<sums>();
  s->running.add(2);
  for (int part = 1; part <= 2; ++part) {
    go([s, part] {
      const int sum = 10 * part;
      {
        const std::lock_guard hold(s->lock);
        s->total += sum;
      }
      s->running.done();
    });
  }
  s->running.wait();
  const std::lock_guard hold(s->lock);
  expect(s->total == 30, "both parts");
}

// All are awaited before anybody takes what they have to give.
WRONG(wait_group_misuse, waits_before_it_receives, always) {
  wait_group workers;
  const channel<int> results(0);
  for (int i = 1; i <= 3; ++i) workers.go([results, i] { results.send(i); });
  workers.wait();
  results.close();
  int sum = 0;
  for (const int n : results) sum += n;
  expect(sum == 6, "1 + 2 + 3");
}

RIGHT(wait_group_misuse, waits_before_it_receives) {
  wait_group workers;
  const channel<int> results(0);
  for (int i = 1; i <= 3; ++i) workers.go([results, i] { results.send(i); });
  wait_group closer;
  closer.go([&] {
    workers.wait();
    results.close();
  });
  int sum = 0;
  for (const int n : results) sum += n;
  closer.wait();
  expect(sum == 6, "1 + 2 + 3");
}

// Who stops all of them is one of them.
WRONG(wait_group_misuse, waits_for_itself, always) {
  wait_group running;
  const channel<int> jobs(0);
  running.go([&] {
    for (const int job : jobs) expect(job == 1, "the job");
  });
  running.go([&] {
    jobs.send(1);
    jobs.close();
    running.wait();
  });
  running.wait();
}

RIGHT(wait_group_misuse, waits_for_itself) {
  wait_group running;
  const channel<int> jobs(0);
  running.go([&] {
    for (const int job : jobs) expect(job == 1, "the job");
  });
  running.go([&] {
    jobs.send(1);
    jobs.close();
  });
  running.wait();
}

}  // namespace
}  // namespace weft::leaks
