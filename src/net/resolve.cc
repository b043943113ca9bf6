#include "net/resolve.h"

#include <netdb.h>
#include <sys/socket.h>
#include <weft/go.h>
#include <weft/runtime.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/lock.h"
#include "net/host_port.h"
#include "net/pollable.h"
#include "net/socket.h"
#include "poll/poller.h"
#include "poll/sockets.h"
#include "sched/gate.h"

namespace weft::net {
namespace {

constexpr const char* op = "lookup";

// The resolver's modules are foreign code with a liking for large frames.
constexpr std::size_t resolver_stack_size = 1024 * 1024;

bool fits(network net, const address& a) noexcept {
  return net.family == AF_UNSPEC || a.native()->sa_family == net.family;
}

// token_stranded: the runtime ended, and with it the goroutine that looks.
constexpr sched::token token_stranded = sched::token_first_case;

// lookup: shared between the one who asks and the goroutine that looks. One a call; it outlives a
// caller that has left until the resolver answers, which gives up by itself (resolv.conf(5)).
struct lookup final : sched::tenant {
  lookup(std::string_view h, std::string_view s, network n) : host(h), service(s), net(n) {}

  // constant
  const std::string host;
  const std::string service;
  const network net;

  base::lock<base::rank::sync> lock;
  bool done = false;           // guarded by lock
  bool abandoned = false;      // guarded by lock: nobody will do it
  poll::cookie asker;          // guarded by lock: whoever waits, while it does
  std::vector<address> found;  // guarded by lock
  int status = 0;              // guarded by lock: getaddrinfo's
  int system_error = 0;        // guarded by lock: errno, for EAI_SYSTEM

  void abandon() noexcept {
    const base::locked hold(lock);
    abandoned = true;
  }
  // runtime_ended: only threads enlist it.
  [[nodiscard]] bool runtime_ended(bool, sched::wake_list& woken) noexcept override {
    const base::locked hold(lock);
    abandoned = true;
    if (asker.who != nullptr)
      woken.claim(*static_cast<sched::waiter*>(asker.who), asker.ticket, token_stranded);
    return false;
  }
  void settle() noexcept override {}
};

// look_up: the blocking part.
void look_up(lookup& to) {
  addrinfo hints{};
  hints.ai_family = to.net.family;
  hints.ai_socktype = socket_type(to.net.kind);
  // Not AI_ADDRCONFIG: it hides 127.0.0.1 and ::1 on a machine without a network.
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(to.host.c_str(), to.service.c_str(), &hints, &list);
  const int system_error = status == EAI_SYSTEM ? errno : 0;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, [](addrinfo* l) {
    if (l != nullptr) ::freeaddrinfo(l);
  });
  std::vector<address> found;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    found.push_back(address::from_native(a->ai_addr, a->ai_addrlen));
  }
  const sched::gate inside;  // whoever is claimed is woken, whatever ends meanwhile
  sched::wake_list woken;
  {
    const base::locked hold(to.lock);
    to.found.swap(found);
    to.status = status;
    to.system_error = system_error;
    to.done = true;
    if (to.asker.who != nullptr) {
      woken.claim(*static_cast<sched::waiter*>(to.asker.who), to.asker.ticket, sched::token_ready);
    }
  }
}

// wait_for: token_ready when it is done.
sched::token wait_for(lookup& from, const sched::limits& l) noexcept {
  const sched::gate inside;
  sched::wait w(sched::wait_reason::resolve, &from);
  {
    const base::locked hold(from.lock);
    if (from.done) return sched::token_ready;
    if (from.abandoned) return token_stranded;
    from.asker = {&w.who(), w.at()};
  }
  const auto by = w.park(l);
  const base::locked hold(from.lock);
  from.asker = {};
  return by;
}

// thread_stay: a thread that waits for a lookup hears when the runtime ends that makes it. A
// goroutine that waits ends with it.
class thread_stay {
 public:
  thread_stay(lookup& from, sched::io_home& home) noexcept : from_(from), home_(home) {
    if (in_goroutine()) return;
    enlisted_ = home_.enlist(from_);
    if (!enlisted_) from_.abandon();
  }
  ~thread_stay() {
    if (enlisted_) home_.delist(from_);
  }
  thread_stay(const thread_stay&) = delete;
  thread_stay& operator=(const thread_stay&) = delete;

 private:
  lookup& from_;
  sched::io_home& home_;
  bool enlisted_ = false;
};

std::error_code code_of_status(int status, int system_error) noexcept {
  switch (status) {
    case EAI_AGAIN: return errc::try_again_later;
    case EAI_SERVICE: return errc::bad_address;
    case EAI_MEMORY: return {ENOMEM, std::system_category()};
    case EAI_SYSTEM: return {system_error, std::system_category()};
    default: return errc::no_such_host;
  }
}

