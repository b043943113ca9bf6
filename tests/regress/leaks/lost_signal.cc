// Lost signal: somebody waits to be told, and was told before, or somebody else was.

#include <weft/channel.h>
#include <weft/cond.h>
#include <weft/mutex.h>
#include <weft/wait_group.h>

#include <deque>
#include <mutex>

#include "program.h"

namespace weft::leaks {
namespace {

// The service says that it is ready; who begins to wait afterwards was not there.
WRONG(lost_signal, told_before_it_waits, sometimes) {
  mutex lock;
  cond ready;
  wait_group service;
  service.go([&] {
    work_for(10ms);
    ready.notify_one();
  });
  work_for(10ms);
  {
    std::unique_lock hold(lock);
    ready.wait(hold);
  }
  service.wait();
}

RIGHT(lost_signal, told_before_it_waits) {
  mutex lock;
  cond ready;
  bool is_ready = false;
  wait_group service;
  service.go([&] {
    work_for(10ms);
    const std::lock_guard hold(lock);
    is_ready = true;
    ready.notify_one();
  });
  work_for(10ms);
  {
    std::unique_lock hold(lock);
    ready.wait(hold, [&] { return is_ready; });
  }
  service.wait();
}

// A condition for both who wait for room and who wait for work: the wrong one of them is woken.
WRONG(lost_signal, wrong_one_is_woken, sometimes) {
  mutex lock;
  cond changed;
  int stock = 0;  // at most one
  const auto produce = [&] {
    std::unique_lock hold(lock);
    changed.wait(hold, [&] { return stock == 0; });
    ++stock;
    changed.notify_one();
  };
  const auto consume = [&] {
    std::unique_lock hold(lock);
    changed.wait(hold, [&] { return stock == 1; });
    --stock;
    changed.notify_one();
  };
  wait_group all;
  for (int i = 0; i < 3; ++i) {
    all.go(produce);
    all.go(consume);
  }
  all.wait();
}

RIGHT(lost_signal, wrong_one_is_woken) {
  mutex lock;
  cond work, room;
  int stock = 0;  // at most one
  const auto produce = [&] {
    std::unique_lock hold(lock);
    room.wait(hold, [&] { return stock == 0; });
    ++stock;
    work.notify_one();
  };
  const auto consume = [&] {
    std::unique_lock hold(lock);
    work.wait(hold, [&] { return stock == 1; });
    --stock;
    room.notify_one();
  };
  wait_group all;
  for (int i = 0; i < 3; ++i) {
    all.go(produce);
    all.go(consume);
  }
  all.wait();
}

// Who is woken believes that there is something, and somebody was faster.
WRONG(lost_signal, not_asked_again, sometimes) {
  mutex lock;
  cond filled;
  std::deque<int> jobs;
  const auto take = [&] {
    std::unique_lock hold(lock);
    if (jobs.empty()) filled.wait(hold);
    expect(!jobs.empty(), "there is a job for whoever was told so");
    jobs.pop_front();
  };
  wait_group all;
  all.go(take);
  all.go(take);
  for (int i = 0; i < 2; ++i) {
    const std::lock_guard hold(lock);
    jobs.push_back(i);
    filled.notify_one();
  }
  all.wait();
}

RIGHT(lost_signal, not_asked_again) {
  mutex lock;
  cond filled;
  std::deque<int> jobs;
  const auto take = [&] {
    std::unique_lock hold(lock);
    while (jobs.empty()) filled.wait(hold);
    expect(!jobs.empty(), "there is a job for whoever was told so");
    jobs.pop_front();
  };
  wait_group all;
  all.go(take);
  all.go(take);
  for (int i = 0; i < 2; ++i) {
    const std::lock_guard hold(lock);
    jobs.push_back(i);
    filled.notify_one();
  }
  all.wait();
}

// The end is noted, but nobody is told of it.
WRONG(lost_signal, end_without_a_word, sometimes) {
  mutex lock;
  cond changed;
  std::deque<int> lines{1};
  bool closed = false;
  wait_group writer;
  writer.go([&] {
    std::unique_lock hold(lock);
    while (true) {
      changed.wait(hold, [&] { return closed || !lines.empty(); });
      if (lines.empty()) return;
      lines.pop_front();
    }
  });
  {
    const std::lock_guard hold(lock);
    closed = true;
  }
  writer.wait();
}

RIGHT(lost_signal, end_without_a_word) {
  mutex lock;
  cond changed;
  std::deque<int> lines{1};
  bool closed = false;
  wait_group writer;
  writer.go([&] {
    std::unique_lock hold(lock);
    while (true) {
      changed.wait(hold, [&] { return closed || !lines.empty(); });
      if (lines.empty()) return;
      lines.pop_front();
    }
  });
  {
    const std::lock_guard hold(lock);
    closed = true;
    changed.notify_all();
  }
  writer.wait();
}

// A channel without room is rung as a bell: nobody hears it who does not wait just now.
WRONG(lost_signal, bell_without_memory, sometimes) {
  mutex lock;
  int pending = 0;
  const channel<int> bell(0);
  wait_group flusher;
  flusher.go([&] {
    while (true) {
      {
        const std::lock_guard hold(lock);
        if (pending > 0) break;
      }
      bell.recv();
    }
  });
  {
    const std::lock_guard hold(lock);
    ++pending;
  }
  static_cast<void>(bell.try_send(1));
  flusher.wait();
}

RIGHT(lost_signal, bell_without_memory) {
  mutex lock;
  int pending = 0;
  const channel<int> bell(1);
  wait_group flusher;
  flusher.go([&] {
    while (true) {
      {
        const std::lock_guard hold(lock);
        if (pending > 0) break;
      }
      bell.recv();
    }
  });
  {
    const std::lock_guard hold(lock);
    ++pending;
  }
  static_cast<void>(bell.try_send(1));
  flusher.wait();
}

// It looks with the lock held, lets it go, and takes it again to wait.
WRONG(lost_signal, looks_and_then_waits, sometimes) {
  mutex lock;
  cond changed;
  bool open = false;
  const auto is_open = [&] {
    const std::lock_guard hold(lock);
    return open;
  };
  wait_group door;
  door.go([&] {
    const std::lock_guard hold(lock);
    open = true;
    changed.notify_all();
  });
  while (!is_open()) {
    std::unique_lock hold(lock);
    changed.wait(hold);
  }
  door.wait();
}

RIGHT(lost_signal, looks_and_then_waits) {
  mutex lock;
  cond changed;
  bool open = false;
  wait_group door;
  door.go([&] {
    const std::lock_guard hold(lock);
    open = true;
    changed.notify_all();
  });
  {
    std::unique_lock hold(lock);
    while (!open) changed.wait(hold);
  }
  door.wait();
}

}  // namespace
}  // namespace weft::leaks
