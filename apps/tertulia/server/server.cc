#include "server/server.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include <weft/go.h>
#include <weft/net/conn.h>
#include <weft/net/listener.h>
#include <weft/wait_group.h>

#include "server/hub.h"
#include "server/options.h"
#include "server/session.h"

namespace tertulia {

namespace {

using namespace std::chrono_literals;

// How long an accept loop rests after a failure of the listener itself.
constexpr auto accept_rest = 100ms;

// host_of: the address as it stands in masks: never with a colon in front, which would end the
// line's parameters.
std::string host_of(const weft::net::conn& c) {
  std::string host = c.remote_address().host();
  return host.starts_with(':') ? "0" + host : host;
}

outbox::options outbox_options(const config& c) {
  return {static_cast<std::size_t>(c.limits.send_queue_hard_bytes),
          std::chrono::seconds(c.limits.ping_timeout_s)};
}

// is_missing_family: whether the machine has no such addresses (IPv6 switched off), which is no
// reason not to listen on the others.
bool is_missing_family(const weft::error& e) {
  return e == std::errc::address_not_available || e == std::errc::address_family_not_supported;
}

class server {
 public:
  server(const config& conf, std::unique_ptr<history> store, const weft::context& stop)
      : hub_(conf, std::move(store), stop) {}

  // listen: on all configured addresses; false, and said why, when one cannot be had.
  bool listen() {
    for (const std::string& text : hub_.conf.server.listen) {
      auto l = weft::net::listen("tcp", text);
      if (l) {
        if (!l->local_address().is_loopback()) warn_if_open(text);
        listeners_.push_back(std::move(*l));
      } else if (is_missing_family(l.error())) {
        log_warn("not_listening", {{"address", text}, {"error", l.error().message()}});
      } else {
        log_error("cannot_listen", {{"address", text}, {"error", l.error().message()}});
        return false;
      }
    }
    if (listeners_.empty()) log_error("cannot_listen", {{"error", "no address is left"}});
    return !listeners_.empty();
  }

  void announce() {
    std::string text = "tertuliad " TERTULIA_VERSION "\n";
    for (auto& l : listeners_) text += "listening on " + l.local_address().to_string() + "\n";
    const auto first = listeners_.front().local_address();
    const bool is_any = first.host() == "0.0.0.0" || first.host() == "::";
    const std::string host = is_any ? "127.0.0.1" : first.host();
    const std::string port = std::to_string(first.port());
    const std::string bracketed = host.find(':') == host.npos ? host : "[" + host + "]";
    text += "to chat, type one of\n  irssi -c " + host + " -p " + port + "\n  weechat irc://" +
            bracketed + ":" + port + "/#tertulia\nCtrl-C ends the server\n";
    // In one write: whoever waits for these lines may be gone after the first.
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    log_info("started", {{"name", hub_.conf.server.name}, {"data", hub_.conf.server.data}});
  }

  void run() {
    weft::wait_group accepting;
    for (auto& l : listeners_) accepting.go({.name = "accept"}, [this, &l] { accept_loop(l); });
    static_cast<void>(hub_.stopping.wait());
    for (auto& l : listeners_) static_cast<void>(l.close());
    static_cast<void>(accepting.wait());
  }

  // drain: sessions see that the server stops and end; false when some did not in time.
  [[nodiscard]] bool drain() {
    log_info("draining", {{"clients", static_cast<long long>(hub_.addresses.count())}});
    const auto until = std::chrono::seconds(hub_.conf.limits.drain_timeout_s) + 1s;
    if (sessions_.wait(until)) return true;
    log_warn("drain_timed_out", {{"clients", static_cast<long long>(hub_.addresses.count())}});
    return false;
  }

  // close: nobody may be left who uses the history.
  void close() {
    hub_.store->stop();
    log_info("stopped");
  }

 private:
  void warn_if_open(const std::string& text) {
    if (hub_.pass.is_needed()) return;
    log_warn("open_to_everybody",
             {{"address", text}, {"advice", "set server.password or listen on loopback only"}});
  }

  void accept_loop(weft::net::listener& l) {
    std::uint64_t shed = 0;
    while (!hub_.stopping.done()) {
      auto c = l.accept(hub_.stopping);
      if (l.shed_count() != shed) {
        shed = l.shed_count();
        log_warn("out_of_descriptors", {{"turned_away", static_cast<long long>(shed)}});
      }
      if (c) {
        take(std::move(*c));
      } else if (!c.error().closed() && !c.error().cancelled()) {
        log_warn("accept_failed", {{"error", c.error().message()}});
        static_cast<void>(hub_.stopping.wait(accept_rest));
      } else {
        return;
      }
    }
  }

  void take(weft::net::conn&& accepted) {
    auto c = std::make_shared<weft::net::conn>(std::move(accepted));
    const std::string host = host_of(*c);
    const bool is_exempt = hub_.conf.limits.loopback_exempt && c->remote_address().is_loopback();
    if (const auto refusal = hub_.addresses.enter(host, is_exempt); !refusal.empty()) {
      log_warn("connection_refused", {{"address", host}, {"reason", refusal}});
      // One attempt: whoever comes too often is not waited for.
      static_cast<void>(c->try_write("ERROR :" + std::string(refusal) + "\r\n"));
      return;
    }
    const auto id = hub_.people.new_id();
    log_info("client_connected", {{"client", static_cast<long long>(id)}, {"address", host}});
    auto who = std::make_shared<client>(id, std::move(c), host, outbox_options(hub_.conf));
    sessions_.go({.name = "session"},
                 [this, who = std::move(who), is_exempt] { session(hub_, who, is_exempt).run(); });
  }

  hub hub_;
  std::deque<weft::net::listener> listeners_;
  weft::wait_group sessions_;
};

}  // namespace

int serve(const config& conf, const weft::context& stop) {
  auto store =
      weft::blocking([&] { return history::open(conf.server.data, conf.history.size_mb_max); });
  if (!store) {
    log_error("cannot_open_history", {{"data", conf.server.data}, {"error", store.error().text}});
    return exit_failed;
  }
  auto s = std::make_unique<server>(conf, std::move(*store), stop);
  if (!s->listen()) {
    s->close();
    return exit_failed;
  }
  s->announce();
  s->run();
  if (s->drain())
    s->close();
  else
    static_cast<void>(s.release());  // sessions still use it; the process ends anyway
  return 0;
}

}  // namespace tertulia
