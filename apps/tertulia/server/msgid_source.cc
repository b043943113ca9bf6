#include "server/msgid_source.h"

#include <sodium.h>

#include <array>

namespace tertulia {

std::string fresh_msgid() {
  std::array<unsigned char, 12> bytes;
  randombytes_buf(bytes.data(), bytes.size());
  std::array<char, bytes.size() * 2 + 1> hex;
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
  return hex.data();
}

}  // namespace tertulia
