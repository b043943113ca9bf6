#pragma once

// pages: the memory that stacks are made of, as the kernel gives it. The system calls of this
// module stand behind these functions, one file per platform.

#include <cstddef>

namespace weft::stack {

// map_pages: `bytes` of zeroed memory that costs nothing until touched, page by page; null if
// refused.
[[nodiscard]] char* map_pages(std::size_t bytes) noexcept;
void unmap_pages(char* at, std::size_t bytes) noexcept;

// discard_pages: the memory stays mapped, reads as zero and costs nothing again; guards stay.
void discard_pages(char* at, std::size_t bytes) noexcept;

// install_guard: every access to [at, at + bytes) faults from now on; costs no mapping. False if
// this kernel cannot, or not here (locked memory).
[[nodiscard]] bool install_guard(char* at, std::size_t bytes) noexcept;

// protect_guard: the same by protection, which splits the mapping: one more on each side.
[[nodiscard]] bool protect_guard(char* at, std::size_t bytes) noexcept;

// access_faults: whether reading the byte at `at` fails. Asks the kernel to read it: no signal, no
// descriptor, no other process.
[[nodiscard]] bool access_faults(const char* at) noexcept;

// spare_mappings: how many more mappings the kernel allows this process now.
[[nodiscard]] std::size_t spare_mappings() noexcept;

}  // namespace weft::stack
