// poller: asks servers how they are, over and over, by two goroutines. A server is an object that
// travels: from `pending` to a goroutine that polls it, through `polled` to one that keeps the
// records and sends it to sleep, and back to `pending`. Who holds it owns it, so nothing is locked.
// Each poll has a deadline: a server that accepts and says nothing holds nobody up for long.
//
//   $ ./poller                                 (the three servers are its own, on 127.0.0.1)
//   archive: polled 3 times, 3 errors: Connection refused
//   news: polled 3 times, 0 errors: up
//   weather: polled 3 times, 3 errors: deadline exceeded

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/error.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/time.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace {

struct server {
  std::string name, address;
  int polls = 0, errors = 0;
  std::string state;

  // poll: what it answers to a connection, within `patience`.
  void poll(std::chrono::milliseconds patience) {
    char answer[64];
    const weft::limit by(weft::limit::clock::now() + patience);  // for both together
    auto conn = weft::net::dial("tcp", address, by);
    auto got = conn ? conn->read(answer, by) : std::unexpected(conn.error());
    ++polls;
    errors += got ? 0 : 1;
    state = got ? std::string(answer, *got) : got.error().code().message();
  }

  // rest: longer when it has failed.
  [[nodiscard]] std::chrono::milliseconds rest() const { return 5ms * (1 + errors); }
};
using traveller = std::unique_ptr<server>;

// answer_all: a server that says that it is up, to everybody.
void answer_all(weft::net::listener& at) {
  while (auto conn = at.accept()) static_cast<void>(conn->write("up"));
}

void poll_all(const weft::receiver<traveller>& pending, const weft::sender<traveller>& polled,
              const weft::context& ctx) {
  while (auto next = pending.recv(ctx)) {
    (*next)->poll(500ms);
    if (!polled.send(std::move(*next), ctx)) return;
  }
}

int watch(const std::map<std::string, std::string>& addresses) {
  const weft::channel<traveller> pending(0), polled(0);
  weft::scope all;  // after what its goroutines use
  const auto& ctx = all.context();
  for (int i = 0; i < 2; ++i) {
    all.go({.name = "poller"}, [&] { poll_all(pending, polled, ctx); });
  }
  const auto send_after = [&](traveller s, std::chrono::milliseconds rest) {
    all.go([&, rest, s = std::move(s)]() mutable {
      if (weft::sleep_for(rest, ctx)) static_cast<void>(pending.send(std::move(s), ctx));
    });
  };
  for (const auto& [name, address] : addresses) {
    send_after(std::make_unique<server>(server{name, address, 0, 0, {}}), 0ms);
  }
  std::map<std::string, traveller> finished;
  while (finished.size() < addresses.size()) {
    auto s = polled.recv(ctx);
    if (!s) break;
    if ((*s)->polls < 3) {
      const auto rest = (*s)->rest();
      send_after(std::move(*s), rest);
    } else {
      finished[(*s)->name] = std::move(*s);
    }
  }
  for (const auto& [name, s] : finished) {
    std::printf("%s: polled %d times, %d errors: %s\n", name.c_str(), s->polls, s->errors,
                s->state.c_str());
  }
  all.cancel();
  return 0;
}

}  // namespace

int main() {
  return weft::run([] {
    auto news = weft::net::listen("tcp", "127.0.0.1:0");
    auto weather = weft::net::listen("tcp", "127.0.0.1:0");  // nobody accepts: it stays silent
    auto archive = weft::net::listen("tcp", "127.0.0.1:0");
    for (const auto* l : {&news, &weather, &archive}) {
      if (*l) continue;
      std::fprintf(stderr, "poller: %s\n", l->error().message().c_str());
      return 1;
    }
    const auto of = [](const auto& l) { return l->local_address().to_string(); };
    const std::map<std::string, std::string> addresses{
        {"news", of(news)}, {"weather", of(weather)}, {"archive", of(archive)}};
    static_cast<void>(archive->close());  // from now on it refuses
    weft::scope servers;
    servers.go([&] { answer_all(*news); });
    const int status = watch(addresses);
    servers.cancel();  // ends accept, which is input of that scope
    return status;
  });
}
