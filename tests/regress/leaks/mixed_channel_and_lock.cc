// Mixed channel and lock: one holds the lock and waits for a message, whose sender waits for the
// lock; or for anything else that somebody must do.

#include <weft/channel.h>
#include <weft/mutex.h>
#include <weft/rwmutex.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/wait_group.h>

#include <mutex>
#include <shared_mutex>
#include <vector>

#include "program.h"

namespace weft::leaks {
namespace {

// The event is sent while the state is locked, and its receiver looks at the state first.
WRONG(mixed_channel_and_lock, sends_while_it_holds, sometimes) {
  mutex lock;
  int version = 0, seen = 0;
  const channel<int> events(0);
  wait_group watcher;
  watcher.go([&] {
    {
      const std::lock_guard hold(lock);
      seen = version;
    }
    for (const int event : events) seen = event;
  });
  {
    const std::lock_guard hold(lock);
    events.send(++version);
  }
  events.close();
  watcher.wait();
  expect(seen == 1, "the new version");
}

RIGHT(mixed_channel_and_lock, sends_while_it_holds) {
  mutex lock;
  int version = 0, seen = 0;
  const channel<int> events(0);
  wait_group watcher;
  watcher.go([&] {
    {
      const std::lock_guard hold(lock);
      seen = version;
    }
    for (const int event : events) seen = event;
  });
  int now = 0;
  {
    const std::lock_guard hold(lock);
    now = ++version;
  }
  events.send(now);
  events.close();
  watcher.wait();
  expect(seen == 1, "the new version");
}

// It waits for the reply while it holds what the one who replies has to look at.
WRONG(mixed_channel_and_lock, receives_while_it_holds, sometimes) {
  mutex lock;
  int balance = 10;
  const channel<int> reply(0);
  wait_group teller;
  teller.go([&] {
    int now = 0;
    {
      const std::lock_guard hold(lock);
      now = balance;
    }
    reply.send(now);
  });
  {
    const std::lock_guard hold(lock);
    expect(reply.recv().value() == 10, "the balance");
  }
  teller.wait();
}

RIGHT(mixed_channel_and_lock, receives_while_it_holds) {
  mutex lock;
  int balance = 10;
  const channel<int> reply(0);
  wait_group teller;
  teller.go([&] {
    int now = 0;
    {
      const std::lock_guard hold(lock);
      now = balance;
    }
    reply.send(now);
  });
  expect(reply.recv().value() == 10, "the balance");
  {
    const std::lock_guard hold(lock);
    balance = 0;
  }
  teller.wait();
}

// It stops its workers, and holds the lock with which they note that they have stopped.
WRONG(mixed_channel_and_lock, waits_for_who_needs_it, sometimes) {
  mutex lock;
  int running = 2;
  wait_group workers;
  for (int i = 0; i < 2; ++i) {
    workers.go([&] {
      const std::lock_guard hold(lock);
      --running;
    });
  }
  {
    const std::lock_guard hold(lock);
    workers.wait();
  }
  expect(running == 0, "none is left");
}

RIGHT(mixed_channel_and_lock, waits_for_who_needs_it) {
  mutex lock;
  int running = 2;
  wait_group workers;
  for (int i = 0; i < 2; ++i) {
    workers.go([&] {
      const std::lock_guard hold(lock);
      --running;
    });
  }
  workers.wait();
  const std::lock_guard hold(lock);
  expect(running == 0, "none is left");
}

// The log has room for two, and who drains it counts under the lock of those who write.
WRONG(mixed_channel_and_lock, full_queue, sometimes) {
  mutex lock;
  int bytes = 0, lines = 0;
  const channel<int> log(2);
  wait_group drain;
  drain.go([&] {
    for (const int size : log) {
      const std::lock_guard hold(lock);
      bytes += size;
    }
  });
  for (int i = 0; i < 4; ++i) {
    const std::lock_guard hold(lock);
    ++lines;
    log.send(80);
  }
  log.close();
  drain.wait();
  expect(bytes == 80 * lines, "all lines");
}

RIGHT(mixed_channel_and_lock, full_queue) {
  mutex lock;
  int bytes = 0, lines = 0;
  const channel<int> log(2);
  wait_group drain;
  drain.go([&] {
    for (const int size : log) {
      const std::lock_guard hold(lock);
      bytes += size;
    }
  });
  for (int i = 0; i < 4; ++i) {
    {
      const std::lock_guard hold(lock);
      ++lines;
    }
    log.send(80);
  }
  log.close();
  drain.wait();
  expect(bytes == 80 * lines, "all lines");
}

// The hub sends to its members as a reader; a member that leaves takes nothing more and wants to
// write.
WRONG(mixed_channel_and_lock, member_that_leaves, sometimes) {
  rwmutex lock;
  std::vector<channel<int>> members;
  wait_group member;
  const channel<int> mine(0);
  members.push_back(mine);
  member.go([&] {
    mine.recv();
    const std::unique_lock hold(lock);
    members.clear();
  });
  for (int message = 0; message < 2; ++message) {
    const std::shared_lock hold(lock);
    for (const auto& m : members) m.send(message);
  }
  member.wait();
  expect(members.empty(), "it has left");
}

RIGHT(mixed_channel_and_lock, member_that_leaves) {
  rwmutex lock;
  std::vector<channel<int>> members;
  wait_group member;
  const channel<int> mine(0), left(0);
  members.push_back(mine);
  member.go([&] {
    mine.recv();
    left.close();
    const std::unique_lock hold(lock);
    members.clear();
  });
  for (int message = 0; message < 2; ++message) {
    const std::shared_lock hold(lock);
    for (const auto& m : members) select(send(m, message), recv(left));
  }
  member.wait();
  expect(members.empty(), "it has left");
}

// A slot is awaited under the lock with which slots are given back.
WRONG(mixed_channel_and_lock, slot_under_the_lock, sometimes) {
  semaphore slots(1);
  mutex lock;
  int started = 0, finished = 0;
  const auto transfer = [&] {
    {
      const std::lock_guard hold(lock);
      slots.acquire();
      ++started;
    }
    const std::lock_guard hold(lock);
    ++finished;
    slots.release();
  };
  wait_group both;
  both.go(transfer);
  both.go(transfer);
  both.wait();
  expect(started == 2 && finished == 2, "both");
}

RIGHT(mixed_channel_and_lock, slot_under_the_lock) {
  semaphore slots(1);
  mutex lock;
  int started = 0, finished = 0;
  const auto transfer = [&] {
    slots.acquire();
    {
      const std::lock_guard hold(lock);
      ++started;
    }
    const std::lock_guard hold(lock);
    ++finished;
    slots.release();
  };
  wait_group both;
  both.go(transfer);
  both.go(transfer);
  both.wait();
  expect(started == 2 && finished == 2, "both");
}

}  // namespace
}  // namespace weft::leaks
