#include "server/address_book.h"

#include <mutex>

namespace tertulia {

std::string_view address_book::enter(const std::string& address, bool is_exempt) {
  const std::lock_guard hold(lock_);
  if (count_ >= clients_max_) return "Server is full";
  const auto at = by_address_.find(address);
  if (!is_exempt && at != by_address_.end() && at->second >= per_address_max_)
    return "Too many connections from your address";
  ++by_address_[address];
  ++count_;
  return {};
}

void address_book::leave(const std::string& address) {
  const std::lock_guard hold(lock_);
  --count_;
  const auto at = by_address_.find(address);
  if (--at->second == 0) by_address_.erase(at);
}

std::size_t address_book::count() {
  const std::lock_guard hold(lock_);
  return count_;
}

}  // namespace tertulia
