// symbols, by GCC's libbacktrace, which reads DWARF and symbol tables.

#include <backtrace.h>

#include "observe/symbols.h"

namespace weft::observe {
namespace {

// ignore: what cannot be read is looked for elsewhere.
void ignore(void*, const char*, int) {}

int add_line(void* raw, std::uintptr_t, const char* file, int line, const char* function) {
  if (file == nullptr && function == nullptr) return 0;
  static_cast<std::vector<source>*>(raw)->push_back(
      {function != nullptr ? function : "", file != nullptr ? file : "", line});
  return 0;
}

void note_symbol(void* raw, std::uintptr_t, const char* name, std::uintptr_t, std::uintptr_t) {
  if (name != nullptr) *static_cast<std::string*>(raw) = name;
}

// reader: for ever: the library cannot free it. Null without memory.
backtrace_state* reader() {
  static backtrace_state* const state = ::backtrace_create_state(nullptr, 1, ignore, nullptr);
  return state;
}

}  // namespace

void read_debug_information(std::uintptr_t pc, std::vector<source>& to) {
  if (reader() != nullptr) ::backtrace_pcinfo(reader(), pc, add_line, ignore, &to);
}

std::string read_symbol(std::uintptr_t pc) {
  std::string name;
  if (reader() != nullptr) ::backtrace_syminfo(reader(), pc, note_symbol, ignore, &name);
  return name;
}

}  // namespace weft::observe
