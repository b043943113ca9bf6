#pragma once

// message: a protobuf message as it is made: fields by number, in any order, and messages in them.
// (https://protobuf.dev/programming-guides/encoding/)

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace weft::observe {

class message {
 public:
  // number: a varint: every integer type, bool and enum.
  message& number(std::uint32_t field, std::uint64_t value) {
    key(field, 0);
    varint(value);
    return *this;
  }
  message& fixed64(std::uint32_t field, std::uint64_t value) {
    key(field, 1);
    for (int i = 0; i < 8; ++i) bytes_ += static_cast<char>(value >> (8 * i));
    return *this;
  }
  message& text(std::uint32_t field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  message& inner(std::uint32_t field, const message& value) { return text(field, value.bytes_); }

  void clear() noexcept { bytes_.clear(); }
  [[nodiscard]] std::string take() noexcept { return std::move(bytes_); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

 private:
  void key(std::uint32_t field, std::uint32_t type) { varint(field << 3 | type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace weft::observe
