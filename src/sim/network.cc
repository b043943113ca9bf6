#include "sim/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

namespace weft::sim {
namespace {

constexpr std::int64_t resend_ns = 200'000'000;
constexpr int resends_max = 15;

}  // namespace

network::network(const std::int64_t& clock, std::uint64_t seed,
                 std::function<std::string()> host_of)
    : clock_(clock), host_of_(std::move(host_of)), random_(seed * 0x9e3779b97f4a7c15ULL | 1) {}

// --- hosts and links --------------------------------------------------------------------------

std::size_t network::host_named(std::string_view name) {
  const auto found = std::ranges::find(hosts_, name);
  if (found == hosts_.end()) hosts_.emplace_back(name);
  return static_cast<std::size_t>(std::ranges::find(hosts_, name) - hosts_.begin());
}

bool network::look_up(const std::string& host, in_addr& out) noexcept {
  if (host.ends_with(".invalid")) return false;  // RFC 6761
  out.s_addr = host == "localhost"
                   ? htonl(INADDR_LOOPBACK)
                   : htonl(first_host + static_cast<std::uint32_t>(host_named(host)));
  return true;
}

network::route& network::route_of(std::size_t from, std::size_t to) { return routes_[{from, to}]; }

const test::link& network::link_of(std::size_t from, std::size_t to) {
  static const test::link nothing;
  const route& r = route_of(from, to);
  if (r.own) return r.link;
  return from == to ? nothing : default_link_;
}

void network::set_default(const test::link& l) { default_link_ = l; }

void network::set_link(std::string_view from, std::string_view to, const test::link& l) {
  route& r = route_of(host_named(from), host_named(to));
  r.own = true;
  r.link = l;
}

void network::cut(std::string_view from, std::string_view to) {
  route_of(host_named(from), host_named(to)).cut = true;
}

void network::heal(std::string_view from_name, std::string_view to_name) {
  const auto from = host_named(from_name);
  const auto to = host_named(to_name);
  route& r = route_of(from, to);
  r.cut = false;
  // What comes later stays behind them (I4).
  for (auto& each : std::exchange(r.held, {})) {
    r.not_before_ns = arrival(from, to, 0, false);
    at(r.not_before_ns, from, to, std::move(each));
  }
}

void network::reset(std::string_view a_name, std::string_view b_name) {
  const auto a = host_named(a_name);
  const auto b = host_named(b_name);
  for (auto& [fd, s] : sockets_) {
    const auto near = s.local.host;
    const auto far = s.remote.host;
    if (s.peer < 0 && s.at != socket_state::phase::connecting) continue;
    if ((near == a && far == b) || (near == b && far == a)) break_off(s, ECONNRESET);
  }
}

// --- chance and events ------------------------------------------------------------------------

std::uint64_t network::random() noexcept {
  random_ ^= random_ >> 12;  // xorshift64*, Vigna 2016
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return random_ * 0x2545f4914f6cdd1dULL;
}

bool network::chance(double of) noexcept {
  return of > 0 && static_cast<double>(random() >> 11) * 0x1p-53 < of;
}

std::int64_t network::next() const noexcept {
  if (!complete_.empty()) return clock_;
  return events_.empty() ? std::numeric_limits<std::int64_t>::max() : events_.begin()->first.first;
}

bool network::run() noexcept {
  while (!events_.empty() && events_.begin()->first.first <= clock_) {
    const auto what = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    what();
  }
  return !complete_.empty();
}

// arrival: when something of so many bytes that leaves now is there.
std::int64_t network::arrival(std::size_t from, std::size_t to, std::size_t bytes, bool resends) {
  const test::link l = link_of(from, to);
  route& r = route_of(from, to);
  auto t = clock_;
  if (l.bytes_per_second > 0) {
    constexpr double ns_per_second = 1e9;
    t = std::max(t, r.free_at_ns) +
        static_cast<std::int64_t>(static_cast<double>(bytes) * ns_per_second /
                                  static_cast<double>(l.bytes_per_second));
    r.free_at_ns = t;
  }
  t += l.delay.count();
  if (l.jitter.count() > 0)
    t += static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(l.jitter.count() + 1));
  for (int i = 0; resends && i < resends_max && chance(l.loss); ++i) t += resend_ns;
  return std::max(t, r.not_before_ns);
}

