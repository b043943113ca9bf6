#pragma once

// symbols: what stands at an address of code, for people.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft::observe {

struct source {
  std::string function;
  std::string file;  // empty: unknown
  int line = 0;
};

// readable: `name`, mangled or not, for people. What is long is cut, and may stay mangled.
[[nodiscard]] std::string readable(const std::string& name);

// debug_information: of what is loaded when it is made. With `crashed` it takes no lock, and is of
// what was loaded for the last one. (symbols_libbacktrace.cc; nothing without that library:
// symbols_none.cc.)
class debug_information {
 public:
  explicit debug_information(bool crashed);

  // sources: what it says of the instruction at `pc`, innermost first, is appended to `to`. Names
  // may be mangled, short or empty. Takes 10 to 1000 ms the first time, and when something was
  // loaded or unloaded since, for what the program is made of.
  void sources(std::uintptr_t pc, std::vector<source>& to) const;
  // symbol: the mangled name of the function in the symbol tables, or "".
  [[nodiscard]] std::string symbol(std::uintptr_t pc) const;

 private:
  [[nodiscard]] bool knows(std::uintptr_t pc) const noexcept {
    return state_ != nullptr && pc >= low_ && pc < high_;
  }

  void* state_ = nullptr;  // for ever; the library's
  // What it is good for: addresses in [low_, high_).
  std::uintptr_t low_ = 0;
  std::uintptr_t high_ = UINTPTR_MAX;
};

// symbols: of one dump. Not thread-safe.
class symbols {
 public:
  // With `crashed`, of a process that dies: waits for no lock of the dynamic linker.
  explicit symbols(bool crashed) : crashed_(crashed), information_(crashed) {}

  // at: where the call stands that returns to `pc`: what was inlined there, innermost first, then
  // the function. At least one.
  const std::vector<source>& at(std::uintptr_t pc);

  // stack: all of them, without the runtime's own at the ends.
  [[nodiscard]] std::vector<const source*> stack(const std::vector<std::uintptr_t>& addresses);

 private:
  const bool crashed_;
  const debug_information information_;
  std::unordered_map<std::uintptr_t, std::vector<source>> known_;
};

}  // namespace weft::observe
