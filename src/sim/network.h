#pragma once

// network: what a simulation has in place of the kernel's sockets: TCP and UDP between hosts, in
// virtual time.
//
// How. Everything that one host does to another - open, send, end, refuse - is an event that
// happens there after the link's delay; run() does those that are due. An operation that would wait
// stays pending in the network, which is a poller too, and completes with `again` when an event, or
// its own peer's reading, may have changed that. What is opened that is no simulated socket goes to
// a poller of the kernel, made for the first.
//
// I1  What can happen by itself is in events_: when it is empty, and nobody's turn, nothing will.
// I2  All chance is the seed's: no address, no order of a hash, no clock but the simulation's.
// I3  Events hold numbers of sockets, not sockets: whoever is gone when they happen is not found.
//     A socket whose attempt to connect has failed may try again: what one attempt has set going
//     holds the number of the attempt, too.
// I4  Bytes of one direction of a connection arrive in order: each not before the one sent before.
//     What is sent stands in a queue of its direction, and an event takes the front of it: also one
//     that overtakes others, which were held at a cut and go on after heal().
//
// Threads: the simulation's machine; behind its end, whoever closes what is left.
//
// Rejected. Real sockets with delays in front of them: the kernel decides when a byte is there.
// Interfaces in place of conn: programs would be tested that are not those that run.
//
// Tests: network_test.cc.

#include <weft/test_network.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/atomic.h"
#include "poll/descriptor.h"
#include "poll/poller.h"
#include "poll/sockets.h"

namespace weft::sim {

// first_host: 10.0.0.1, the address of hosts_[0]; the others follow.
inline constexpr std::uint32_t first_host = 0x0a000001;

// place: an address of the simulated network, as hosts see it.
struct place {
  enum class what : std::uint8_t { any, loopback, own };
  what kind = what::any;
  std::size_t host = 0;
  std::uint16_t port = 0;
  int family = AF_INET;  // of the address that was used

  friend bool operator==(const place&, const place&) = default;
};

class network final : public poll::poller, public poll::simulated_sockets {
 public:
  // clock: the simulation's; a loan for its length. host_of: the host that the caller is on.
  network(const std::int64_t& clock, std::uint64_t seed, std::function<std::string()> host_of);
  ~network() override;

  // next: when run() has something to do; INT64_MAX if never.
  [[nodiscard]] std::int64_t next() const noexcept;
  // run: the events that are due. Whether a completion is there to be collected.
  bool run() noexcept;

  // -- test_network.h --
  void set_default(const test::link& l);
  void set_link(std::string_view from, std::string_view to, const test::link& l);
  void cut(std::string_view from, std::string_view to);
  void heal(std::string_view from, std::string_view to);
  void reset(std::string_view a, std::string_view b);

  // -- poller.h --
  [[nodiscard]] const char* name() const noexcept override { return "simulated"; }
  [[nodiscard]] poll::descriptor* open(int fd, int* error, poll::access who) noexcept override;
  int close(poll::descriptor& d, std::span<poll::completion, 2> evicted) noexcept override;
  void release(poll::descriptor& d) noexcept override;
  [[nodiscard]] poll::start_result start(poll::descriptor& d, const poll::operation& op,
                                         poll::cookie who) noexcept override;
  [[nodiscard]] std::int64_t attempt(poll::descriptor& d, const poll::operation& op,
                                     poll::trust how) noexcept override;
  [[nodiscard]] std::int64_t take_held(poll::descriptor& d, std::span<char> into) noexcept override;
  [[nodiscard]] bool cancel(poll::descriptor& d, poll::direction dir,
                            poll::cookie who) noexcept override;
  [[nodiscard]] std::size_t wait(std::span<poll::completion> out,
                                 std::int64_t timeout_ns) noexcept override;
  void wake() noexcept override;
  [[nodiscard]] std::size_t pending_count() const noexcept override {
    const auto* kernel = kernel_here();
    return kernel != nullptr ? kernel->pending_count() : 0;
  }
  [[nodiscard]] std::size_t own_threads() const noexcept override {
    const auto* kernel = kernel_here();
    return kernel != nullptr ? kernel->own_threads() : 0;
  }

  // -- sockets.h --
  int socket(int family, int type) noexcept override;
  int set_option(int fd, int level, int name, int value) noexcept override;
  int bind(int fd, const sockaddr* to, socklen_t size) noexcept override;
  int listen(int fd, int backlog) noexcept override;
  int connect(int fd, const sockaddr* to, socklen_t size) noexcept override;
  int name(int fd, bool of_peer, sockaddr_storage& out, socklen_t& size) noexcept override;
  int shutdown(int fd, int how) noexcept override;
  void close(int fd) noexcept override;
  bool look_up(const std::string& host, in_addr& out) noexcept override;

 private:
  struct packet {
    place from;
    std::string bytes;
  };

  // caller: an attempt to connect (I3).
  struct caller {
    int fd = -1;
    std::uint32_t attempt = 0;
  };

