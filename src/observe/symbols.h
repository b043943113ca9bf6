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

// symbols: of one dump. Not thread-safe.
class symbols {
 public:
  // With `crashed`, of a process that dies: waits for no lock of the dynamic linker.
  explicit symbols(bool crashed) : crashed_(crashed) {}

  // at: where the call stands that returns to `pc`: what was inlined there, innermost first, then
  // the function. At least one.
  const std::vector<source>& at(std::uintptr_t pc);

  // stack: all of them, without the runtime's own at the ends.
  [[nodiscard]] std::vector<const source*> stack(const std::vector<std::uintptr_t>& addresses);

 private:
  const bool crashed_;
  std::unordered_map<std::uintptr_t, std::vector<source>> known_;
};

// read_debug_information: what it says of the instruction at `pc`, innermost first, is appended to
// `to`. Names may be mangled, short or empty. Takes 10 to 1000 ms the first time, for what the
// program is made of. read_symbol: the mangled name of the function in the symbol tables, or "".
// (symbols_libbacktrace.cc; nothing without that library: symbols_none.cc.)
void read_debug_information(std::uintptr_t pc, std::vector<source>& to);
[[nodiscard]] std::string read_symbol(std::uintptr_t pc);

}  // namespace weft::observe
