// Missed close: a channel that somebody reads to its end never ends.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/select.h>
#include <weft/wait_group.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "program.h"

namespace weft::leaks {
namespace {

// All is sent, and the receiver waits for more.
WRONG(missed_close, nobody_closes, always) {
  const channel<int> squares(0);
  go([squares] {
    for (int i = 1; i <= 3; ++i) squares.send(i * i);
  });
  int sum = 0;
  for (const int n : squares) sum += n;
  expect(sum == 14, "1 + 4 + 9");
}

RIGHT(missed_close, nobody_closes) {
  const channel<int> squares(0);
  go([squares] {
    for (int i = 1; i <= 3; ++i) squares.send(i * i);
    squares.close();
  });
  int sum = 0;
  for (const int n : squares) sum += n;
  expect(sum == 14, "1 + 4 + 9");
}

// The parser gives up at the first line that is wrong, and the writer is not told.
WRONG(missed_close, not_after_an_error, always) {
  const channel<int> rows(4);
  wait_group writer;
  int written = 0;
  writer.go([&written, rows] {
    for (const int row : rows) written += row;
  });
  const auto parse = [&](const std::vector<std::string>& lines) {
    for (const auto& line : lines) {
      if (line.empty()) return false;
      rows.send(static_cast<int>(line.size()));
    }
    rows.close();
    return true;
  };
  expect(!parse({"one", "", "three"}), "an empty line is wrong");
  writer.wait();
}

RIGHT(missed_close, not_after_an_error) {
  const channel<int> rows(4);
  wait_group writer;
  int written = 0;
  writer.go([&written, rows] {
    for (const int row : rows) written += row;
  });
  const auto parse = [&](const std::vector<std::string>& lines) {
    bool all = true;
    for (const auto& line : lines) {
      all = !line.empty();
      if (!all) break;
      rows.send(static_cast<int>(line.size()));
    }
    rows.close();
    return all;
  };
  expect(!parse({"one", "", "three"}), "an empty line is wrong");
  writer.wait();
}

// The first stage closes, the one in the middle does not pass it on.
WRONG(missed_close, stage_in_the_middle, always) {
  const channel<int> raw(0), doubled(0);
  const channel<int> total(1);
  go([raw] {
    for (int i = 0; i < 3; ++i) raw.send(i);
    raw.close();
  });
  go([raw, doubled] {
    for (const int n : raw) doubled.send(2 * n);
  });
  go([doubled, total] {
    int sum = 0;
    for (const int n : doubled) sum += n;
    total.send(sum);
  });
  expect(total.recv().value() == 6, "twice 0 + 1 + 2");
}

RIGHT(missed_close, stage_in_the_middle) {
  const channel<int> raw(0), doubled(0);
  const channel<int> total(1);
  go([raw] {
    for (int i = 0; i < 3; ++i) raw.send(i);
    raw.close();
  });
  go([raw, doubled] {
    for (const int n : raw) doubled.send(2 * n);
    doubled.close();
  });
  go([doubled, total] {
    int sum = 0;
    for (const int n : doubled) sum += n;
    total.send(sum);
  });
  expect(total.recv().value() == 6, "twice 0 + 1 + 2");
}

// The worker looks at a flag before each job; stopping sets it, and a worker that waits sees
// nothing.
WRONG(missed_close, flag_in_place_of_close, sometimes) {
  struct pool {
    mutex lock;
    bool stopping = false;
    channel<int> jobs{2};
    bool stops() {
      const std::lock_guard hold(lock);
      return stopping;
    }
  };
  const auto p = std::make_shared<pool>();
  go([p] {
    while (!p->stops() && p->jobs.recv()) {
    }
  });
  p->jobs.send(1);
  const std::lock_guard hold(p->lock);
  p->stopping = true;
}

RIGHT(missed_close, flag_in_place_of_close) {
  struct pool {
    mutex lock;
    bool stopping = false;
    channel<int> jobs{2};
    bool stops() {
      const std::lock_guard hold(lock);
      return stopping;
    }
  };
  const auto p = std::make_shared<pool>();
  go([p] {
    while (!p->stops() && p->jobs.recv()) {
    }
  });
  p->jobs.send(1);
  const std::lock_guard hold(p->lock);
  p->stopping = true;
  p->jobs.close();
}

// The hub closes all subscriptions when it stops; one that comes later stays open.
WRONG(missed_close, subscribed_after_the_stop, sometimes) {
  struct hub {
    mutex lock;
    std::vector<channel<int>> subscriptions;
    channel<int> subscribe() {
      const std::lock_guard hold(lock);
      return subscriptions.emplace_back(1);
    }
    void stop() {
      const std::lock_guard hold(lock);
      for (const auto& s : subscriptions) s.close();
      subscriptions.clear();
    }
  } h;
  wait_group readers;
  readers.go([&] {
    for (const int event : h.subscribe()) expect(event != 0, "an event");
  });
  h.stop();
  readers.wait();
}

RIGHT(missed_close, subscribed_after_the_stop) {
  struct hub {
    mutex lock;
    bool stopped = false;
    std::vector<channel<int>> subscriptions;
    channel<int> subscribe() {
      const std::lock_guard hold(lock);
      const channel<int> fresh(1);
      if (stopped) {
        fresh.close();
      } else {
        subscriptions.push_back(fresh);
      }
      return fresh;
    }
    void stop() {
      const std::lock_guard hold(lock);
      stopped = true;
      for (const auto& s : subscriptions) s.close();
    }
  } h;
  wait_group readers;
  readers.go([&] {
    for (const auto events = h.subscribe(); const int event : events)
      expect(event != 0, "an event");
  });
  h.stop();
  readers.wait();
}

// A generator that is cancelled returns, and whoever ranges over it does not know of it.
WRONG(missed_close, cancelled_generator, always) {
  const auto [ctx, cancel] = with_cancel(context());
  const channel<int> numbers(0);
  go([ctx, numbers] {
    bool stopped = false;
    for (int i = 0; !stopped; ++i) select(send(numbers, i), done(ctx, [&] { stopped = true; }));
  });
  int last = 0;
  for (const int n : numbers) {
    last = n;
    if (n == 2) cancel();
  }
  expect(last >= 2, "three at least");
}

RIGHT(missed_close, cancelled_generator) {
  const auto [ctx, cancel] = with_cancel(context());
  const channel<int> numbers(0);
  go([ctx, numbers] {
    bool stopped = false;
    for (int i = 0; !stopped; ++i) select(send(numbers, i), done(ctx, [&] { stopped = true; }));
    numbers.close();
  });
  int last = 0;
  for (const int n : numbers) {
    last = n;
    if (n == 2) cancel();
  }
  expect(last >= 2, "three at least");
}

}  // namespace
}  // namespace weft::leaks
