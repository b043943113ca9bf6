#pragma once

// folder_lock: that one process alone uses a data folder. The kernel lets go of it when the process
// ends, however it ends, so nothing stale can stay behind.

#include <string>
#include <utility>

#include "server/sqlite.h"

namespace tertulia {

class folder_lock {
 public:
  // take: of a folder that is there; kind::busy when somebody else has it. Never waits.
  [[nodiscard]] static store_result<folder_lock> take(const std::string& folder);

  folder_lock(folder_lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  folder_lock& operator=(folder_lock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~folder_lock();

 private:
  explicit folder_lock(int fd) noexcept : fd_(fd) {}
  int fd_;
};

}  // namespace tertulia
