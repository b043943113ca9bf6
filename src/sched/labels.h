#pragma once

// label_set: the labels of goroutines, for lists. A set never changes while somebody has it: who
// sets a label makes another, and goroutines share what they inherited. Sets are type-stable, as
// goroutines are: a list that comes late reads another set's text, whole words of it, and no freed
// memory.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/atomic.h"
#include "sched/goroutine.h"

namespace weft::sched {

class label_set {
 public:
  // text: "key\0value\0key\0value\0\0".
  static constexpr std::size_t size = 240;
  using text = std::array<char, size>;

  // with: what `old` (or null) has, and `key`; counted for the caller. Null if there is no room, or
  // no memory.
  [[nodiscard]] static label_set* with(const label_set* old, std::string_view key,
                                       std::string_view value) noexcept;

  label_set* retain() noexcept {
    // relaxed: whoever retains has a reference already.
    references_.fetch_add(1, base::relaxed);
    return this;
  }
  void release() noexcept {
    // acq_rel: whoever fills it anew comes after all who read it.
    if (references_.fetch_sub(1, base::acq_rel) == 1) recycle();
  }

  [[nodiscard]] text get() const noexcept;

  // for_each: calls f(key, value), C strings.
  template <class F>
  static void for_each(const text& all, F&& f) {
    const char* at = all.data();
    const char* const end = all.data() + size;
    while (at < end && *at != '\0') {
      const char* value = at + ::strnlen(at, static_cast<std::size_t>(end - at)) + 1;
      if (value >= end) return;  // torn: a glance at a set that was filled anew
      const auto length = ::strnlen(value, static_cast<std::size_t>(end - value));
      if (value + length == end) return;
      f(at, value);
      at = value + length + 1;
    }
  }

 private:
  friend struct debug_access;  // debugger.cc

  label_set() = default;
  [[nodiscard]] static label_set* take() noexcept;
  void recycle() noexcept;
  void put(const text& all) noexcept;

  shown<std::uint64_t> words_[size / 8] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  base::atomic<std::uint32_t> references_{1};
  label_set* next_free_ = nullptr;
  label_set* made_before_ = nullptr;
};

}  // namespace weft::sched
