#pragma once

// unique_fd: a descriptor that is closed unless somebody takes it.

#include <utility>

#include "poll/sockets.h"

namespace weft::net {

class unique_fd {
 public:
  unique_fd() noexcept = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.take()) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.take();
    }
    return *this;
  }
  ~unique_fd() { reset(); }

  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int take() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept {
    if (fd_ >= 0) poll::close_descriptor(take());
  }

 private:
  int fd_ = -1;
};

}  // namespace weft::net
