// Library misuse: what the other tools ask of who uses them.

#include <weft/barrier.h>
#include <weft/channel.h>
#include <weft/concurrent_map.h>
#include <weft/context.h>
#include <weft/error_group.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/pool.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/singleflight.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "program.h"

namespace weft::leaks {
namespace {

// What is set up once asks for itself while it is.
WRONG(library_misuse, once_within_itself, always) {
  once ready;
  int level = 0;
  std::function<int()> log_level = [&] {
    ready.call([&] {
      level = 1;
      if (log_level() > 0) level = 2;  // says what it set
    });
    return level;
  };
  expect(log_level() > 0, "it is set");
}

RIGHT(library_misuse, once_within_itself) {
  once ready;
  int level = 0;
  std::function<int()> log_level = [&] {
    ready.call([&] {
      level = 1;
      if (level > 0) level = 2;
    });
    return level;
  };
  expect(log_level() > 0, "it is set");
}

// A page that includes itself waits for its own loading.
WRONG(library_misuse, flight_within_itself, always) {
  singleflight<std::string, int> loads;
  std::function<int(const std::string&, int)> load = [&](const std::string& page, int depth) {
    return loads
        .call(page, [&] { return depth == 0 ? 1 : 1 + load(page == "a" ? "b" : "a", depth - 1); })
        .value.value();
  };
  expect(load("a", 2) == 3, "a includes b includes a");
}

RIGHT(library_misuse, flight_within_itself) {
  singleflight<std::string, int> loads;
  std::function<int(const std::string&, int)> load = [&](const std::string& page, int depth) {
    const int own = loads.call(page, [] { return 1; }).value.value();
    return depth == 0 ? own : own + load(page == "a" ? "b" : "a", depth - 1);
  };
  expect(load("a", 2) == 3, "a includes b includes a");
}

// A ticker that is stopped does not close its channel.
WRONG(library_misuse, ticker_stopped, always) {
  const auto every = std::make_shared<ticker>(10ms);
  const auto ticks = std::make_shared<int>(0);
  go([every, ticks] {
    for (const auto at : every->channel()) *ticks += at.time_since_epoch().count() != 0 ? 1 : 0;
  });
  work_for(35ms);
  every->stop();
}

RIGHT(library_misuse, ticker_stopped) {
  const auto every = std::make_shared<ticker>(10ms);
  const auto ticks = std::make_shared<int>(0);
  const auto over = with_cancel(context());
  go([every, ticks, over] {
    while (every->channel().recv(over.ctx)) ++*ticks;
  });
  work_for(35ms);
  every->stop();
  over.cancel();
}

// A group with a limit, whose members start more of it.
WRONG(library_misuse, group_that_starts_its_own, sometimes) {
  mutex lock;
  int files = 0;
  error_group walk;
  walk.set_limit(2);
  const auto count = [&] {
    const std::lock_guard hold(lock);
    ++files;
  };
  for (int folder = 0; folder < 2; ++folder) {
    walk.go([&] {
      count();
      walk.go(count);
    });
  }
  expect(walk.wait().has_value() && files == 4, "two folders, two files");
}

RIGHT(library_misuse, group_that_starts_its_own) {
  mutex lock;
  int files = 0;
  error_group walk;
  walk.set_limit(2);
  const auto count = [&] {
    const std::lock_guard hold(lock);
    ++files;
  };
  for (int folder = 0; folder < 2; ++folder) {
    walk.go([&] {
      count();
      if (!walk.try_go(count)) count();
    });
  }
  expect(walk.wait().has_value() && files == 4, "two folders, two files");
}

// Both ends of a connection close it, each having looked whether it is closed.
WRONG(library_misuse, closed_by_both, sometimes) {
  struct connection {
    mutex lock;
    bool open = true;
    channel<int> closed{0};
    bool is_open() {
      const std::lock_guard hold(lock);
      return open;
    }
    void close() {
      if (!is_open()) return;
      closed.close();
      const std::lock_guard hold(lock);
      open = false;
    }
  };
  const auto c = std::make_shared<connection>();
  go([c] { c->close(); });
  c->close();
}

RIGHT(library_misuse, closed_by_both) {
  struct connection {
    once closing;
    channel<int> closed{0};
    void close() {
      closing.call([this] { closed.close(); });
    }
  };
  const auto c = std::make_shared<connection>();
  go([c] { c->close(); });
  c->close();
}

// A buffer is put back while it is still read.
WRONG(library_misuse, put_back_too_early, sometimes) {
  pool<std::shared_ptr<std::string>> buffers([] { return std::make_shared<std::string>(); });
  const channel<int> log(4);
  const auto render = [&](const std::string& name) {
    const auto buffer = buffers.get();
    *buffer = "hello " + name;
    buffers.put(buffer);
    log.send(static_cast<int>(buffer->size()));
    expect(*buffer == "hello " + name, "one's own greeting");
  };
  wait_group both;
  both.go([&] { render("ann"); });
  both.go([&] { render("bob"); });
  both.wait();
}

RIGHT(library_misuse, put_back_too_early) {
  pool<std::shared_ptr<std::string>> buffers([] { return std::make_shared<std::string>(); });
  const channel<int> log(4);
  const auto render = [&](const std::string& name) {
    const auto buffer = buffers.get();
    *buffer = "hello " + name;
    log.send(static_cast<int>(buffer->size()));
    expect(*buffer == "hello " + name, "one's own greeting");
    buffers.put(buffer);
  };
  wait_group both;
  both.go([&] { render("ann"); });
  both.go([&] { render("bob"); });
  both.wait();
}

// Two that each need two connections take them one by one.
WRONG(library_misuse, permissions_one_by_one, sometimes) {
  semaphore connections(2);
  int copied = 0;
  const auto copy = [&] {
    connections.acquire();  // to read
    connections.acquire();  // to write
    ++copied;
    connections.release(2);
  };
  wait_group both;
  both.go(copy);
  both.go(copy);
  both.wait();
  expect(copied == 2, "both");
}

RIGHT(library_misuse, permissions_one_by_one) {
  semaphore connections(2);
  int copied = 0;
  const auto copy = [&] {
    connections.acquire(2);
    ++copied;
    connections.release(2);
  };
  wait_group both;
  both.go(copy);
  both.go(copy);
  both.wait();
  expect(copied == 2, "both");
}

// A participant that has no more to do goes without a word.
WRONG(library_misuse, barrier_of_those_who_left, always) {
  barrier<> step(3);
  std::atomic<int> steps = 0;
  wait_group all;
  for (int part = 1; part <= 3; ++part) {
    all.go([&, part] {
      for (int i = 0; i < part; ++i) {
        ++steps;
        step.arrive_and_wait();
      }
    });
  }
  all.wait();
  expect(steps == 6, "1 + 2 + 3");
}

RIGHT(library_misuse, barrier_of_those_who_left) {
  barrier<> step(3);
  std::atomic<int> steps = 0;
  wait_group all;
  for (int part = 1; part <= 3; ++part) {
    all.go([&, part] {
      for (int i = 0; i < part; ++i) {
        ++steps;
        step.arrive_and_wait();
      }
      step.arrive_and_drop();
    });
  }
  all.wait();
  expect(steps == 6, "1 + 2 + 3");
}

// A timer that could not be stopped is drained, as one did in Go before 1.23: there is nothing
// when it was received before.
WRONG(library_misuse, timer_drained, sometimes) {
  timer idle(10ms);
  const channel<int> input(1);
  wait_group typist;
  typist.go([&] {
    work_for(10ms);
    input.send(1);
  });
  select(recv(idle.channel()), recv(input));
  if (!idle.stop()) idle.channel().recv();
  typist.wait();
}

RIGHT(library_misuse, timer_drained) {
  timer idle(10ms);
  const channel<int> input(1);
  wait_group typist;
  typist.go([&] {
    work_for(10ms);
    input.send(1);
  });
  select(recv(idle.channel()), recv(input));
  idle.stop();
  typist.wait();
}

// Reading and storing are each safe.
WRONG(library_misuse, load_and_store, sometimes) {
  concurrent_map<std::string, int> votes;
  votes.store("ann", 0);
  const auto vote = [&] { votes.store("ann", votes.load("ann").value_or(0) + 1); };
  wait_group both;
  both.go(vote);
  both.go(vote);
  both.wait();
  expect(votes.load("ann") == 2, "two votes");
}

RIGHT(library_misuse, load_and_store) {
  concurrent_map<std::string, int> votes;
  votes.store("ann", 0);
  const auto vote = [&] {
    for (int now = 0; !votes.compare_and_swap("ann", now, now + 1);)
      now = votes.load("ann").value_or(0);
  };
  wait_group both;
  both.go(vote);
  both.go(vote);
  both.wait();
  expect(votes.load("ann") == 2, "two votes");
}

}  // namespace
}  // namespace weft::leaks
