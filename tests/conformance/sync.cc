// Locks and groups: package sync.

#include <weft/channel.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

// --- mutex ---------------------------------------------------------------------------------------

SCENARIO(mutex_is_made_unlocked, "sync.Mutex: the zero value is an unlocked mutex") {
  mutex m;
  say{m.try_lock()};
}

SCENARIO(mutex_try_lock_fails_while_held, "sync.Mutex, TryLock") {
  mutex m;
  say{m.try_lock(), m.try_lock()};
  m.unlock();
  say{m.try_lock()};
}

SCENARIO(mutex_lock_waits_while_held, "sync.Mutex, Lock") {
  mutex m;
  m.lock();
  const task waits([&] {
    m.lock();
    m.unlock();
  });
  say{waits.state()};
  m.unlock();
  say{waits.join(), m.try_lock()};
}

SCENARIO(mutex_waiters_come_in_order, "sync.Mutex: waiters queue in FIFO order") {
  mutex m;
  m.lock();
  std::vector<task> waiting;
  for (int i = 1; i <= 4; ++i) {
    waiting.emplace_back([&m, i] {
      const std::lock_guard hold(m);
      say{i};
    });
  }
  m.unlock();
  for (const auto& w : waiting) w.join();
}

SCENARIO(mutex_is_not_reentrant, "sync.Mutex, Lock") {
  mutex m;
  const task waits([&] {
    m.lock();
    // With a limit: without, it ends the process (differences.txt, deadlock_on_a_mutex).
    static_cast<void>(m.lock(std::chrono::hours(1)));
  });
  say{waits.state()};
}

SCENARIO(mutex_unlock_does_not_wait_for_who_comes_next, "sync.Mutex, Unlock") {
  mutex m;
  const channel<int> locked(0), release(0);
  const task holder([&] {
    m.lock();
    release.recv().value();
    m.unlock();
    say{"unlocked"};
  });
  const task next([&] {
    m.lock();
    locked.recv().value();
  });
  release.send(1);
  say{holder.join()};
  say{next.state()};
}

SCENARIO(mutex_one_waiter_goes_on_for_each_unlock, "sync.Mutex, Unlock") {
  mutex m;
  m.lock();
  const channel<int> release(0);
  const auto hold = [&] {
    m.lock();
    release.recv().value();
    m.unlock();
  };
  const task a(hold), b(hold);
  m.unlock();
  say{a.state(), b.state()};
  release.send(1);
  say{a.join(), b.state()};
}

SCENARIO(memory_a_lock_sees_what_was_done_under_it, "The Go memory model, Locks") {
  mutex m;
  int count = 0;
  wait_group all;
  for (int i = 0; i < 8; ++i) {
    all.go([&] {
      for (int n = 0; n < 200; ++n) {
        const std::lock_guard hold(m);
        ++count;
      }
    });
  }
  all.wait().value();
  say{count};
}

// --- wait group ----------------------------------------------------------------------------------

SCENARIO(wait_group_of_nothing_does_not_wait, "sync.WaitGroup, Wait") {
  wait_group all;
  say{task([&] { all.wait().value(); }).state()};
}

SCENARIO(wait_group_waits_for_all, "sync.WaitGroup, Wait") {
  wait_group all;
  all.add(2);
  const task waits([&] { all.wait().value(); });
  say{waits.state()};
  all.done();
  say{waits.state()};
  all.done();
  say{waits.join()};
}

SCENARIO(wait_group_wakes_all_who_wait, "sync.WaitGroup, Add") {
  wait_group all;
  all.add(1);
  std::vector<task> waiting;
  for (int i = 0; i < 3; ++i) waiting.emplace_back([&] { all.wait().value(); });
  all.done();
  for (const auto& w : waiting) say{w.join()};
}

SCENARIO(wait_group_adds_and_takes_several, "sync.WaitGroup, Add") {
  wait_group all;
  all.add(5);
  all.add(-3);
  const task waits([&] { all.wait().value(); });
  say{waits.state()};
  all.add(-2);
  say{waits.join()};
}

