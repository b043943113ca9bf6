#pragma once

// address_book: how many connections there are, in all and from each address. Any goroutine may
// call.

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include <weft/mutex.h>

namespace tertulia {

class address_book {
 public:
  address_book(int clients_max, int per_address_max)
      : clients_max_(static_cast<std::size_t>(clients_max)),
        per_address_max_(static_cast<std::size_t>(per_address_max)) {}

  // enter: counts a connection, or says why it may not stay: the text for its ERROR.
  [[nodiscard]] std::string_view enter(const std::string& address, bool is_exempt);
  // leave: takes it off again; once for each enter() that returned "".
  void leave(const std::string& address);

  [[nodiscard]] std::size_t count();

 private:
  const std::size_t clients_max_;
  const std::size_t per_address_max_;
  weft::mutex lock_;
  // Guarded by lock_:
  std::size_t count_ = 0;
  std::unordered_map<std::string, std::size_t> by_address_;
};

}  // namespace tertulia
