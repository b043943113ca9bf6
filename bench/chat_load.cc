// weft-chat-load: asks what a chat server can do and what it costs. One thread and one epoll
// instance.
//
//   weft-chat-load PORT ROOMS MEMBERS SECONDS SERVER_PID
//     ROOMS channels of MEMBERS clients each. In each channel one speaks, and when all others have
//     received that the next one does, for SECONDS after half a second of warming up; prints
//       chat_rate VALUE lines/s     that others received
//       chat_cpu VALUE us           CPU time of the server per such line

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "load.h"

namespace {

using load::die;
using clock_type = std::chrono::steady_clock;
constexpr std::chrono::milliseconds warming{500};
constexpr std::chrono::seconds joining_at_most{30};
constexpr std::string_view said = "a line as people write them, sixty bytes or so with its end";

struct room {
  std::size_t speaker = 0;
  std::size_t heard = 0;  // of what the speaker said
};

struct client {
  int fd = -1;
  std::string received;  // no whole line
};

class crowd {
 public:
  crowd(std::uint16_t port, std::size_t rooms, std::size_t members)
      : members_(members), rooms_(rooms), clients_(rooms * members) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) die("epoll_create1");
    for (std::uint32_t i = 0; i < clients_.size(); ++i) {
      clients_[i].fd = load::dial(port);
      epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, clients_[i].fd, &event) != 0) die("epoll_ctl");
      const auto number = std::to_string(i);
      send(i, "NICK n" + number + "\r\nUSER u 0 * :u\r\nJOIN " + channel(i) + "\r\n");
    }
    const auto give_up_at = clock_type::now() + joining_at_most;
    while (joined_ < clients_.size()) {
      if (clock_type::now() > give_up_at) {
        std::fputs("weft-chat-load: not all could join\n", stderr);
        std::exit(1);
      }
      listen();
    }
    for (std::size_t r = 0; r < rooms; ++r) speak(r);
  }

  // talk: until `end`; the number of lines that were heard.
  std::size_t talk(clock_type::time_point end) {
    const auto before = heard_;
    while (clock_type::now() < end) listen();
    return heard_ - before;
  }

 private:
  [[nodiscard]] std::string channel(std::size_t client) const {
    return "#r" + std::to_string(client / members_);
  }

  void send(std::size_t client, const std::string& text) {
    // A client has one line in flight: it fits.
    if (::send(clients_[client].fd, text.data(), text.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(text.size()))
      die("send");
  }

  void speak(std::size_t r) {
    const auto speaker = r * members_ + rooms_[r].speaker;
    send(speaker, "PRIVMSG " + channel(speaker) + " :" + std::string(said) + "\r\n");
  }

  void listen() {
    std::array<epoll_event, 256> events;
    const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < n; ++i) read(events[static_cast<std::size_t>(i)].data.u32);
  }

  void read(std::size_t i) {
    std::array<char, 16384> buffer;
    client& c = clients_[i];
    const auto got = ::recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) die("recv");
    c.received.append(buffer.data(), static_cast<std::size_t>(got));
    std::size_t from = 0;
    for (std::size_t end; (end = c.received.find('\n', from)) != std::string::npos; from = end + 1)
      take(i, std::string_view(c.received).substr(from, end - from));
    c.received.erase(0, from);
  }

  void take(std::size_t i, std::string_view line) {
    if (line.starts_with("PING ")) {
      send(i, "PONG " + std::string(line.substr(5)) + "\n");
    } else if (line.starts_with("ERROR ")) {
      std::fprintf(stderr, "weft-chat-load: %.*s\n", static_cast<int>(line.size()), line.data());
      std::exit(1);
    } else if (line.find(" 366 ") != std::string_view::npos) {  // the end of a channel's names
      ++joined_;
    } else if (line.find(" PRIVMSG ") != std::string_view::npos) {
      ++heard_;
      room& r = rooms_[i / members_];
      if (++r.heard < members_ - 1) return;
      r.heard = 0;
      r.speaker = (r.speaker + 1) % members_;
      speak(i / members_);
    }
  }

  const std::size_t members_;
  int epoll_ = -1;
  std::vector<room> rooms_;
  std::vector<client> clients_;
  std::size_t joined_ = 0;
  std::size_t heard_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  load::allow_all_descriptors();
  const auto number = [&](int i) { return argc > i ? std::atoi(argv[i]) : 0; };
  if (argc != 6 || number(2) < 1 || number(3) < 2) {
    std::fputs("usage: weft-chat-load PORT ROOMS MEMBERS SECONDS PID\n", stderr);
    return 2;
  }
  crowd all(static_cast<std::uint16_t>(number(1)), static_cast<std::size_t>(number(2)),
            static_cast<std::size_t>(number(3)));
  all.talk(clock_type::now() + warming);
  const double cpu_before = load::cpu_seconds(number(5));
  const auto start = clock_type::now();
  const std::chrono::duration<double> length(std::atof(argv[4]));
  const auto heard = all.talk(start + std::chrono::duration_cast<clock_type::duration>(length));
  const std::chrono::duration<double> took = clock_type::now() - start;
  const double cpu = load::cpu_seconds(number(5)) - cpu_before;
  if (heard == 0) {
    std::fputs("weft-chat-load: nothing was heard\n", stderr);
    return 1;
  }
  std::printf("chat_rate %.0f lines/s\n", static_cast<double>(heard) / took.count());
  std::printf("chat_cpu %.4f us\n", cpu * 1e6 / static_cast<double>(heard));
  return 0;
}
