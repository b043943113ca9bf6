#pragma once

// plain: memory that is no atomic: who accessed it when, by vector clocks, and what of it has been
// given back. Compiled code tells of its accesses by the calls that -fsanitize=thread puts in.
//
// P1  Two accesses to a byte, one of them a write, are a race unless the later one's thread has
//     seen (view.clock) the clock of the earlier one's thread as it was at the access. The answer
//     does not depend on which was run first, so one order of what commutes shows it.
// P2  Memory that an execution allocates is given back when the execution is over, not before: an
//     address means one object. What the program frees is noted, and may not be touched again.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "memory.h"

namespace interleave {

class plain_memory {
 public:
  plain_memory();

  void reset() noexcept;

  // access: null, or what is wrong with it.
  [[nodiscard]] const char* access(std::uint32_t t, const view& seen, std::uintptr_t at,
                                   std::size_t size, bool write);

  // allocate: null if the arena is full. free: null, or what is wrong.
  [[nodiscard]] void* allocate(std::size_t size, std::size_t alignment) noexcept;
  [[nodiscard]] const char* free(std::uint32_t t, const view& seen, void* at);
  // allocated: how many allocations have not been freed.
  [[nodiscard]] std::size_t allocated() const noexcept { return allocated_; }
  [[nodiscard]] bool owns(const void* at) const noexcept;
  [[nodiscard]] bool freed(std::uintptr_t at) const noexcept;

 private:
  // record: of the accesses to the same bytes of a word.
  struct record {
    std::uint8_t bytes = 0;
    std::uint8_t writer = 0;
    std::uint16_t written = 0;
    std::array<std::uint16_t, threads_max> read{};
  };
  static constexpr std::size_t records_max = 6;
  struct word {
    std::uintptr_t address = 0;
    std::uint32_t execution = 0;
    std::uint32_t count = 0;
    std::array<record, records_max> records;
  };
  struct range {
    std::uintptr_t low;
    std::uintptr_t high;
  };
  [[nodiscard]] word* find(std::uintptr_t address) noexcept;
  [[nodiscard]] const char* touch(std::uint32_t t, const view& seen, std::uintptr_t word_address,
                                  std::uint8_t bytes, bool write);

  static constexpr std::size_t words_max = 1 << 13;
  static constexpr std::size_t arena_bytes = 1 << 18;

  std::vector<word> words_;
  std::uint32_t execution_ = 0;
  std::unique_ptr<std::byte[]> arena_;
  std::size_t used_ = 0;
  std::size_t allocated_ = 0;
  std::vector<range> freed_;
};

}  // namespace interleave