  // socket_state: of a connection both ends have one; what is written goes into the other's.
  struct socket_state {
    enum class phase : std::uint8_t { fresh, bound, listening, connecting, connected };
    int fd = -1;
    int family = AF_INET;
    bool stream = true;
    phase at = phase::fresh;
    bool ip6_only = false;
    bool shares_port = false;
    place local;
    place remote;
    place unaimed;                   // local, before an attempt to connect chose what was open
    int peer = -1;                   // of a connection: the other end's number
    std::uint32_t attempt = 0;       // to connect: how many have failed before
    std::uint32_t peer_attempt = 0;  // the peer's, that became this connection
    int failure = 0;                 // errno that the next operation tells
    bool broken = false;
    poll::descriptor* record = nullptr;

    // What has come, and what was sent.
    std::string arrived;
    bool end_arrived = false;
    bool read_ended = false;
    bool write_ended = false;
    std::size_t unread = 0;            // sent by us, and not read by the peer
    std::int64_t last_arrival_ns = 0;  // there, of what we have sent (I4)

    std::deque<int> backlog;
    std::size_t backlog_max = 0;
    std::deque<caller> outside;  // who found the backlog full
    std::deque<packet> packets;
  };

  struct route {
    bool own = false;  // set_link() was called
    test::link link;
    bool cut = false;
    std::int64_t free_at_ns = 0;              // of its bytes_per_second
    std::int64_t not_before_ns = 0;           // what was held arrives, and nothing earlier
    std::vector<std::function<void()>> held;  // what arrived while it was cut
  };

  socket_state* find(int fd) noexcept;
  socket_state* find(const caller& who) noexcept;
  [[nodiscard]] static caller peer_of(const socket_state& s) noexcept {
    return {s.peer, s.peer_attempt};
  }
  std::size_t host_named(std::string_view name);
  route& route_of(std::size_t from, std::size_t to);
  const test::link& link_of(std::size_t from, std::size_t to);
  bool chance(double of) noexcept;
  std::uint64_t random() noexcept;

  bool place_of(const sockaddr* from, std::size_t size, std::size_t here, place& out) noexcept;
  static void write_place(const place& from, int family, sockaddr_storage& out,
                          socklen_t& size) noexcept;
  int aim(socket_state& s, const sockaddr* to, std::size_t size) noexcept;
  void bind_anywhere(socket_state& s, place::what kind) noexcept;
  [[nodiscard]] bool taken(const socket_state& s, const place& to) const noexcept;
  static bool hears(const socket_state& s, const place& to) noexcept;
  socket_state* bound_at(const place& to, bool stream, const place& from) noexcept;

  std::int64_t arrival(std::size_t from, std::size_t to, std::size_t bytes, bool resends);
  void at(std::int64_t when_ns, std::size_t from, std::size_t to, std::function<void()> what);
  void arrive(std::size_t from, std::size_t to, std::function<void()> what);
  // answer: of a host whose end of the connection is gone or broken.
  enum class answer : std::uint8_t { none, reset };
  void send_in_order(socket_state& s, std::size_t bytes, answer expected,
                     std::function<void(socket_state&)> what);
  void deliver_front(int sender);
  void notify(socket_state& s, poll::direction dir) noexcept;
  void notify_both(socket_state& s) noexcept;

  int make_socket(int family, bool stream);
  void greet(const caller& who);
  void let_in(socket_state& listener, const caller& who);
  [[nodiscard]] bool wants_in(const caller& who) noexcept;
  void break_off(socket_state& s, int code);
  void give_up(socket_state& s);
  void end_writing(socket_state& s);
  void taken_up(socket_state& s, std::size_t bytes);
  std::size_t room(socket_state& s);

  std::int64_t attempt_on(socket_state& s, const poll::operation& op) noexcept;
  std::int64_t read(socket_state& s, const poll::operation& op);
  std::int64_t write(socket_state& s, const iovec* pieces, std::size_t count);
  std::int64_t accept(socket_state& s, const poll::operation& op);
  [[nodiscard]] static int end_attempt(socket_state& s) noexcept;
  std::int64_t connect_step(socket_state& s, const poll::operation& op);
  std::int64_t receive(socket_state& s, const poll::operation& op);
  std::int64_t send(socket_state& s, const poll::operation& op);
  std::int64_t send_packet(socket_state& s, const place& to, std::string bytes);

  // kernel_here: the kernel's poller; null until something is opened that is no simulated socket.
  [[nodiscard]] poll::poller* kernel_here() const noexcept {
    return kernel_.load(base::seq_cst);  // seq_cst: as in wait()
  }

  base::atomic<poll::poller*> kernel_{nullptr};  // owned; set once, by the machine
  base::atomic<std::uint32_t> woken_{0};         // a futex word; by wake()
  const std::int64_t& clock_;
  const std::function<std::string()> host_of_;
  std::uint64_t random_;
  poll::descriptor_pool records_;
  std::map<int, socket_state> sockets_;
  std::vector<std::string> hosts_{"localhost"};
  std::map<std::pair<std::size_t, std::size_t>, route> routes_;
  test::link default_link_;
  std::map<std::pair<std::int64_t, std::uint64_t>, std::function<void()>> events_;
  std::uint64_t event_number_ = 0;
  // under_way_: what ends of connections have sent that is not there yet, by the end's number; it
  // outlives the end. As many events wait, or are held, as one has entries (I4).
  std::map<int, std::deque<std::function<void()>>> under_way_;
  std::uint16_t next_port_ = 40000;
  std::deque<poll::completion> complete_;
};

}  // namespace weft::sim
