// The other tools of package sync, and golang.org/x/sync.

#include <weft/channel.h>
#include <weft/cond.h>
#include <weft/context.h>
#include <weft/mutex.h>
#include <weft/rwmutex.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

// --- rwmutex -------------------------------------------------------------------------------------

SCENARIO(rwmutex_is_made_unlocked, "sync.RWMutex: the zero value is an unlocked mutex") {
  rwmutex m;
  say{m.try_lock_shared()};
  m.unlock_shared();
  say{m.try_lock()};
}

SCENARIO(rwmutex_readers_share, "sync.RWMutex, RLock") {
  rwmutex m;
  m.lock_shared();
  const task reader([&] {
    m.lock_shared();
    m.unlock_shared();
  });
  say{reader.state(), m.try_lock_shared()};
}

SCENARIO(rwmutex_writer_waits_for_readers, "sync.RWMutex, Lock") {
  rwmutex m;
  m.lock_shared();
  m.lock_shared();
  const task writer([&] { m.lock(); });
  say{writer.state()};
  m.unlock_shared();
  say{writer.state()};
  m.unlock_shared();
  say{writer.join()};
}

SCENARIO(rwmutex_reader_waits_for_the_writer, "sync.RWMutex, RLock") {
  rwmutex m;
  m.lock();
  const task reader([&] { m.lock_shared(); });
  say{reader.state()};
  m.unlock();
  say{reader.join()};
}

SCENARIO(rwmutex_writers_exclude_each_other, "sync.RWMutex, Lock") {
  rwmutex m;
  m.lock();
  const task writer([&] {
    m.lock();
    m.unlock();
  });
  say{writer.blocks()};
  m.unlock();
  say{writer.join()};
}

SCENARIO(rwmutex_waiting_writer_stops_new_readers,
         "sync.RWMutex: a blocked Lock excludes new readers") {
  rwmutex m;
  m.lock_shared();
  const task writer([&] {
    m.lock();
    say{"writer"};
    m.unlock();
  });
  say{m.try_lock_shared()};
  const task reader([&] {
    m.lock_shared();
    say{"reader"};
    m.unlock_shared();
  });
  say{reader.state()};
  m.unlock_shared();
  say{writer.join(), reader.join()};
}

SCENARIO(rwmutex_queued_readers_pass_before_the_next_writer, "sync.RWMutex, Unlock") {
  rwmutex m;
  const channel<int> release(0);
  m.lock();
  const auto read = [&] {
    m.lock_shared();
    release.recv().value();
    m.unlock_shared();
  };
  const task a(read), b(read);
  const task writer([&] {
    m.lock();
    say{"writer"};
    m.unlock();
  });
  m.unlock();
  say{a.state(), b.state(), writer.blocks()};
  release.send(1);
  release.send(1);
  say{writer.join()};
}

SCENARIO(rwmutex_reading_again_behind_a_writer_waits_for_ever,
         "sync.RWMutex: no recursive read locking") {
  rwmutex m;
  const channel<int> go_on(0);
  const task reader([&] {
    m.lock_shared();
    go_on.recv().value();
    m.lock_shared();
  });
  const task writer([&] { m.lock(); });
  go_on.send(1);
  say{reader.state(), writer.state()};
}

SCENARIO(rwmutex_try_lock, "sync.RWMutex, TryLock") {
  rwmutex m;
  m.lock_shared();
  say{m.try_lock()};
  m.unlock_shared();
  say{m.try_lock(), m.try_lock(), m.try_lock_shared()};
  m.unlock();
  say{m.try_lock_shared()};
}

SCENARIO(rwmutex_read_lock_is_given_back_by_another,
         "sync.RWMutex: not associated with a goroutine") {
  rwmutex m;
  m.lock_shared();
  const task other([&] { m.unlock_shared(); });
  say{other.state(), m.try_lock()};
}

PROGRAM(rwmutex_unlock_of_unlocked, "sync.RWMutex, Unlock") { rwmutex().unlock(); }

PROGRAM(rwmutex_runlock_of_unlocked, "sync.RWMutex, RUnlock") { rwmutex().unlock_shared(); }

