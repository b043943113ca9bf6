#include "server/password.h"

#include <sodium.h>

namespace tertulia {

password::password(std::string_view text) {
  randombytes_buf(key_.data(), key_.size());
  if (!text.empty()) hash_ = hash(text);
}

password::digest password::hash(std::string_view text) const {
  digest out;
  crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), key_.data(), key_.size());
  return out;
}

bool password::matches(std::string_view given) const {
  if (!hash_) return true;
  const digest other = hash(given);
  return sodium_memcmp(hash_->data(), other.data(), other.size()) == 0;
}

}  // namespace tertulia