SCENARIO(wait_group_grows_while_one_waits, "sync.WaitGroup, Add") {
  wait_group all;
  all.add(1);
  const task waits([&] { all.wait().value(); });
  all.add(1);
  all.done();
  say{waits.state()};
  all.done();
  say{waits.join()};
}

SCENARIO(wait_group_below_zero_panics, "sync.WaitGroup, Add") {
  wait_group all;
  say{attempt([&] { all.done(); })};
}

SCENARIO(wait_group_far_below_zero_panics, "sync.WaitGroup, Add") {
  wait_group all;
  all.add(1);
  say{attempt([&] { all.add(-2); })};
}

SCENARIO(wait_group_is_used_again, "sync.WaitGroup: reused after Wait has returned") {
  wait_group all;
  for (int round = 1; round <= 3; ++round) {
    int sum = 0;
    all.go([&] { sum += round; });
    all.wait().value();
    say{sum};
  }
}

SCENARIO(wait_group_go_counts_and_is_done, "sync.WaitGroup, Go") {
  wait_group all;
  const channel<int> release(0);
  all.go([=] { release.recv().value(); });
  const task waits([&] { all.wait().value(); });
  say{waits.state()};
  release.send(1);
  say{waits.join()};
}

SCENARIO(wait_group_go_from_within, "sync.WaitGroup, Go") {
  wait_group all;
  std::atomic<int> count{0};
  all.go([&] {
    all.go([&] {
      all.go([&] { ++count; });
      ++count;
    });
    ++count;
  });
  all.wait().value();
  say{count.load()};
}

SCENARIO(memory_a_wait_sees_what_was_done, "sync.WaitGroup, Done") {
  wait_group all;
  int data[4] = {};
  for (int i = 0; i < 4; ++i) all.go([&data, i] { data[i] = i + 1; });
  all.wait().value();
  say{data[0] + data[1] + data[2] + data[3]};
}

// --- once ----------------------------------------------------------------------------------------

SCENARIO(once_calls_the_first_function_only, "sync.Once, Do") {
  once o;
  o.call([] { say{"first"}; }).value();
  o.call([] { say{"second"}; }).value();
}

SCENARIO(once_others_wait_until_it_has_returned, "sync.Once, Do") {
  once o;
  const channel<int> release(0);
  const task first([&] { o.call([&] { release.recv().value(); }).value(); });
  const task second([&] { o.call([] { say{"not called"}; }).value(); });
  say{first.state(), second.blocks()};
  release.send(1);
  say{first.join(), second.join()};
}

SCENARIO(once_a_panic_counts_as_done, "sync.Once, Do") {
  once o;
  say{attempt([&] { o.call([] { throw std::runtime_error("boom"); }).value(); })};
  say{attempt([&] { o.call([] { say{"not called"}; }).value(); })};
}

SCENARIO(once_a_panic_lets_those_who_wait_go_on, "sync.Once, Do") {
  once o;
  const channel<int> release(0);
  const task first([&] {
    o.call([&] {
       release.recv().value();
       throw std::runtime_error("boom");
     }).value();
  });
  const task second([&] { o.call([] { say{"not called"}; }).value(); });
  release.send(1);
  say{first.join(), second.join()};
}

SCENARIO(once_from_within_waits_for_ever, "sync.Once, Do: deadlock") {
  once o;
  say{task([&] { o.call([&] { o.call([] {}).value(); }).value(); }).blocks()};
}

SCENARIO(once_of_many_goroutines, "sync.Once, Do") {
  once o;
  int count = 0;
  wait_group all;
  for (int i = 0; i < 16; ++i) all.go([&] { o.call([&] { ++count; }).value(); });
  all.wait().value();
  say{count};
}

SCENARIO(memory_a_once_is_seen_by_all_its_calls, "The Go memory model, Once") {
  once o;
  int data = 0;
  std::atomic<int> sum{0};
  wait_group all;
  for (int i = 0; i < 8; ++i) {
    all.go([&] {
      o.call([&] { data = 7; }).value();
      sum += data;
    });
  }
  all.wait().value();
  say{sum.load()};
}

}  // namespace
}  // namespace weft::conformance
