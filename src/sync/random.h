#pragma once

#include <cstdint>

namespace weft::sync {

// random_bits: 64 of them, for choices that should be even, not secret. Any thread; inside the
// gate.
[[nodiscard]] std::uint64_t random_bits() noexcept;

// random_below: an even choice of 0 to n - 1; n > 0 and far below 2^32.
[[nodiscard]] inline std::uint32_t random_below(std::uint32_t n) noexcept {
  // Lemire's reduction; its bias is at most n / 2^32.
  return static_cast<std::uint32_t>(((random_bits() >> 32) * n) >> 32);
}

}  // namespace weft::sync