// at: `what` happens at `to` then, or when the link is whole again.
void network::at(std::int64_t when_ns, std::size_t from, std::size_t to,
                 std::function<void()> what) {
  events_.emplace(std::pair(when_ns, event_number_++), [this, from, to, what = std::move(what)] {
    route& r = route_of(from, to);
    if (r.cut) {
      r.held.push_back(what);
    } else {
      what();
    }
  });
}

void network::arrive(std::size_t from, std::size_t to, std::function<void()> what) {
  at(arrival(from, to, 0, true), from, to, std::move(what));
}

// send_in_order: `what` of the other end of a connection, behind all that was sent to it before.
// An end that is gone, or broken, answers to all but the end itself that there is no connection.
void network::send_in_order(socket_state& s, std::size_t bytes, answer expected,
                            std::function<void(socket_state&)> what) {
  const auto near = s.local.host;
  const auto far = s.remote.host;
  s.last_arrival_ns = std::max(s.last_arrival_ns, arrival(near, far, bytes, true));
  under_way_[s.fd].push_back(
      [this, fd = s.fd, peer = peer_of(s), near, far, expected, what = std::move(what)] {
        auto* other = find(peer);
        if (other != nullptr && !other->broken) {
          what(*other);
        } else if (expected == answer::reset) {
          arrive(far, near, [this, fd] {
            if (auto* writer = find(fd)) break_off(*writer, ECONNRESET);
          });
        }
      });
  at(s.last_arrival_ns, near, far, [this, fd = s.fd] { deliver_front(fd); });
}

void network::deliver_front(int sender) {
  const auto all = under_way_.find(sender);
  const auto what = std::move(all->second.front());
  all->second.pop_front();
  if (all->second.empty()) under_way_.erase(all);
  what();
}

// --- connections ------------------------------------------------------------------------------

// wants_in: whether there is such a client, and it waits for its connection.
bool network::wants_in(const caller& who) noexcept {
  const socket_state* client = find(who);
  return client != nullptr && client->at == socket_state::phase::connecting && !client->broken;
}

// greet: a connection of `who` arrives where it wants to. In front of a full backlog it waits
// for accept(), or for the listener's end: no timer asks again, so that who waits for ever is seen
// as a deadlock (I1).
void network::greet(const caller& who) {
  if (!wants_in(who)) return;
  const socket_state* client = find(who);
  const auto here = client->remote.host;
  const auto there = client->local.host;
  socket_state* listener = bound_at(client->remote, true, client->local);
  if (listener == nullptr) {
    arrive(here, there, [this, who] {
      if (auto* c = find(who)) break_off(*c, ECONNREFUSED);
    });
    return;
  }
  if (listener->backlog.size() < listener->backlog_max) {
    let_in(*listener, who);
  } else {
    listener->outside.push_back(who);
  }
}

// let_in: there is room at `listener` for a client that wants in.
void network::let_in(socket_state& listener, const caller& who) {
  const socket_state* client = find(who);
  const int fd = make_socket(listener.family, true);
  socket_state& server = sockets_[fd];
  server.at = socket_state::phase::connected;
  server.local = client->remote;
  server.remote = client->local;
  server.peer = who.fd;
  server.peer_attempt = who.attempt;
  listener.backlog.push_back(fd);
  notify(listener, poll::direction::read);
  send_in_order(server, 0, answer::reset, [this, fd](socket_state& c) {
    c.at = socket_state::phase::connected;
    c.peer = fd;
    notify_both(c);
  });
}

// break_off: the connection, or the attempt at one, is no more, at this end.
void network::break_off(socket_state& s, int code) {
  if (s.broken) return;  // it is told once
  // Behind the other's end a reset is news for writers alone, as on Linux.
  s.failure = code == ECONNRESET && s.end_arrived ? EPIPE : code;
  s.broken = true;
  notify_both(s);
}

// give_up: `s` is about to go. The other end reads what was sent, and then the end; or hears at
// once that bytes which it had sent were never read.
void network::give_up(socket_state& s) {
  for (const int fd : std::exchange(s.backlog, {})) {
    if (auto* waiting = find(fd)) {
      waiting->arrived.assign(1, '\0');  // nobody reads it
      close(fd);
    }
  }
  if (s.peer < 0 || s.broken) return;
  if (!s.arrived.empty()) {
    send_in_order(s, 0, answer::none,
                  [this](socket_state& other) { break_off(other, ECONNRESET); });
  } else if (!s.write_ended) {
    end_writing(s);
  }
}

