#pragma once

// What the tests of net share.

#include <gtest/gtest.h>
#include <unistd.h>
#include <weft/net.h>
#include <weft/wait_group.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "sync/sync_test.h"

namespace weft::net_test {

using sync_test::in_weft;
using sync_test::on_thread;
using sync_test::scaled;
using sync_test::wait_until;
using sync_test::wait_until_parked;

// socket_path: a fresh path in a directory of its own, which goes with it.
class socket_path {
 public:
  socket_path() {
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    path_ = std::string(directory_.data()) + "/s";
  }
  ~socket_path() {
    ::unlink(path_.c_str());
    ::rmdir(directory_.data());
  }
  socket_path(const socket_path&) = delete;
  socket_path& operator=(const socket_path&) = delete;
  [[nodiscard]] const std::string& text() const { return path_; }
  [[nodiscard]] bool exists() const { return ::access(path_.c_str(), F_OK) == 0; }

 private:
  std::array<char, 32> directory_{"/tmp/weft-net-test-XXXXXX"};
  std::string path_;
};

struct connected {
  net::conn client;
  net::conn server;
};

// connect_pair: two ends of a connection over loopback.
inline connected connect_pair(const char* network = "tcp") {
  const std::string where = std::string_view(network).starts_with("unix")
                                ? "@weft-net-test-" + std::to_string(::getpid())
                                : (std::string(network) == "tcp6" ? "[::1]:0" : "127.0.0.1:0");
  auto listener = net::listen(network, where).value();
  connected both;
  wait_group dialled;
  dialled.go(
      [&] { both.client = net::dial(network, listener.local_address().to_string()).value(); });
  both.server = listener.accept().value();
  dialled.wait().value();
  return both;
}

// read_all: what comes until the end of the stream.
inline std::string read_all(net::conn& c) {
  std::string all;
  std::string buffer(64 * 1024, '\0');
  for (;;) {
    const auto n = c.read(buffer);
    if (!n) {
      EXPECT_TRUE(n.error().eof()) << n.error().message();
      return all;
    }
    all.append(buffer, 0, *n);
  }
}

// read_exactly: `size` bytes.
inline std::string read_exactly(net::conn& c, std::size_t size) {
  std::string all(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const auto n = c.read(std::span(all).subspan(got));
    if (!n) {
      ADD_FAILURE() << n.error().message();
      break;
    }
    got += *n;
  }
  return all.substr(0, got);
}

// pattern: bytes of which a piece shows its place.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 7919) >> 8);
  return bytes;
}

// flood: more than the kernel buffers between two ends that nobody reads.
inline const std::string& flood() {
  static const std::string bytes = pattern(16'000'000);
  return bytes;
}

}  // namespace weft::net_test
