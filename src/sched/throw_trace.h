#pragma once

// throw_trace: from where an exception was thrown that leaves a goroutine of a scope.
//
// When it is rethrown at the join the stack it came from is gone, so it is noted at the throw: the
// unwinder walks the stack twice, and on its first walk, when nothing has been unwound yet, asks
// every frame's personality routine for a handler. call_observed() is a frame with a routine of
// ours, which notes the trace and has none. It costs nothing unless something is thrown, and only
// what really leaves the goroutine is noted. (Itanium C++ ABI, Exception Handling, 1.3 and 1.6.)
//
// An exception that a scope inside the goroutine rethrows keeps its first trace: see `rethrowing`.

#include <cstdint>
#include <string>

#include "sched/goroutine.h"

namespace weft::sched {

struct throw_trace {
  static constexpr int frames_max = 48;

  std::uint64_t id = 0;  // of the goroutine; 0: nothing was noted
  shown_name::text name = {};
  const char* site_function = "";
  const char* site_file = "";
  std::uint32_t site_line = 0;
  int count = 0;
  void* frames[frames_max];
};

// call_observed: f(argument), by a goroutine; notes into `sink` what leaves it.
void call_observed(void (*f)(void*), void* argument, throw_trace& sink);

// rethrowing: while one stands, an exception that passes is one that `first` tells of.
class rethrowing {
 public:
  explicit rethrowing(const throw_trace& first) noexcept;
  ~rethrowing();
  rethrowing(const rethrowing&) = delete;
  rethrowing& operator=(const rethrowing&) = delete;

 private:
  const throw_trace** const slot_;
  const throw_trace* const before_;
};

// text_of: as the last words of a panic; "" if nothing was noted. Allocates.
[[nodiscard]] std::string text_of(const throw_trace& t);

}  // namespace weft::sched
