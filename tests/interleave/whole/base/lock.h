#pragma once

// lock: what stands in the place of src/base/lock.h where the check is of what a lock guards:
// taking it is one step, and so is letting it go. That the real one is a lock is lock_test.cc's to
// show.

#include <cstdint>

#include "base/atomic.h"

namespace weft::base {

enum class rank : std::uint8_t {
  scope,
  context,
  channel,
  sync,
  cancel,
  descriptor,
  poller,
  timers,
  machine,
  scheduler,
  stacks,
  slabs,
  leaf,
};

template <rank R>
class lock {
 public:
  using site = interleave::site;

  lock() = default;
  lock(const lock&) = delete;
  lock& operator=(const lock&) = delete;

  void acquire(site at = site::current()) noexcept {
    interleave::take_when(word_.checked_cell(), 0, 1, at);
  }
  void release(site at = site::current()) noexcept { word_.exchange(0, base::release, at); }
  void pass(site at = site::current()) noexcept {
    if (word_.load(base::acquire, at) == 0) return;
    acquire(at);
    release(at);
  }

 private:
  atomic<std::uint32_t> word_{0};
};

template <rank R>
class [[nodiscard]] locked {
 public:
  explicit locked(lock<R>& l, interleave::site at = interleave::site::current()) noexcept
      : lock_(l), at_(at) {
    lock_.acquire(at_);
  }
  ~locked() { lock_.release(at_); }
  locked(const locked&) = delete;
  locked& operator=(const locked&) = delete;

 private:
  lock<R>& lock_;
  const interleave::site at_;
};

}  // namespace weft::base
