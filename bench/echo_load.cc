// weft-echo-load: asks what an echo server can do and what it costs. One thread and one epoll
// instance.
//
//   weft-echo-load busy PORT CONNECTIONS SECONDS SERVER_PID
//     one message of 64 bytes in flight on each connection, for SECONDS after half a second of
//     warming up; prints
//       echo_rate VALUE msg/s
//       echo_cpu VALUE us           CPU time of the server (and its children) per message
//   weft-echo-load idle PORT CONNECTIONS SERVER_PID
//     one message over each connection in turn, then silence; prints
//       idle_bytes VALUE B          resident memory that the server has more than before, by number

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <string_view>
#include <vector>

#include "load.h"

namespace {

using load::cpu_seconds;
using load::dial;
using load::die;
using load::resident_bytes;

constexpr std::size_t message_size = 64;
constexpr std::chrono::milliseconds warming{500};
using clock_type = std::chrono::steady_clock;

struct connection {
  int fd = -1;
  std::size_t received = 0;  // bytes of the answer that is under way
};

void send_message(int fd) {
  static constexpr std::array<char, message_size> message{};
  // 64 bytes always fit: nothing else of this connection is in flight.
  if (::send(fd, message.data(), message.size(), MSG_NOSIGNAL) != message_size) die("send");
}

void await_message(int fd) {
  std::array<char, message_size> answer;
  if (::recv(fd, answer.data(), answer.size(), MSG_WAITALL) != message_size) die("recv");
}

// exchange: answers come in and new messages go out until `end`; the number of whole answers.
long exchange(int epoll, std::vector<connection>& connections, clock_type::time_point end) {
  std::array<epoll_event, 256> events;
  std::array<char, 4096> buffer;
  long answers = 0;
  while (clock_type::now() < end) {
    const int n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < n; ++i) {
      auto& c = connections[events[static_cast<std::size_t>(i)].data.u32];
      const auto got = ::recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) die("recv");
      c.received += static_cast<std::size_t>(got);
      if (c.received < message_size) continue;
      c.received -= message_size;
      ++answers;
      send_message(c.fd);
    }
  }
  return answers;
}

void busy(std::uint16_t port, std::size_t count, double seconds, int server) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  std::vector<connection> connections(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    connections[i].fd = dial(port);
    epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) die("epoll_ctl");
  }
  for (auto& c : connections) send_message(c.fd);
  exchange(epoll, connections, clock_type::now() + warming);

  const double cpu_before = cpu_seconds(server);
  const auto start = clock_type::now();
  const auto length =
      std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(seconds));
  const long answers = exchange(epoll, connections, start + length);
  const std::chrono::duration<double> took = clock_type::now() - start;
  const double cpu = cpu_seconds(server) - cpu_before;
  if (answers == 0) {
    std::fputs("weft-echo-load: no answer at all\n", stderr);
    std::exit(1);
  }
  std::printf("echo_rate %.0f msg/s\n", static_cast<double>(answers) / took.count());
  std::printf("echo_cpu %.4f us\n", cpu * 1e6 / static_cast<double>(answers));
}

void idle(std::uint16_t port, std::size_t count, int server) {
  const auto talk = [&](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const int fd = dial(port);
      send_message(fd);
      await_message(fd);
    }
  };
  talk(1 + count / 100);  // what the server needs once
  const double before = resident_bytes(server);
  talk(count);
  std::printf("idle_bytes %.0f B\n",
              (resident_bytes(server) - before) / static_cast<double>(count));
}

}  // namespace

int main(int argc, char** argv) {
  load::allow_all_descriptors();
  const std::string_view what = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return std::atoi(argv[i]); };
  if (what == "busy" && argc == 6) {
    busy(static_cast<std::uint16_t>(number(2)), static_cast<std::size_t>(number(3)),
         std::atof(argv[4]), number(5));
  } else if (what == "idle" && argc == 5) {
    idle(static_cast<std::uint16_t>(number(2)), static_cast<std::size_t>(number(3)), number(4));
  } else {
    std::fputs(
        "usage: weft-echo-load busy PORT CONNECTIONS SECONDS PID | idle PORT CONNECTIONS PID\n",
        stderr);
    return 2;
  }
  return 0;
}
