#include "plain.h"

#include <algorithm>
#include <cstring>

namespace interleave {
namespace {

// header: before each allocation: its size.
constexpr std::size_t header = 16;

constexpr std::uintptr_t in_words(std::uintptr_t address) noexcept { return address / 8; }

}  // namespace

plain_memory::plain_memory() : words_(words_max), arena_(new std::byte[arena_bytes]) {}

void plain_memory::reset() noexcept {
  ++execution_;
  used_ = 0;
  allocated_ = 0;
  freed_.clear();
}

plain_memory::word* plain_memory::find(std::uintptr_t address) noexcept {
  const std::size_t first = (address * 0x9e3779b97f4a7c15ULL) >> 51;
  static_assert(words_max == std::size_t{1} << (64 - 51));
  for (std::size_t i = 0; i < words_max; ++i) {
    word& w = words_[(first + i) % words_max];
    if (w.execution == execution_ && w.address == address) return &w;
    if (w.execution == execution_) continue;
    w.address = address;
    w.execution = execution_;
    w.count = 0;
    return &w;
  }
  return nullptr;
}

const char* plain_memory::touch(std::uint32_t t, const view& seen, std::uintptr_t word_address,
                                std::uint8_t bytes, bool write) {
  word* w = find(word_address);
  if (w == nullptr) return "the program touches too much memory";
  record* own = nullptr;
  for (std::size_t i = 0; i < w->count; ++i) {
    record& r = w->records[i];
    if ((r.bytes & bytes) == 0) continue;
    if (r.bytes == bytes) own = &r;
    if (r.written > seen.clock[r.writer]) {
      return write ? "data race: a write beside a write" : "data race: a read beside a write";
    }
    if (!write) continue;
    for (std::size_t u = 0; u < threads_max; ++u) {
      if (r.read[u] > seen.clock[u]) return "data race: a write beside a read";
    }
  }
  if (own == nullptr) {
    if (w->count == records_max) return "the program cuts one word into too many pieces";
    own = &w->records[w->count++];
    *own = {};
    own->bytes = bytes;
  }
  if (write) {
    own->writer = static_cast<std::uint8_t>(t);
    own->written = seen.clock[t];
  } else {
    own->read[t] = seen.clock[t];
  }
  return nullptr;
}

const char* plain_memory::access(std::uint32_t t, const view& seen, std::uintptr_t at,
                                 std::size_t size, bool write) {
  if (!freed_.empty() && freed(at)) return "memory is used after it was freed";
  const std::uintptr_t end = at + size;
  while (at < end) {
    const auto offset = static_cast<unsigned>(at % 8);
    const auto length = static_cast<unsigned>(std::min<std::uintptr_t>(8 - offset, end - at));
    const auto bytes = static_cast<std::uint8_t>(((1U << length) - 1) << offset);
    if (const char* wrong = touch(t, seen, in_words(at), bytes, write)) return wrong;
    at += length;
  }
  return nullptr;
}

void* plain_memory::allocate(std::size_t size, std::size_t alignment) noexcept {
  const std::size_t at = (used_ + header + alignment - 1) / alignment * alignment;
  if (at + size > arena_bytes) return nullptr;
  ++allocated_;
  used_ = (at + size + header - 1) / header * header;
  std::memcpy(arena_.get() + at - header, &size, sizeof size);
  return arena_.get() + at;
}

const char* plain_memory::free(std::uint32_t t, const view& seen, void* at) {
  std::size_t size = 0;
  std::memcpy(&size, static_cast<std::byte*>(at) - header, sizeof size);
  const auto low = reinterpret_cast<std::uintptr_t>(at);
  if (freed(low)) return "memory is freed twice";
  if (const char* wrong = access(t, seen, low, size, true)) return wrong;
  --allocated_;
  freed_.push_back({low, low + size});
  return nullptr;
}

bool plain_memory::owns(const void* at) const noexcept {
  const auto* p = static_cast<const std::byte*>(at);
  return p >= arena_.get() && p < arena_.get() + arena_bytes;
}

bool plain_memory::freed(std::uintptr_t at) const noexcept {
  return std::ranges::any_of(freed_, [at](range r) { return at >= r.low && at < r.high; });
}

}  // namespace interleave
