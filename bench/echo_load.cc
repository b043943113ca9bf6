// weft-echo-load: asks how many small messages an echo server answers, and what they cost it. One
// thread and one epoll instance hold N connections with one message of 64 bytes in flight each, for
// S seconds after a second of warming up. Prints
//   echo_rate VALUE msg/s
//   echo_cpu VALUE s/M          (CPU seconds of the server per million messages, from /proc)
// usage: weft-echo-load PORT CONNECTIONS SECONDS SERVER_PID

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr std::size_t message_size = 64;
using clock_type = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// cpu_seconds: user and system time of a process; fields 14 and 15 of its stat file, counted behind
// the name in parentheses.
double cpu_seconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) die("stat of the server");
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct connection {
  int fd = -1;
  std::size_t received = 0;  // bytes of the answer that is under way
};

int dial(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    die("connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_message(int fd) {
  static constexpr std::array<char, message_size> message{};
  // 64 bytes always fit: nothing else of this connection is in flight.
  if (::send(fd, message.data(), message.size(), MSG_NOSIGNAL) != message_size) die("send");
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: weft-echo-load PORT CONNECTIONS SECONDS SERVER_PID\n", stderr);
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const auto count = static_cast<std::size_t>(std::atoi(argv[2]));
  const double seconds = std::atof(argv[3]);
  const int server = std::atoi(argv[4]);

  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  std::vector<connection> connections(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    connections[i].fd = dial(port);
    epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) die("epoll_ctl");
  }
  for (auto& c : connections) send_message(c.fd);
  exchange(epoll, connections, clock_type::now() + std::chrono::seconds(1));

  const double cpu_before = cpu_seconds(server);
  const auto start = clock_type::now();
  const auto length =
      std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(seconds));
  const long answers = exchange(epoll, connections, start + length);
  const std::chrono::duration<double> took = clock_type::now() - start;
  const double cpu = cpu_seconds(server) - cpu_before;

  std::printf("echo_rate %.0f msg/s\n", static_cast<double>(answers) / took.count());
  std::printf("echo_cpu %.3f s/M\n", cpu * 1e6 / static_cast<double>(answers));
  return 0;
}
