// The kernel's part of the network: descriptors, addresses, packets, and what waits.

#include <arpa/inet.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/atomic.h"
#include "base/futex.h"
#include "sim/network.h"

namespace weft::sim {
namespace {

constexpr std::size_t packets_max = 256;  // of a socket, that wait to be read
constexpr std::size_t packet_size_max = 65507;
constexpr std::uint16_t first_free_port = 32768;

// next_fd: of all simulations (poll/sockets.h).
base::atomic<int> next_fd{poll::simulated_from};

}  // namespace

// --- descriptors ------------------------------------------------------------------------------

network::socket_state* network::find(int fd) noexcept {
  const auto found = sockets_.find(fd);
  return found == sockets_.end() ? nullptr : &found->second;
}

network::socket_state* network::find(const caller& who) noexcept {
  socket_state* s = find(who.fd);
  return s != nullptr && s->attempt == who.attempt ? s : nullptr;
}

int network::make_socket(int family, bool stream) {
  const int fd = next_fd.fetch_add(1, base::relaxed);  // relaxed: only a number
  socket_state& s = sockets_[fd];
  s.fd = fd;
  s.family = family;
  s.stream = stream;
  return fd;
}

int network::socket(int family, int type) noexcept {
  if (family != AF_INET && family != AF_INET6) return -EAFNOSUPPORT;
  const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (kind != SOCK_STREAM && kind != SOCK_DGRAM) return -EPROTONOSUPPORT;
  const int fd = make_socket(family, kind == SOCK_STREAM);
  sockets_[fd].local.host = host_named(host_of_());
  return fd;
}

void network::close(int fd) noexcept {
  socket_state* s = find(fd);
  if (s == nullptr) return;
  give_up(*s);
  const auto outside = std::move(s->outside);
  sockets_.erase(fd);
  for (const caller& client : outside) greet(client);  // by another listener, or refused
}

int network::set_option(int fd, int level, int name, int value) noexcept {
  socket_state* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) s->ip6_only = value != 0;
  if (level == SOL_SOCKET && name == SO_REUSEPORT) s->shares_port = value != 0;
  return 0;  // the others change nothing here
}

int network::listen(int fd, int backlog) noexcept {
  socket_state* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (!s->stream) return -EOPNOTSUPP;
  if (s->at == socket_state::phase::fresh) bind_anywhere(*s, place::what::any);
  s->at = socket_state::phase::listening;
  s->backlog_max = static_cast<std::size_t>(std::max(1, backlog));
  return 0;
}

int network::connect(int fd, const sockaddr* to, socklen_t size) noexcept {
  socket_state* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (s->stream) return -EOPNOTSUPP;  // by a poller
  if (const int code = aim(*s, to, size); code != 0) return code;
  s->at = socket_state::phase::connected;
  return 0;
}

int network::shutdown(int fd, int how) noexcept {
  socket_state* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (s->at != socket_state::phase::connected || s->broken) return -ENOTCONN;
  if (how != SHUT_RD && !s->write_ended && s->stream) end_writing(*s);
  if (how != SHUT_WR) s->read_ended = true;
  notify_both(*s);
  return 0;
}

// --- addresses --------------------------------------------------------------------------------

// place_of: false if it is nowhere in this network. `here`: the host that looks.
bool network::place_of(const sockaddr* from, std::size_t size, std::size_t here,
                       place& out) noexcept {
  out = {place::what::any, here, 0, AF_INET};
  in_addr ip4{};
  if (from->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in native;
    std::memcpy(&native, from, sizeof native);
    out.port = ntohs(native.sin_port);
    ip4 = native.sin_addr;
  } else if (from->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 native;
    std::memcpy(&native, from, sizeof native);
    out.port = ntohs(native.sin6_port);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&native.sin6_addr);
    if (mapped) {
      std::memcpy(&ip4, &native.sin6_addr.s6_addr[12], sizeof ip4);
    } else {
      out.family = AF_INET6;
      if (IN6_IS_ADDR_LOOPBACK(&native.sin6_addr)) out.kind = place::what::loopback;
      return out.kind == place::what::loopback || IN6_IS_ADDR_UNSPECIFIED(&native.sin6_addr);
    }
  } else {
    return false;
  }
  const auto number = ntohl(ip4.s_addr);
  if (number == INADDR_ANY) return true;
  if (number >> 24 == INADDR_LOOPBACK >> 24) {
    out.kind = place::what::loopback;
    return true;
  }
  out.kind = place::what::own;
  out.host = number - first_host;
  return number >= first_host && out.host < hosts_.size();
}

