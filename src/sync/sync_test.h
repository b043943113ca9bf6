#pragma once

// What the tests of sync share.

#include <gtest/gtest.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <thread>
#include <utility>

#include "arch/sanitizer.h"
#include "sched/scheduler.h"

namespace weft::sync_test {

// scaled: how often a stress test repeats, in this build.
constexpr int scaled(int n) {
  if (WEFT_TSAN != 0) return n / 20 + 1;
  if (WEFT_ASAN != 0) return n / 5 + 1;
  return n;
}

// wait_until: lets others run until `condition` holds.
template <class F>
void wait_until(F&& condition) {
  while (!condition()) weft::yield();
}

// parked: how many goroutines of this runtime are parked for `reason`.
inline std::size_t parked(sched::wait_reason reason) {
  std::size_t n = 0;
  sched::current_scheduler()->for_each_goroutine([&](const sched::goroutine& seen) {
    auto& g = const_cast<sched::goroutine&>(seen);
    if (!g.try_hold()) return;
    if (g.reason == reason) ++n;
    g.drop_hold();
  });
  return n;
}

inline void wait_until_parked(sched::wait_reason reason, std::size_t n) {
  wait_until([&] { return parked(reason) == n; });
}

// in_weft: runs `f` as the first goroutine of a runtime, and waits until all others have ended.
template <class F>
void in_weft(F&& f) {
  weft::run([&] {
    f();
    wait_until([] { return weft::goroutine_count() == 1; });
  });
}

// on_thread: runs `f` on a plain thread.
template <class F>
void on_thread(F&& f) {
  std::thread(std::forward<F>(f)).join();
}

// in_both: a claim that holds in goroutines and on plain threads.
template <class F>
void in_both(F&& f) {
  in_weft(f);
  on_thread(f);
}

// join_from_goroutine: waits for a thread without blocking the processor.
inline void join_from_goroutine(std::thread& t) {
  weft::blocking([&] { t.join(); });
}

// wait_until_monitor_sleeps: on a plain thread, while the processors of `s` are busy.
inline void wait_until_monitor_sleeps(const sched::scheduler& s) {
  while (!s.monitor_sleeps()) std::this_thread::yield();
}

// have_spare_machines: some threads of the runtime that others need no more: while a library is
// loaded nobody can start one, and a processor may be taken from who is slow.
inline void have_spare_machines() {
  wait_group all;
  for (int i = 0; i < 4; ++i)
    all.go([] { blocking([] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }); });
  EXPECT_TRUE(all.wait());
}

// retaken: whether processors are taken at every opportunity: then the first that is ready runs at
// once, on another thread, before the next is.
inline bool retaken() {
  const char* modes = std::getenv("WEFT_TEST_MODE");
  return modes != nullptr && std::string_view(modes).contains("retake");
}

// last_destroys: one thread lets M go while another gives up waiting for it and tries again, until
// it gets it, and destroys it: the first may stand in its unlock still. Shared: the first reads.
template <class M, bool Shared = false>
void last_destroys() {
  for (int i = 0; i < 1000; ++i) {
    auto* t = new M;
    if constexpr (Shared) {
      t->lock_shared();
    } else {
      t->lock();
    }
    std::atomic<bool> tries{false};
    std::thread other([&] {
      while (!t->try_lock_for(std::chrono::nanoseconds(1))) tries = true;
      t->unlock();
      delete t;
    });
    while (!tries) std::this_thread::yield();
    if constexpr (Shared) {
      t->unlock_shared();
    } else {
      t->unlock();
    }
    other.join();
  }
}

}  // namespace weft::sync_test