void network::end_writing(socket_state& s) {
  s.write_ended = true;
  send_in_order(s, 0, answer::none, [this](socket_state& other) {
    other.end_arrived = true;
    notify(other, poll::direction::read);
  });
}

// taken_up: `bytes` of what was sent to `s` are out of its way: the other end hears of it.
void network::taken_up(socket_state& s, std::size_t bytes) {
  arrive(s.local.host, s.remote.host, [this, peer = peer_of(s), bytes] {
    auto* writer = find(peer);
    if (writer == nullptr) return;
    writer->unread -= bytes;
    notify(*writer, poll::direction::write);
  });
}

std::int64_t network::read(socket_state& s, const poll::operation& op) {
  if (s.at != socket_state::phase::connected && !s.broken) return -ENOTCONN;
  if (!s.arrived.empty()) {
    const auto n = std::min(op.size, s.arrived.size());
    std::memcpy(op.data, s.arrived.data(), n);
    s.arrived.erase(0, n);
    taken_up(s, n);
    return static_cast<std::int64_t>(n);
  }
  if (s.end_arrived) return 0;
  if (s.failure != 0) return -std::exchange(s.failure, 0);
  return s.read_ended || s.broken ? 0 : -EAGAIN;
}

std::size_t network::room(socket_state& s) {
  const auto buffer = std::max<std::size_t>(1, link_of(s.local.host, s.remote.host).buffer);
  return buffer - std::min(buffer, s.unread);
}

std::int64_t network::write(socket_state& s, const iovec* pieces, std::size_t count) {
  if (s.failure != 0) return -std::exchange(s.failure, 0);
  if (s.write_ended || s.broken) return -EPIPE;
  if (s.at != socket_state::phase::connected) return -ENOTCONN;
  std::size_t whole = 0;
  for (std::size_t i = 0; i < count; ++i) whole += pieces[i].iov_len;
  if (whole == 0) return 0;
  const auto n = std::min(whole, room(s));
  if (n == 0) return -EAGAIN;
  std::string bytes;
  for (std::size_t i = 0; i < count && bytes.size() < n; ++i)
    bytes.append(static_cast<const char*>(pieces[i].iov_base),
                 std::min(pieces[i].iov_len, n - bytes.size()));
  s.unread += n;
  send_in_order(s, n, answer::reset, [this, bytes = std::move(bytes)](socket_state& other) {
    if (other.read_ended) return taken_up(other, bytes.size());
    other.arrived += bytes;
    notify(other, poll::direction::read);
  });
  return static_cast<std::int64_t>(n);
}

std::int64_t network::accept(socket_state& s, const poll::operation& op) {
  if (s.at != socket_state::phase::listening) return -EINVAL;
  if (s.backlog.empty()) return -EAGAIN;
  const int fd = s.backlog.front();
  s.backlog.pop_front();
  while (!s.outside.empty() && s.backlog.size() < s.backlog_max) {
    const caller next = s.outside.front();
    s.outside.pop_front();
    if (wants_in(next)) let_in(s, next);
  }
  if (op.data != nullptr) {
    sockaddr_storage native{};
    socklen_t size = sizeof native;
    name(fd, true, native, size);
    std::memcpy(op.data, &native, std::min<std::size_t>(size, op.size));
  }
  return fd;
}

// end_attempt: why it failed, or that this was told already, as Linux has it (inet_stream_connect).
// The next one begins anew.
int network::end_attempt(socket_state& s) noexcept {
  const int why = std::exchange(s.failure, 0);
  s.broken = false;
  s.local = s.unaimed;
  s.at = s.local.port == 0 ? socket_state::phase::fresh : socket_state::phase::bound;
  ++s.attempt;
  return why != 0 ? why : ECONNABORTED;
}

std::int64_t network::connect_step(socket_state& s, const poll::operation& op) {
  switch (s.at) {
    case socket_state::phase::connected: return s.failure != 0 ? -std::exchange(s.failure, 0) : 0;
    case socket_state::phase::connecting: return s.broken ? -end_attempt(s) : -EAGAIN;
    case socket_state::phase::listening: return -EISCONN;
    default: break;
  }
  s.unaimed = s.local;
  if (const int code = aim(s, static_cast<const sockaddr*>(op.data), op.size); code != 0)
    return code;
  s.at = socket_state::phase::connecting;
  arrive(s.local.host, s.remote.host, [this, who = caller{s.fd, s.attempt}] { greet(who); });
  return -EAGAIN;
}

}  // namespace weft::sim