void network::write_place(const place& from, int family, sockaddr_storage& out,
                          socklen_t& size) noexcept {
  in_addr ip4{};
  if (from.kind == place::what::loopback) ip4.s_addr = htonl(INADDR_LOOPBACK);
  if (from.kind == place::what::own)
    ip4.s_addr = htonl(first_host + static_cast<std::uint32_t>(from.host));
  out = {};
  if (family == AF_INET) {
    sockaddr_in native{};
    native.sin_family = AF_INET;
    native.sin_port = htons(from.port);
    native.sin_addr = ip4;
    std::memcpy(&out, &native, sizeof native);
    size = sizeof native;
    return;
  }
  sockaddr_in6 native{};
  native.sin6_family = AF_INET6;
  native.sin6_port = htons(from.port);
  if (from.family == AF_INET6) {
    if (from.kind == place::what::loopback) native.sin6_addr = in6addr_loopback;
  } else if (from.kind != place::what::any) {
    native.sin6_addr.s6_addr[10] = native.sin6_addr.s6_addr[11] = 0xff;
    std::memcpy(&native.sin6_addr.s6_addr[12], &ip4, sizeof ip4);
  }
  std::memcpy(&out, &native, sizeof native);
  size = sizeof native;
}

int network::name(int fd, bool of_peer, sockaddr_storage& out, socklen_t& size) noexcept {
  const socket_state* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (of_peer && s->at != socket_state::phase::connected) return -ENOTCONN;
  write_place(of_peer ? s->remote : s->local, s->family, out, size);
  return 0;
}

// hears: whether what is sent to `to` comes to a socket bound as `s`.
bool network::hears(const socket_state& s, const place& to) noexcept {
  if (s.at == socket_state::phase::fresh || s.local.host != to.host || s.local.port != to.port)
    return false;
  const bool any = s.local.kind == place::what::any;
  if (!any && s.local.kind != to.kind) return false;
  if (to.family == AF_INET6) return s.family == AF_INET6;
  return s.family == AF_INET || (any ? !s.ip6_only : s.local.family == AF_INET);
}

// bound_at: who gets what `from` sends to `to`.
network::socket_state* network::bound_at(const place& to, bool stream, const place& from) noexcept {
  std::vector<socket_state*> all;
  for (auto& [fd, s] : sockets_) {
    if (s.stream != stream || !hears(s, to)) continue;
    if (stream && s.at != socket_state::phase::listening) continue;
    if (!stream && s.at == socket_state::phase::connected) {
      if (s.remote.host == from.host && s.remote.port == from.port) return &s;
      continue;
    }
    all.push_back(&s);
  }
  if (all.empty()) return nullptr;
  return all.size() == 1 ? all.front() : all[random() % all.size()];
}

bool network::taken(const socket_state& s, const place& to) const noexcept {
  return std::ranges::any_of(sockets_, [&](const auto& each) {
    const socket_state& other = each.second;
    if (&other == &s || other.stream != s.stream || other.at == socket_state::phase::fresh)
      return false;
    if (other.local.host != to.host || other.local.port != to.port) return false;
    if (other.stream && other.peer >= 0) return false;  // a connection's end (SO_REUSEADDR)
    if (other.shares_port && s.shares_port) return false;
    const bool apart = other.family != s.family && (other.ip6_only || s.ip6_only);
    const bool overlap = other.local.kind == place::what::any || to.kind == place::what::any ||
                         (other.local.kind == to.kind && other.local.family == to.family);
    return overlap && !apart;
  });
}

int network::bind(int fd, const sockaddr* to, socklen_t size) noexcept {
  socket_state* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (s->at != socket_state::phase::fresh) return -EINVAL;
  place at;
  const auto here = s->local.host;
  if (!place_of(to, size, here, at) || at.host != here) return -EADDRNOTAVAIL;
  if (at.port == 0) {
    s->local.family = at.family;
    bind_anywhere(*s, at.kind);
  } else if (taken(*s, at)) {
    return -EADDRINUSE;
  } else {
    s->local = at;
  }
  s->at = socket_state::phase::bound;
  return 0;
}

void network::bind_anywhere(socket_state& s, place::what kind) noexcept {
  const auto used = [&](std::uint16_t port) {
    return std::ranges::any_of(sockets_, [&](const auto& each) {
      return &each.second != &s && each.second.local.host == s.local.host &&
             each.second.local.port == port;
    });
  };
  do {  // bounded by the sockets there are
    if (++next_port_ < first_free_port) next_port_ = first_free_port;
  } while (used(next_port_));
  s.local.kind = kind;
  s.local.port = next_port_;
}