// look_up_simulated: there are no names of services, and one address a host.
result<std::vector<address>> look_up_simulated(poll::simulated_sockets& from, network net,
                                               const host_port& parts) {
  const auto port = parse_port(parts.port);
  if (!port) return std::unexpected(error(errc::bad_address, op, parts.host));
  sockaddr_in native{};
  native.sin_family = AF_INET;
  native.sin_port = htons(*port);
  if (net.family == AF_INET6 || !from.look_up(std::string(parts.host), native.sin_addr))
    return std::unexpected(error(errc::no_such_host, op, parts.host));
  return std::vector{
      address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native)};
}

result<std::vector<address>> look_up_name(network net, const host_port& parts,
                                          const sched::limits& l) {
  const auto home = home_here();
  if (auto* simulated = poll::sockets_here()) return look_up_simulated(*simulated, net, parts);
  const auto shared = std::make_shared<lookup>(parts.host, parts.port, net);
  go({.name = "resolver", .stack_size = resolver_stack_size},
     [shared] { blocking([&] { look_up(*shared); }); });
  const thread_stay stay(*shared, *home);
  const auto by = wait_for(*shared, l);
  if (by == token_stranded) return std::unexpected(error(errc::wrong_runtime, op, parts.host));
  if (by != sched::token_ready) {
    return std::unexpected(error(code_of(by, l), op, parts.host));
  }
  const base::locked hold(shared->lock);
  if (shared->status != 0 || shared->found.empty()) {
    return std::unexpected(
        error(code_of_status(shared->status, shared->system_error), op, parts.host));
  }
  return std::move(shared->found);
}

// may_name_a_service: "http", but not "65637" nor "+80", which the C library takes for numbers and
// cuts to 16 bits.
bool may_name_a_service(std::string_view port) noexcept {
  return std::ranges::any_of(port, [](unsigned char c) { return std::isalpha(c) != 0; });
}

// own_addresses: what an empty host means.
std::vector<address> own_addresses(network net, purpose why, std::uint16_t port) {
  const bool dials = why == purpose::dial;
  const auto ip4 = *parse_literal(dials ? "127.0.0.1" : "0.0.0.0", port);
  const auto ip6 = *parse_literal(dials ? "::1" : "::", port);
  if (net.family == AF_INET) return {ip4};
  if (net.family == AF_INET6) return {ip6};
  // A listener on :: that takes IPv4 as well is enough; 0.0.0.0 is for systems without IPv6.
  if (dials) return {ip4, ip6};
  return {ip6, ip4};
}

// addresses_of: resolve(), whose errors are about the text.
result<std::vector<address>> addresses_of(network net, std::string_view text, purpose why,
                                          const sched::limits& l) {
  if (is_unix(net.kind)) {
    const auto path = address::unix_socket(text);
    if (!path) return std::unexpected(path.error());
    return std::vector{*path};
  }
  const auto parts = split_host_port(text);
  if (!parts) return std::unexpected(parts.error());
  if (text.find('\0') != std::string_view::npos)
    return std::unexpected(error(errc::bad_address, "parse", text));
  if (const auto port = parse_port(parts->port)) {
    if (parts->host.empty()) return own_addresses(net, why, *port);
    if (const auto literal = parse_literal(parts->host, *port)) {
      if (!fits(net, *literal)) return std::unexpected(error(errc::bad_address, "parse", text));
      return std::vector{*literal};
    }
  } else if (!may_name_a_service(parts->port)) {
    return std::unexpected(error(errc::bad_address, "parse", text));
  }
  if (!parts->host.empty()) return look_up_name(net, *parts, l);
  // Any host will do to learn the service's number.
  const auto found =
      look_up_name(net, {net.family == AF_INET6 ? "::1" : "127.0.0.1", parts->port}, l);
  if (!found) return std::unexpected(found.error());
  return own_addresses(net, why, found->front().port());
}

}  // namespace

result<network> parse_network(std::string_view name) noexcept {
  struct entry {
    std::string_view name;
    network net;
  };
  static constexpr entry known[] = {
      {"tcp", {transport::tcp}},
      {"tcp4", {transport::tcp, AF_INET}},
      {"tcp6", {transport::tcp, AF_INET6}},
      {"unix", {transport::unix_stream, AF_UNIX}},
      {"unixpacket", {transport::unix_packet, AF_UNIX}},
      {"udp", {transport::udp}},
      {"udp4", {transport::udp, AF_INET}},
      {"udp6", {transport::udp, AF_INET6}},
      {"unixgram", {transport::unix_datagram, AF_UNIX}},
  };
  for (const auto& each : known) {
    if (each.name == name) return each.net;
  }
  return std::unexpected(error(errc::unknown_network, "network", name));
}

result<std::vector<address>> resolve(network net, std::string_view text, purpose why,
                                     const sched::limits& l) {
  auto found = addresses_of(net, text, why, l);
  if (found || found.error() != errc::bad_address) return found;
  // Whoever wanted a connection reads what was tried, not what failed on the way.
  const auto what = why == purpose::dial ? verb::connect : verb::listen;
  return std::unexpected(error(errc::bad_address, words(what, net.kind), text));
}

}  // namespace weft::net
