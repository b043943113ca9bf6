// libFuzzer's entry to check_lines; built with clang when TERTULIA_FUZZ is on:
//   tertulia_fuzz_lines apps/tertulia/fuzz/corpus

#include <cstddef>
#include <cstdint>

#include "fuzz/check_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tertulia::fuzz::check_lines({reinterpret_cast<const char*>(data), size});
  return 0;
}
