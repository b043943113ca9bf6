#pragma once

// code_place: where code lies: in which file, and where in that, as addr2line wants it.

#include <array>
#include <cstdint>

namespace weft::arch {

struct code_place {
  const char* file = nullptr;  // null: unknown; a loan while it is loaded
  std::uintptr_t base = 0;     // where the file's address 0 lies
};

// place_of: allocates nothing. With `crashed`, of a process that dies, it waits for no lock: where
// there is no other way the file stays unknown.
[[nodiscard]] code_place place_of(std::uintptr_t pc, bool crashed) noexcept;

// place_text: "file(+0xoffset) [0xaddress]", as backtrace_symbols(3) has it for what has no symbol,
// but that it waits for nobody who loads a library. Long files lose their end.
using place_text = std::array<char, 512>;
[[nodiscard]] place_text text_of_place(const void* pc) noexcept;

}  // namespace weft::arch
