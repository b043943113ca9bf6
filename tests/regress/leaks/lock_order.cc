// Lock order: two locks, taken in one order here and in the other there.

#include <weft/mutex.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "program.h"

namespace weft::leaks {
namespace {

struct account {
  explicit account(int n) : number(n) {}
  const int number;
  mutex lock;
  int cents = 100;
};

// From one to the other, and back.
WRONG(lock_order, two_accounts, sometimes) {
  account ann{1}, bob{2};
  const auto transfer = [](account& from, account& to, int cents) {
    const std::lock_guard give(from.lock);
    const std::lock_guard take(to.lock);
    from.cents -= cents;
    to.cents += cents;
  };
  wait_group both;
  both.go([&] { transfer(ann, bob, 10); });
  both.go([&] { transfer(bob, ann, 30); });
  both.wait();
  expect(ann.cents + bob.cents == 200, "no money is lost");
}

RIGHT(lock_order, two_accounts) {
  account ann{1}, bob{2};
  const auto transfer = [](account& from, account& to, int cents) {
    const bool in_order = from.number < to.number;
    const std::lock_guard first(in_order ? from.lock : to.lock);
    const std::lock_guard second(in_order ? to.lock : from.lock);
    from.cents -= cents;
    to.cents += cents;
  };
  wait_group both;
  both.go([&] { transfer(ann, bob, 10); });
  both.go([&] { transfer(bob, ann, 30); });
  both.wait();
  expect(ann.cents + bob.cents == 200, "no money is lost");
}

// Three at a table, each with the fork to the left first.
WRONG(lock_order, philosophers, sometimes) {
  std::array<mutex, 3> forks;
  int meals = 0;
  mutex counting;
  wait_group table;
  for (std::size_t seat = 0; seat < 3; ++seat) {
    table.go([&, seat] {
      const std::lock_guard left(forks[seat]);
      const std::lock_guard right(forks[(seat + 1) % 3]);
      const std::lock_guard hold(counting);
      ++meals;
    });
  }
  table.wait();
  expect(meals == 3, "all have eaten");
}

RIGHT(lock_order, philosophers) {
  std::array<mutex, 3> forks;
  int meals = 0;
  mutex counting;
  wait_group table;
  for (std::size_t seat = 0; seat < 3; ++seat) {
    table.go([&, seat] {
      const std::size_t other = (seat + 1) % 3;
      const std::lock_guard low(forks[std::min(seat, other)]);
      const std::lock_guard high(forks[std::max(seat, other)]);
      const std::lock_guard hold(counting);
      ++meals;
    });
  }
  table.wait();
  expect(meals == 3, "all have eaten");
}

// What is put goes into the cache, then into the index; what is evicted is looked up there first.
WRONG(lock_order, put_and_evict, sometimes) {
  mutex cache_lock, index_lock;
  std::map<int, std::string> cache{{1, "old"}};
  std::vector<int> by_age{1};
  wait_group both;
  both.go([&] {
    const std::lock_guard hold(cache_lock);
    cache[2] = "new";
    const std::lock_guard also(index_lock);
    by_age.push_back(2);
  });
  both.go([&] {
    const std::lock_guard hold(index_lock);
    const int oldest = by_age.front();
    by_age.erase(by_age.begin());
    const std::lock_guard also(cache_lock);
    cache.erase(oldest);
  });
  both.wait();
  expect(cache.size() == 1 && by_age.size() == 1, "one came, one went");
}

RIGHT(lock_order, put_and_evict) {
  mutex cache_lock, index_lock;
  std::map<int, std::string> cache{{1, "old"}};
  std::vector<int> by_age{1};
  wait_group both;
  both.go([&] {
    const std::lock_guard hold(cache_lock);
    cache[2] = "new";
    const std::lock_guard also(index_lock);
    by_age.push_back(2);
  });
  both.go([&] {
    const std::lock_guard hold(cache_lock);
    const std::lock_guard also(index_lock);
    const int oldest = by_age.front();
    by_age.erase(by_age.begin());
    cache.erase(oldest);
  });
  both.wait();
  expect(cache.size() == 1 && by_age.size() == 1, "one came, one went");
}

// A manager asks its workers for their state; a worker that is done reports to the manager.
WRONG(lock_order, report_to_the_manager, sometimes) {
  struct worker {
    mutex lock;
    bool busy = true;
  };
  mutex manager_lock;
  std::array<worker, 2> workers;
  int reports = 0, seen_busy = 0;
  wait_group all;
  for (auto& w : workers) {
    all.go([&] {
      const std::lock_guard hold(w.lock);
      w.busy = false;
      const std::lock_guard report(manager_lock);
      ++reports;
    });
  }
  {
    const std::lock_guard hold(manager_lock);
    for (auto& w : workers) {
      const std::lock_guard look(w.lock);
      seen_busy += w.busy ? 1 : 0;
    }
  }
  all.wait();
  expect(reports == 2 && seen_busy <= 2, "both have reported");
}

RIGHT(lock_order, report_to_the_manager) {
  struct worker {
    mutex lock;
    bool busy = true;
  };
  mutex manager_lock;
  std::array<worker, 2> workers;
  int reports = 0, seen_busy = 0;
  wait_group all;
  for (auto& w : workers) {
    all.go([&] {
      {
        const std::lock_guard hold(w.lock);
        w.busy = false;
      }
      const std::lock_guard report(manager_lock);
      ++reports;
    });
  }
  {
    const std::lock_guard hold(manager_lock);
    for (auto& w : workers) {
      const std::lock_guard look(w.lock);
      seen_busy += w.busy ? 1 : 0;
    }
  }
  all.wait();
  expect(reports == 2 && seen_busy <= 2, "both have reported");
}

// Each of three modules calls the next one, and the last one the first.
WRONG(lock_order, three_modules, sometimes) {
  mutex store, journal, metrics;
  int writes = 0, lines = 0, samples = 0;
  wait_group all;
  all.go([&] {
    const std::lock_guard hold(store);
    ++writes;
    const std::lock_guard log(journal);
    ++lines;
  });
  all.go([&] {
    const std::lock_guard hold(journal);
    ++lines;
    const std::lock_guard count(metrics);
    ++samples;
  });
  all.go([&] {
    const std::lock_guard hold(metrics);
    ++samples;
    const std::lock_guard size(store);
    ++writes;
  });
  all.wait();
  expect(writes + lines + samples == 6, "nothing is lost");
}

RIGHT(lock_order, three_modules) {
  mutex store, journal, metrics;
  int writes = 0, lines = 0, samples = 0;
  wait_group all;
  all.go([&] {
    const std::lock_guard hold(store);
    ++writes;
    const std::lock_guard log(journal);
    ++lines;
  });
  all.go([&] {
    const std::lock_guard hold(journal);
    ++lines;
    const std::lock_guard count(metrics);
    ++samples;
  });
  all.go([&] {
    {
      const std::lock_guard size(store);
      ++writes;
    }
    const std::lock_guard hold(metrics);
    ++samples;
  });
  all.wait();
  expect(writes + lines + samples == 6, "nothing is lost");
}

// A walk goes down from the parent; a node that removes itself goes up.
WRONG(lock_order, up_and_down_a_tree, sometimes) {
  struct node {
    mutex lock;
    int value = 1;
    int children = 0;
  } root, leaf;
  root.children = 1;
  int sum = 0;
  wait_group both;
  both.go([&] {
    const std::lock_guard at_root(root.lock);
    sum += root.value;
    if (root.children == 0) return;
    const std::lock_guard at_leaf(leaf.lock);
    sum += leaf.value;
  });
  both.go([&] {
    const std::lock_guard at_leaf(leaf.lock);
    leaf.value = 0;
    const std::lock_guard at_root(root.lock);
    --root.children;
  });
  both.wait();
  expect(root.children == 0, "it is gone");
}

RIGHT(lock_order, up_and_down_a_tree) {
  struct node {
    mutex lock;
    int value = 1;
    int children = 0;
  } root, leaf;
  root.children = 1;
  int sum = 0;
  wait_group both;
  both.go([&] {
    const std::lock_guard at_root(root.lock);
    sum += root.value;
    if (root.children == 0) return;
    const std::lock_guard at_leaf(leaf.lock);
    sum += leaf.value;
  });
  both.go([&] {
    const std::lock_guard at_root(root.lock);
    const std::lock_guard at_leaf(leaf.lock);
    leaf.value = 0;
    --root.children;
  });
  both.wait();
  expect(root.children == 0, "it is gone");
}

}  // namespace
}  // namespace weft::leaks
