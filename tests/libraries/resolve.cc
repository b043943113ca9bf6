// resolve: a crowd in getaddrinfo, which asks a name server of weft's own on the same processor
// that answers nobody before it may.
//
//   resolve

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <resolv.h>
#include <weft/mutex.h>
#include <weft/net.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "crowd.h"

using libraries::expect;

namespace {

// name_server: every name has the address 127.0.0.1.
class name_server {
 public:
  name_server() : socket_(weft::net::listen_packet("udp", "127.0.0.1:0").value()) {
    serving_.go([this] { serve(); });
  }
  name_server(const name_server&) = delete;
  name_server& operator=(const name_server&) = delete;
  ~name_server() {
    expect(socket_.close().has_value());
    serving_.wait().value();
  }

  [[nodiscard]] std::uint16_t port() const { return socket_.local_address().port(); }
  // asked: how many different questions there were.
  [[nodiscard]] int asked() const { return asked_; }
  void answer() {
    std::map<std::string, weft::net::address> kept;
    {
      const std::lock_guard hold(lock_);
      may_answer_ = true;
      kept.swap(kept_);
    }
    for (const auto& [question, from] : kept) answer_to(question, from);
  }

 private:
  // A question's header has 12 bytes, and it ends with its type and class.
  static constexpr std::size_t header_size = 12;

  void serve() {
    char buffer[512];
    while (auto got = socket_.read_from(buffer)) {
      const std::string question(buffer, got->size);
      expect(question.size() > header_size, "a question without a name");
      if (!keep(question, got->from)) answer_to(question, got->from);
    }
  }

  // keep: false if it may be answered at once.
  bool keep(const std::string& question, const weft::net::address& from) {
    const std::lock_guard hold(lock_);
    if (may_answer_) return false;
    kept_.insert_or_assign(question, from);  // one that is asked again is the same
    asked_ = static_cast<int>(kept_.size());
    return true;
  }

  void answer_to(const std::string& question, const weft::net::address& to) {
    using namespace std::string_view_literals;
    std::string a = question.substr(0, question.find('\0', header_size) + 5);
    a.replace(2, 10, "\x81\x80\0\1\0\1\0\0\0\0"sv);   // an answer: one question, one record
    a += "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1"sv;  // the same name, type A: 127.0.0.1
    expect(socket_.write_to(a, to).has_value());
  }

  weft::net::packet_conn socket_;
  weft::mutex lock_;
  std::map<std::string, weft::net::address> kept_;  // guarded by lock_
  bool may_answer_ = false;                         // guarded by lock_
  std::atomic<int> asked_{0};
  weft::wait_group serving_;
};

// ask_at: whom getaddrinfo asks on this thread from now on.
void ask_at(std::uint16_t port) {
  expect(res_init() == 0);
  _res.nscount = 1;
  _res.nsaddr_list[0] = {};
  _res.nsaddr_list[0].sin_family = AF_INET;
  _res.nsaddr_list[0].sin_port = htons(port);
  _res.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  _res.retry = 100;  // the server answers late, and its socket has not room for all at once
}

// look_up: nothing in it waits in weft, so what ask_at() did to the thread holds.
void look_up(const std::string& name, std::uint16_t port) {
  ask_at(port);
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  expect(status == 0, ::gai_strerror(status));
  sockaddr_in first{};
  std::memcpy(&first, found->ai_addr, sizeof first);
  expect(first.sin_addr.s_addr == htonl(INADDR_LOOPBACK), "another address");
  ::freeaddrinfo(found);
  res_nclose(&_res);  // what the thread would free when it ends, unseen by the leak checker
}

}  // namespace

int main() {
  // Whatever this system would ask: files, then name servers.
  expect(__nss_configure_lookup("hosts", "files dns") == 0);
  return libraries::run([] {
    name_server server;
    const auto port = server.port();
    std::int64_t calls = 0;
    {
      libraries::ticker ticks;
      calls = libraries::play(
          ticks, {
                     .held = [&](int i) { look_up("held-" + std::to_string(i) + ".test.", port); },
                     .all_inside = [&] { return server.asked() == libraries::size; },
                     .release = [&] { server.answer(); },
                     .ordinary =
                         [&](int i, int round) {
                           look_up("r" + std::to_string(round) + "-" + std::to_string(i) + ".test.",
                                   port);
                         },
                     .ordinary_min = 3,
                 });
    }
    std::printf("%lld names\n", static_cast<long long>(calls) + libraries::size);
  });
}
