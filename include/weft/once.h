#pragma once

// once: calls a function the first time only.
//
//   static weft::once ready;
//   ready.call([] { load_tables(); });
//
// Usable from plain threads, and before main. It may be destroyed when all its calls have returned.

#include <weft/error.h>
#include <weft/limit.h>

#include <cstddef>
#include <functional>
#include <utility>

namespace weft {

class once {
 public:
  constexpr once() noexcept = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;
  ~once() = default;

  // call: calls `f` if this is the first call of all; others wait until that one has returned, and
  // see what it did. An error means that `l` ended that wait before. An exception of f passes to
  // its caller and counts as done. Calling it from within f waits for ever.
  template <class F>
  result<void> call(F&& f, const limit& l = {}) {
    const auto first = begin(l);
    if (!first) return std::unexpected(first.error());
    if (!*first) return {};
    struct finish {
      once& self;
      ~finish() { self.end(); }
    } const at_exit{*this};
    std::invoke(std::forward<F>(f));
    return {};
  }

 private:
  // begin: true if the caller has to call f.
  result<bool> begin(const limit& l) noexcept;
  void end() noexcept;

  alignas(8) std::byte core_[16] = {};
};

}  // namespace weft
