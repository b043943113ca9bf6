#pragma once

// cond: waits until somebody says that what a lock guards has changed.
//
//   std::unique_lock hold(m);                        // of a weft::mutex or rwmutex, or that itself
//   changed.wait(hold, [&] { return !jobs.empty(); });
//   ...
//   { const std::lock_guard hold(m); jobs.push(job); }
//   changed.notify_one();
//
// Who waits stands in the queue before the lock is let go, so no notification between the two is
// missed; it is woken by a notification or its limit, and by nothing else. notify_one() wakes the
// one that has waited longest. Usable from plain threads, and before main. It may be destroyed when
// all waits have returned.

#include <weft/error.h>
#include <weft/limit.h>

#include <concepts>
#include <cstddef>
#include <functional>

namespace weft {

class cond {
 public:
  constexpr cond() noexcept = default;
  cond(const cond&) = delete;
  cond& operator=(const cond&) = delete;
  ~cond() = default;

  // wait: lets `lock` go, waits, and takes it again, without a limit, before it returns, whatever
  // ended the wait. `lock` is anything with lock() and unlock() whose unlock() does not wait: a
  // weft::mutex or rwmutex, a std::unique_lock or std::shared_lock of one. An error means that `l`
  // ended the wait: then no notification was used up. What was done before the notification is
  // visible.
  template <class Lock>
  result<void> wait(Lock& lock, const limit& l = {}) {
    place mine(*this);
    lock.unlock();
    const relock again{lock};
    return mine.wait(l);
  }

  // wait for a condition: waits until `condition` holds, which is asked with the lock held. An
  // error means that it did not hold when `l` ended the wait.
  template <class Lock, class Condition>
    requires std::predicate<Condition&>
  result<void> wait(Lock& lock, Condition condition, const limit& l = {}) {
    while (!std::invoke(condition)) {
      if (auto notified = wait(lock, l); !notified) {
        if (std::invoke(condition)) return {};
        return notified;
      }
    }
    return {};
  }

  // notify_one: wakes the one that has waited longest, if anybody waits. notify_all: all who wait.
  // With or without the lock held; neither waits nor switches.
  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  // place: in the queue; leaves it in the end.
  class place {
   public:
    explicit place(cond& of) noexcept;
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place();
    result<void> wait(const limit& l) noexcept;

   private:
    cond& of_;
    bool waited_ = false;
    alignas(8) std::byte node_[48];
  };

  template <class Lock>
  struct relock {
    Lock& lock;
    ~relock() { lock.lock(); }
  };
  template <class Lock>
  relock(Lock&) -> relock<Lock>;

  alignas(8) std::byte waiters_[16] = {};
};

}  // namespace weft
