#pragma once

// counted: an object that goes away with the last reference to it.

#include <cstdint>

#include "base/atomic.h"

namespace weft::sched {

class counted {
 public:
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;

  void retain() noexcept {
    // relaxed: whoever retains has a reference already.
    references_.fetch_add(1, base::relaxed);
  }
  void release() noexcept {
    if (unreference()) destroy();
  }
  // try_retain: for who found it in a list that does not count: false if its last reference is
  // gone.
  [[nodiscard]] bool try_retain() noexcept {
    auto n = references_.load(base::relaxed);
    // relaxed: the lock that guards the list orders the rest.
    while (n != 0 && !references_.compare_exchange_weak(n, n + 1, base::relaxed, base::relaxed)) {
    }
    return n != 0;
  }
  // unreference: gives a reference back; true if it was the last one: then the caller owes a
  // destroy().
  [[nodiscard]] bool unreference() noexcept {
    // acq_rel: the last one sees all that the others did with the object.
    return references_.fetch_sub(1, base::acq_rel) == 1;
  }
  virtual void destroy() noexcept { delete this; }

 protected:
  counted() = default;
  virtual ~counted() = default;

 private:
  base::atomic<std::uint32_t> references_{1};
};

}  // namespace weft::sched
