#pragma once

// loop_client: a connection of the servers that run a loop over many: what a blocking server keeps
// on its stack (where it stands, what is still to be sent) has to be written out here.

#include <cstddef>
#include <span>
#include <vector>

#include "serve/output.h"

namespace lab {

class loop_client {
 public:
  // wants: what it waits for next.
  enum class wants : unsigned char { to_read, to_write, nothing };

  // loop_client: `fd` is non-blocking, and is closed at the end.
  explicit loop_client(int fd) noexcept : fd_(fd) {}
  loop_client(const loop_client&) = delete;
  loop_client& operator=(const loop_client&) = delete;
  ~loop_client();

  [[nodiscard]] int fd() const noexcept { return fd_; }

  // ready: goes on as far as it can: sends what is left, or reads once into `buffer` and prints it
  // or sends it back. Reads no more while the peer does not take what it is sent.
  wants ready(const output& out, bool echo, std::span<char> buffer);

 private:
  wants send(std::span<const char> bytes);

  int fd_;
  std::vector<char> unsent_;
};

}  // namespace lab