PROGRAM(rwmutex_runlock_of_a_write_lock, "sync.RWMutex, RUnlock") {
  rwmutex m;
  m.lock();
  m.unlock_shared();
}

PROGRAM(rwmutex_unlock_of_a_read_lock, "sync.RWMutex, Unlock") {
  rwmutex m;
  m.lock_shared();
  m.unlock();
}

PROGRAM(deadlock_on_a_rwmutex, "runtime/proc.go, checkdead") {
  rwmutex m;
  m.lock();
  go([&] { m.lock_shared(); });
  select();
}

SCENARIO(memory_a_reader_sees_what_writers_did, "The Go memory model, Locks") {
  rwmutex m;
  int a = 0, b = 0;
  std::atomic<int> torn{0};
  wait_group all;
  for (int i = 0; i < 4; ++i) {
    all.go([&] {
      for (int n = 0; n < 50; ++n) {
        const std::unique_lock write(m);
        ++a, ++b;
      }
    });
    all.go([&] {
      for (int n = 0; n < 50; ++n) {
        const std::shared_lock read(m);
        if (a != b) ++torn;
      }
    });
  }
  all.wait().value();
  say{torn.load(), a};
}

// --- cond ----------------------------------------------------------------------------------------

SCENARIO(cond_wait_gives_the_lock_away, "sync.Cond, Wait") {
  mutex m;
  cond c;
  const task waits([&] {
    m.lock();
    c.wait(m).value();
    m.unlock();
  });
  say{waits.state(), m.try_lock()};
}

SCENARIO(cond_signal_wakes_one, "sync.Cond, Signal") {
  mutex m;
  cond c;
  const auto wait = [&] {
    m.lock();
    c.wait(m).value();
    m.unlock();
  };
  const task a(wait), b(wait);
  c.notify_one();
  say{a.join(), b.blocks()};
}

SCENARIO(cond_signal_wakes_in_order, "sync/runtime notifyList: FIFO") {
  mutex m;
  cond c;
  std::vector<task> waiting;
  for (int i = 1; i <= 3; ++i) {
    waiting.emplace_back([&, i] {
      m.lock();
      c.wait(m).value();
      say{i};
      m.unlock();
    });
  }
  for (const auto& w : waiting) {
    c.notify_one();
    w.join();
  }
}

SCENARIO(cond_broadcast_wakes_all, "sync.Cond, Broadcast") {
  mutex m;
  cond c;
  std::vector<task> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&] {
      m.lock();
      c.wait(m).value();
      m.unlock();
    });
  }
  c.notify_all();
  for (const auto& w : waiting) say{w.join()};
}

SCENARIO(cond_woken_waits_for_the_lock, "sync.Cond, Wait: locks c.L before returning") {
  mutex m;
  cond c;
  const task waits([&] {
    m.lock();
    c.wait(m).value();
    m.unlock();
  });
  m.lock();
  c.notify_one();
  say{waits.state()};
  m.unlock();
  say{waits.join()};
}

SCENARIO(cond_signal_that_nobody_waits_for_is_lost, "sync.Cond, Signal") {
  mutex m;
  cond c;
  c.notify_one();
  c.notify_all();
  const task waits([&] {
    m.lock();
    c.wait(m).value();
  });
  say{waits.state()};
}

SCENARIO(cond_works_with_a_read_lock, "sync.NewCond, RWMutex.RLocker") {
  rwmutex m;
  cond c;
  const task waits([&] {
    std::shared_lock read(m);
    c.wait(read).value();
    say{"woken"};
  });
  m.lock();
  c.notify_one();
  m.unlock();
  say{waits.join()};
}

SCENARIO(cond_queue_of_producers_and_consumers, "sync.Cond") {
  mutex m;
  cond changed;
  std::vector<int> queue;
  int sum = 0;
  wait_group all;
  for (int i = 0; i < 4; ++i) {
    all.go([&] {
      for (int n = 0; n < 25; ++n) {
        std::unique_lock hold(m);
        changed.wait(hold, [&] { return !queue.empty(); }).value();
        sum += queue.back();
        queue.pop_back();
      }
    });
    all.go([&] {
      for (int n = 1; n <= 25; ++n) {
        const std::lock_guard hold(m);
        queue.push_back(n);
        changed.notify_one();
      }
    });
  }
  all.wait().value();
  say{sum};
}

