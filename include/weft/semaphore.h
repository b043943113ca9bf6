#pragma once

// semaphore: so many permissions, of which each caller takes some and gives them back.
//
//   weft::semaphore slots(8);
//   if (auto got = slots.acquire(3, ctx); !got) return got.error();
//   ...
//   slots.release(3);
//
// Who takes them need not be who gives them back: one that begins with none hands a permission
// from one goroutine to another (`semaphore ready(1, 0)`).
//
// Strictly first come, first served: a large request at the head of the queue holds up smaller ones
// behind it, so that it is not starved by them. Usable from plain threads, and before main. It may
// be destroyed as soon as the last acquire has returned, even if the release that let it in has
// not.

#include <weft/error.h>
#include <weft/limit.h>

#include <cstddef>

namespace weft {

class semaphore {
 public:
  // semaphore: `size` permissions at most, all of them there, or only `available`. Throws
  // misuse_error unless 0 <= available <= size.
  constexpr explicit semaphore(std::ptrdiff_t size) : semaphore(size, size) {}
  constexpr semaphore(std::ptrdiff_t size, std::ptrdiff_t available)
      : size_(size), available_(available) {
    if (available < 0 || available > size) throw misuse_error("semaphore: size out of range");
  }
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore() = default;

  // acquire: waits until `n` are there and nobody is before it, and takes them. An error
  // (errc::timeout, errc::cancelled) means that it took none, and those behind it move up. More
  // than the size are never there: that waits for its limit, and holds up nobody. What was done
  // before the release of what it takes is visible. Throws misuse_error if n < 0.
  result<void> acquire(std::ptrdiff_t n, const limit& l = {});
  result<void> acquire(const limit& l = {}) { return acquire(1, l); }

  // try_acquire: takes them if they are there and nobody waits. Never waits.
  [[nodiscard]] bool try_acquire(std::ptrdiff_t n = 1);

  // release: gives `n` back, or for the first time. Never waits, never switches. Throws
  // misuse_error ("semaphore: released more than held") if there would be more than the size, and
  // changes nothing then.
  void release(std::ptrdiff_t n = 1);

 private:
  const std::ptrdiff_t size_;
  std::ptrdiff_t available_;  // guarded by the lock in waiters_
  alignas(8) std::byte waiters_[16] = {};
};

}  // namespace weft
