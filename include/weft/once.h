#pragma once

// once: calls a function the first time only.
//
//   weft::once ready;
//   ready.call([] { load_tables(); });

#include <cstddef>
#include <functional>
#include <utility>

namespace weft {

class once {
 public:
  once() noexcept;
  once(const once&) = delete;
  once& operator=(const once&) = delete;
  ~once() = default;

  // call: calls `f` if this is the first call of all; others wait until that one has returned, and
  // see what it did. An exception of f passes to its caller and counts as done. Calling it from
  // within f waits for ever.
  template <class F>
  void call(F&& f) {
    if (!begin()) return;
    struct finish {
      once& self;
      ~finish() { self.end(); }
    } const at_exit{*this};
    std::invoke(std::forward<F>(f));
  }

 private:
  bool begin() noexcept;
  void end() noexcept;

  alignas(8) std::byte core_[32];
};

}  // namespace weft