// --- semaphore -----------------------------------------------------------------------------------

// acquired: "acquired" or "would block".
const char* acquired(bool done) { return done ? "acquired" : "would block"; }

SCENARIO(semaphore_try_acquire_until_empty, "x/sync/semaphore, TryAcquire") {
  semaphore s(3);
  say{acquired(s.try_acquire(2)), acquired(s.try_acquire(2)), acquired(s.try_acquire(1))};
  say{acquired(s.try_acquire(1))};
  s.release(3);
  say{acquired(s.try_acquire(3))};
}

SCENARIO(semaphore_acquire_waits, "x/sync/semaphore, Acquire") {
  semaphore s(1);
  s.acquire().value();
  const task waits([&] { say{s.acquire()}; });
  say{waits.blocks()};
  s.release();
  say{waits.join()};
}

SCENARIO(semaphore_serves_in_order, "x/sync/semaphore: FIFO") {
  semaphore s(1);
  s.acquire().value();
  std::vector<task> waiting;
  for (int i = 1; i <= 3; ++i) {
    waiting.emplace_back([&s, i] {
      s.acquire().value();
      say{i};
      s.release();
    });
  }
  s.release();
  for (const auto& w : waiting) w.join();
}

SCENARIO(semaphore_a_large_request_holds_up_small_ones,
         "x/sync/semaphore, notifyWaiters: no starvation") {
  semaphore s(3);
  s.acquire(2).value();
  const task large([&] { s.acquire(3).value(); });
  const task small([&] { s.acquire(1).value(); });
  say{large.blocks(), small.blocks(), acquired(s.try_acquire(1))};
  s.release(2);
  say{large.join(), small.blocks()};
  s.release(3);
  say{small.join()};
}

SCENARIO(semaphore_acquire_is_cancelled, "x/sync/semaphore, Acquire: ctx") {
  semaphore s(1);
  s.acquire().value();
  const auto [ctx, cancel] = with_cancel(context::background());
  const task waits([&s, c = ctx] { say{s.acquire(1, c)}; });
  cancel();
  say{waits.join()};
  s.release();
  say{acquired(s.try_acquire(1))};
}

SCENARIO(semaphore_cancelled_head_lets_others_pass, "x/sync/semaphore, Acquire: ctx") {
  semaphore s(3);
  s.acquire(2).value();
  const auto [ctx, cancel] = with_cancel(context::background());
  const task large([&s, c = ctx] { say{s.acquire(3, c)}; });
  const task small([&] { s.acquire(1).value(); });
  say{small.blocks()};
  cancel();
  say{large.join(), small.join()};
}

SCENARIO(semaphore_more_than_there_ever_is_waits_for_its_context, "x/sync/semaphore, Acquire") {
  semaphore s(2);
  const auto [ctx, cancel] = with_cancel(context::background());
  const task waits([&s, c = ctx] { say{s.acquire(3, c)}; });
  say{waits.blocks(), acquired(s.try_acquire(2))};
  cancel();
  say{waits.join()};
}

SCENARIO(semaphore_release_of_too_many_panics, "x/sync/semaphore, Release") {
  semaphore s(2);
  s.acquire(1).value();
  say{attempt([&] { s.release(2); })};
}

SCENARIO(semaphore_bounds_how_many_work, "x/sync/semaphore, examples") {
  semaphore s(3);
  std::atomic<int> now{0}, most{0};
  wait_group all;
  for (int i = 0; i < 30; ++i) {
    all.go([&] {
      s.acquire().value();
      const int n = ++now;
      for (int seen = most; n > seen && !most.compare_exchange_weak(seen, n);) {
      }
      yield();
      --now;
      s.release();
    });
  }
  all.wait().value();
  say{most.load() <= 3, now.load()};
}

}  // namespace
}  // namespace weft::conformance
