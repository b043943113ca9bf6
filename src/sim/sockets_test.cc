// Sockets of the simulated network, below what conn makes of them.

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <system_error>

#include "sim/network.h"

namespace weft::sim {
namespace {

// a_network: of which the tests are the machine.
class a_network {
 public:
  int open() {
    const int fd = net.socket(AF_INET, SOCK_STREAM);
    int wrong = 0;
    records_[fd] = net.open(fd, &wrong, poll::access::shared);
    EXPECT_EQ(wrong, 0);
    return fd;
  }
  std::int64_t connect(int fd, std::uint16_t port) {
    sockaddr_in native = loopback(port);
    return net.attempt(*records_[fd], {poll::opcode::connect, &native, sizeof native},
                       poll::trust::ask);
  }
  std::int64_t write(int fd, std::string bytes) {
    return net.attempt(*records_[fd], {poll::opcode::write, bytes.data(), bytes.size()},
                       poll::trust::ask);
  }
  // accept: the socket, or an error; read: what there is, or the error.
  std::int64_t accept(int fd) {
    const auto got = net.attempt(*records_[fd], {poll::opcode::accept}, poll::trust::ask);
    int wrong = 0;
    const int accepted = static_cast<int>(got);
    if (got >= 0) records_[accepted] = net.open(accepted, &wrong, poll::access::shared);
    return got;
  }
  std::string read(int fd) {
    std::string bytes(16, '\0');
    const auto n = net.attempt(*records_[fd], {poll::opcode::read, bytes.data(), bytes.size()},
                               poll::trust::ask);
    if (n < 0) return std::generic_category().message(static_cast<int>(-n));
    bytes.resize(static_cast<std::size_t>(n));
    return bytes;
  }
  int listen(std::uint16_t port) {
    const int fd = open();
    const sockaddr_in native = loopback(port);
    EXPECT_EQ(net.bind(fd, reinterpret_cast<const sockaddr*>(&native), sizeof native), 0);
    EXPECT_EQ(net.listen(fd, 5), 0);
    return fd;
  }
  // settle: until nothing is under way.
  void settle() {
    for (auto next = net.next(); next != std::numeric_limits<std::int64_t>::max();
         next = net.next()) {
      clock_ = std::max(clock_, next);
      net.run();
    }
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in native{};
    native.sin_family = AF_INET;
    native.sin_port = htons(port);
    native.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return native;
  }

  std::int64_t clock_ = 0;
  std::map<int, poll::descriptor*> records_;

 public:
  network net{clock_, 1, [] { return std::string("localhost"); }};
};

TEST(sockets, a_socket_that_was_refused_may_connect_again) {
  a_network all;
  const int client = all.open();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(all.connect(client, 80), -EAGAIN);
    all.settle();
    EXPECT_EQ(all.connect(client, 80), -ECONNREFUSED);
  }
  const int listener = all.listen(80);
  EXPECT_EQ(all.connect(client, 80), -EAGAIN);
  all.settle();
  EXPECT_EQ(all.connect(client, 80), 0);
  const auto server = static_cast<int>(all.accept(listener));
  ASSERT_GE(server, 0);
  EXPECT_EQ(all.write(server, "hello"), 5);
  all.settle();
  EXPECT_EQ(all.read(client), "hello");
}

// As on Linux: once for an error that was told by another call.
TEST(sockets, connect_says_that_it_failed_when_another_call_said_why) {
  a_network all;
  const int client = all.open();
  EXPECT_EQ(all.connect(client, 80), -EAGAIN);
  all.settle();
  EXPECT_EQ(all.write(client, "x"), -ECONNREFUSED);
  EXPECT_EQ(all.connect(client, 80), -ECONNABORTED);
  all.listen(80);
  EXPECT_EQ(all.connect(client, 80), -EAGAIN);
  all.settle();
  EXPECT_EQ(all.connect(client, 80), 0);
}

// An attempt that failed is over, whatever it has set going.
TEST(sockets, a_new_attempt_hears_nothing_of_the_one_before) {
  a_network all;
  const int listener = all.listen(80);
  const int client = all.open();
  all.net.cut("localhost", "localhost");
  EXPECT_EQ(all.connect(client, 80), -EAGAIN);
  all.settle();
  all.net.reset("localhost", "localhost");
  EXPECT_EQ(all.connect(client, 80), -ECONNRESET);
  EXPECT_EQ(all.connect(client, 80), -EAGAIN);
  all.net.heal("localhost", "localhost");
  all.settle();
  EXPECT_EQ(all.connect(client, 80), 0);
  EXPECT_GE(all.accept(listener), 0);
  EXPECT_EQ(all.accept(listener), -EAGAIN);
}

}  // namespace
}  // namespace weft::sim