// aim: where a socket connects to, from an address of its own if it has none.
int network::aim(socket_state& s, const sockaddr* to, std::size_t size) noexcept {
  place where;
  if (!place_of(to, size, s.local.host, where)) return -ENETUNREACH;
  if (where.kind == place::what::any) where.kind = place::what::loopback;
  s.remote = where;
  const bool wildcard = s.local.kind == place::what::any;
  if (s.at == socket_state::phase::fresh) {
    bind_anywhere(s, where.kind);
    s.at = socket_state::phase::bound;
  }
  if (wildcard) {
    s.local.kind = where.kind;
    s.local.family = where.family;
  }
  return 0;
}

// --- packets ----------------------------------------------------------------------------------

std::int64_t network::send_packet(socket_state& s, const place& to, std::string bytes) {
  if (bytes.size() > packet_size_max) return -EMSGSIZE;
  if (s.at == socket_state::phase::fresh) {
    bind_anywhere(s, to.kind);
    s.local.family = to.family;
    s.at = socket_state::phase::bound;
  }
  auto from = s.local;
  if (from.kind == place::what::any) from.kind = to.kind;
  const auto size = static_cast<std::int64_t>(bytes.size());
  const auto when = arrival(from.host, to.host, bytes.size(), false);
  if (chance(link_of(from.host, to.host).loss)) return size;
  const int sender = s.at == socket_state::phase::connected ? s.fd : -1;
  events_.emplace(std::pair(when, event_number_++),
                  [this, from, to, sender, bytes = std::move(bytes)] {
                    if (route_of(from.host, to.host).cut) return;
                    socket_state* receiver = bound_at(to, false, from);
                    if (receiver == nullptr) {
                      arrive(to.host, from.host, [this, sender] {
                        auto* told = find(sender);
                        if (told == nullptr) return;
                        told->failure = ECONNREFUSED;
                        notify_both(*told);
                      });
                    } else if (receiver->packets.size() < packets_max) {
                      receiver->packets.push_back({from, bytes});
                      notify(*receiver, poll::direction::read);
                    }
                  });
  return size;
}

std::int64_t network::send(socket_state& s, const poll::operation& op) {
  const auto& message = *static_cast<const msghdr*>(op.data);
  if (s.stream) return write(s, message.msg_iov, message.msg_iovlen);
  if (s.failure != 0) return -std::exchange(s.failure, 0);
  place to = s.remote;
  if (message.msg_name != nullptr) {
    if (!place_of(static_cast<const sockaddr*>(message.msg_name), message.msg_namelen, s.local.host,
                  to))
      return -ENETUNREACH;
    if (to.kind == place::what::any) to.kind = place::what::loopback;
  } else if (s.at != socket_state::phase::connected) {
    return -EDESTADDRREQ;
  }
  std::string bytes;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i)
    bytes.append(static_cast<const char*>(message.msg_iov[i].iov_base), message.msg_iov[i].iov_len);
  return send_packet(s, to, std::move(bytes));
}

std::int64_t network::receive(socket_state& s, const poll::operation& op) {
  auto& message = *static_cast<msghdr*>(op.data);
  if (s.failure != 0) return -std::exchange(s.failure, 0);
  if (s.packets.empty()) return s.read_ended ? 0 : -EAGAIN;
  const packet one = std::move(s.packets.front());
  s.packets.pop_front();
  std::size_t done = 0;
  for (std::size_t i = 0; i < message.msg_iovlen && done < one.bytes.size(); ++i) {
    const auto n = std::min(message.msg_iov[i].iov_len, one.bytes.size() - done);
    std::memcpy(message.msg_iov[i].iov_base, one.bytes.data() + done, n);
    done += n;
  }
  message.msg_flags = done < one.bytes.size() ? MSG_TRUNC : 0;
  message.msg_controllen = 0;
  if (message.msg_name != nullptr) {
    sockaddr_storage native{};
    socklen_t size = sizeof native;
    write_place(one.from, s.family, native, size);
    std::memcpy(message.msg_name, &native, std::min(size, message.msg_namelen));
    message.msg_namelen = size;
  }
  return static_cast<std::int64_t>((op.flags & MSG_TRUNC) != 0 ? one.bytes.size() : done);
}

// --- operations -------------------------------------------------------------------------------

std::int64_t network::attempt_on(socket_state& s, const poll::operation& op) noexcept {
  switch (op.code) {
    case poll::opcode::read: return read(s, op);
    case poll::opcode::write: {
      const iovec whole{op.data, op.size};
      return write(s, &whole, 1);
    }
    case poll::opcode::writev: return write(s, static_cast<const iovec*>(op.data), op.size);
    case poll::opcode::accept: return accept(s, op);
    case poll::opcode::connect: return connect_step(s, op);
    case poll::opcode::recvmsg: return receive(s, op);
    case poll::opcode::sendmsg: return send(s, op);
    case poll::opcode::readable: {
      const bool now = !s.arrived.empty() || s.end_arrived || s.read_ended || s.broken ||
                       s.failure != 0 || !s.backlog.empty() || !s.packets.empty();
      return now ? 0 : -EAGAIN;
    }
    case poll::opcode::writable: {
      const bool now = s.broken || s.write_ended || s.failure != 0 || !s.stream ||
                       (s.at == socket_state::phase::connected && room(s) > 0);
      return now ? 0 : -EAGAIN;
    }
  }
  std::unreachable();
}

