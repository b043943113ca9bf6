#include "chat/key.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "chat/config.h"

namespace lab::chat {

bool same_key(std::span<const char> given, std::span<const char> key) {
  unsigned different = given.size() == key.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(given.size(), key.size()); ++i)
    different |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(key[i]);
  return different == 0;
}

std::string new_key() {
  std::array<unsigned char, key_size / 2> bytes{};
  std::FILE* random = std::fopen("/dev/urandom", "rb");
  if (random == nullptr) return {};
  const auto n = std::fread(bytes.data(), 1, bytes.size(), random);
  std::fclose(random);
  if (n != bytes.size()) return {};
  std::string key;
  for (const unsigned char b : bytes) {
    key += "0123456789abcdef"[b >> 4];
    key += "0123456789abcdef"[b & 15];
  }
  return key;
}

std::expected<std::string, std::string> read_key(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) == 0 && (about.st_mode & S_IRWXO) != 0)
    return std::unexpected(path + ": everybody may read it: chmod o= it");
  const auto read = read_config(path, {"KEY"});
  if (!read) return std::unexpected(read.error());
  const auto key = read->find("KEY");
  if (key == read->end() || key->second.size() != key_size)
    return std::unexpected(path + ": KEY and a value of " + std::to_string(key_size) +
                           " characters are needed (weft-chat key makes one)");
  return key->second;
}

}  // namespace lab::chat
