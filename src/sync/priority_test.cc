// Priorities (sched/priority.cc): on one processor, where the order shows.

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <string>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using sync_test::retaken;
using sync_test::scaled;

template <class F>
void on_one(F&& f) {
  weft::run([&] { f(); }, {.max_procs = 1});
}

TEST(priority, decides_who_goes_first) {
  if (retaken()) GTEST_SKIP() << "others run beside the one that starts them";
  on_one([] {
    std::string order;
    wait_group all;
    all.add(3);
    const auto note = [&](char c) {
      return [&, c] {
        order += c;
        all.done();
      };
    };
    go({.priority = priority::background}, note('b'));
    go(note('n'));
    go({.priority = priority::high}, note('h'));
    all.wait().value();
    EXPECT_EQ(order, "hnb");
  });
}

TEST(priority, holds_for_those_who_are_woken) {
  if (retaken()) GTEST_SKIP() << "others run beside the one that wakes them";
  on_one([] {
    std::string order;
    wait_group all;
    const channel<int> start(0);
    all.add(3);
    const auto note = [&](char c) {
      return [&, c] {
        static_cast<void>(start.recv());
        order += c;
        all.done();
      };
    };
    go({.priority = priority::background}, note('b'));
    go(note('n'));
    go({.priority = priority::high}, note('h'));
    sync_test::wait_until_parked(sched::wait_reason::chan_receive, 3);
    start.close();
    all.wait().value();
    EXPECT_EQ(order, "hnb");
  });
}

TEST(priority, that_is_high_gets_a_turn_beside_one_that_only_gives_way) {
  on_one([] {
    std::atomic<bool> flag{false};
    mutex m;
    go({.priority = priority::high}, [&] { flag = true; });
    while (!flag) {
      m.lock();  // gives way after a number of them
      m.unlock();
    }
  });
}

TEST(priority, of_the_background_gets_turns_while_others_never_end) {
  on_one([] {
    std::atomic<bool> ended{false};
    wait_group all;
    for (int i = 0; i < 3; ++i) {
      all.go([&] {
        while (!ended) yield();
      });
    }
    all.add(1);
    go({.priority = priority::background}, [&] {
      for (int i = 0; i < 3; ++i) yield();
      ended = true;
      all.done();
    });
    all.wait().value();
  });
}

TEST(priority, of_the_background_is_heard_behind_computations) {
  on_one([] {
    std::atomic<bool> flag{false};
    go({.priority = priority::background}, [&] { flag = true; });
    while (!flag) {
    }
  });
}

TEST(priority, high_starves_nobody) {
  on_one([] {
    std::atomic<bool> ended{false};
    wait_group all;
    all.add(3);
    for (int i = 0; i < 3; ++i) {
      go({.priority = priority::high}, [&] {
        while (!ended) yield();
        all.done();
      });
    }
    wait_group others;
    for (int i = 0; i < 3; ++i) {
      others.go([&] {
        for (int j = 0; j < 5; ++j) yield();
      });
    }
    others.wait().value();
    ended = true;
    all.wait().value();
  });
}

TEST(priority, of_the_background_take_turns) {
  on_one([] {
    std::atomic<int> turn{0};
    wait_group all;
    all.add(2);
    for (int me = 0; me < 2; ++me) {
      go({.priority = priority::background}, [&, me] {
        for (int i = 0; i < 10; ++i) {
          while (turn % 2 != me) yield();
          ++turn;
        }
        all.done();
      });
    }
    all.wait().value();
    EXPECT_EQ(turn, 20);
  });
}

TEST(priority, stress_of_all_of_them) {
  for (const unsigned procs : {1U, 2U, 4U}) {
    const auto work = [] {
      const channel<int> c(3);
      wait_group all;
      const int n = scaled(300);
      std::atomic<int> sum{0};
      all.add(2 * n);
      for (int i = 0; i < n; ++i) {
        const auto p = static_cast<priority>(i % 3);
        go({.priority = p}, [&] {
          for (int j = 0; j < 20; ++j) c.send(1);
          all.done();
        });
        const auto q = static_cast<priority>((i + 1) % 3);
        go({.priority = q}, [&] {
          for (int j = 0; j < 20; ++j) {
            sum += c.recv().value();
            if (j % 7 == 0) {
              EXPECT_TRUE(sleep_for(10us));
            }
          }
          all.done();
        });
      }
      all.wait().value();
      EXPECT_EQ(sum, n * 20);
    };
    weft::run(work, {.max_procs = procs});
  }
}

}  // namespace
}  // namespace weft