void network::notify(socket_state& s, poll::direction dir) noexcept {
  poll::completion done;
  if (s.record != nullptr && s.record->drop(dir, done.who)) complete_.push_back(done);
}

void network::notify_both(socket_state& s) noexcept {
  notify(s, poll::direction::read);
  notify(s, poll::direction::write);
}

network::~network() { delete kernel_here(); }

poll::descriptor* network::open(int fd, int* error, poll::access who) noexcept {
  if (!poll::is_simulated(fd)) {
    if (kernel_here() == nullptr) {
      auto made = poll::make_poller();
      if (made == nullptr) {
        *error = errno;
        return nullptr;
      }
      kernel_.store(made.release(), base::seq_cst);  // seq_cst: as in wait()
    }
    return kernel_here()->open(fd, error, who);
  }
  socket_state* s = find(fd);
  poll::descriptor* d = s != nullptr ? records_.take() : nullptr;
  if (d == nullptr) {
    *error = s == nullptr ? EBADF : ENOMEM;
    return nullptr;
  }
  d->fd = fd;
  s->record = d;
  return d;
}

int network::close(poll::descriptor& d, std::span<poll::completion, 2> evicted) noexcept {
  if (!poll::is_simulated(d.fd)) return kernel_here()->close(d, evicted);
  if (auto* s = find(d.fd)) s->record = nullptr;
  int n = 0;
  for (const auto dir : {poll::direction::read, poll::direction::write}) {
    auto& to = evicted[static_cast<std::size_t>(n)];
    if (!d.drop(dir, to.who)) continue;
    to.result = -EBADF;
    ++n;
  }
  return n;
}

void network::release(poll::descriptor& d) noexcept {
  if (!poll::is_simulated(d.fd)) return kernel_here()->release(d);
  d.fd = -1;
  records_.put(d);
}

poll::start_result network::start(poll::descriptor& d, const poll::operation& op,
                                  poll::cookie who) noexcept {
  if (!poll::is_simulated(d.fd)) return kernel_here()->start(d, op, who);
  const auto value = attempt(d, op, poll::trust::ask);
  if (value != -EAGAIN) return {false, value};
  auto& slot = d.slot_of(poll::direction_of(op.code));
  slot.pending = true;
  slot.who = who;
  return {true, 0};
}

std::int64_t network::attempt(poll::descriptor& d, const poll::operation& op,
                              poll::trust how) noexcept {
  if (!poll::is_simulated(d.fd)) return kernel_here()->attempt(d, op, how);
  socket_state* s = find(d.fd);
  return s != nullptr && s->record == &d ? attempt_on(*s, op) : -EBADF;
}

std::int64_t network::take_held(poll::descriptor& d, std::span<char> into) noexcept {
  return poll::is_simulated(d.fd) ? 0 : kernel_here()->take_held(d, into);
}

bool network::cancel(poll::descriptor& d, poll::direction dir, poll::cookie who) noexcept {
  if (!poll::is_simulated(d.fd)) return kernel_here()->cancel(d, dir, who);
  const auto& slot = d.slot_of(dir);
  if (!slot.pending || slot.who.who != who.who || slot.who.ticket != who.ticket) return false;
  poll::cookie dropped;
  return d.drop(dir, dropped);
}

std::size_t network::wait(std::span<poll::completion> out, std::int64_t timeout_ns) noexcept {
  std::size_t n = 0;
  for (; n < out.size() && !complete_.empty(); ++n) {
    out[n] = complete_.front();
    complete_.pop_front();
  }
  if (n > 0 || (timeout_ns == 0 && pending_count() == 0)) return n;
  // seq_cst: against wake(): either we see its word, or it sees the kernel's poller.
  if (woken_.exchange(0, base::seq_cst) != 0) timeout_ns = 0;
  if (auto* kernel = kernel_here()) return kernel->wait(out, timeout_ns);
  if (timeout_ns != 0) base::futex_wait(woken_, 0, timeout_ns);
  return 0;
}

void network::wake() noexcept {
  woken_.store(1, base::seq_cst);  // seq_cst: as in wait()
  base::futex_wake(woken_, 1);
  if (auto* kernel = kernel_here()) kernel->wake();
}

}  // namespace weft::sim
