#pragma once

// client: one connection as everybody else sees it: who it is, what it understood of IRCv3, how to
// send to it. Its session (session.h) reads from it and alone changes who it is; channels' owners
// and other sessions read and send. Locks here are leaves: nothing is called that locks again or
// waits.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weft/channel.h>
#include <weft/mutex.h>
#include <weft/net/conn.h>
#include <weft/wait_group.h>

#include "proto/caps.h"
#include "server/outbox.h"

namespace tertulia {

class room;

// profile: who a client is. Copied as a whole, so that nick, user and host fit together.
struct profile {
  std::string nick = "*";
  std::string user;
  std::string host;
  std::string realname;
  std::optional<std::string> away;
  bool registered = false;
  bool invisible = false;
  std::int64_t signon_ms = 0;
  std::int64_t spoke_ms = 0;  // when it last said something, for "idle"

  [[nodiscard]] std::string mask() const { return nick + "!" + user + "@" + host; }
};

class client {
 public:
  client(std::uint64_t id, std::shared_ptr<weft::net::conn> conn, std::string host,
         outbox::options out);
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  // id: never given out twice in one run of the server.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

  [[nodiscard]] profile who();
  [[nodiscard]] proto::cap_set caps();

  // Of its session:
  template <class F>
  void change(F&& f) {
    const std::lock_guard hold(lock_);
    f(profile_);
  }
  void set_caps(proto::cap_set caps);

  // send: lines for the client; never blocks. One whose queue is over the mark is cut off.
  void send(std::string_view lines);

  // cut_off: ends the client from outside: its session sees the connection closed and gives
  // `reason` to the others. The first reason counts.
  void cut_off(std::string_view reason);
  // why: the reason of the first cut_off, or "".
  [[nodiscard]] std::string why();

  [[nodiscard]] outbox& out() noexcept { return *out_; }
  [[nodiscard]] weft::net::conn& conn() noexcept { return *conn_; }

  // The channels it is in, by folded name. Entered and left by the channels' owners.
  void entered(const std::string& name, std::shared_ptr<room> where);
  // left: gives back what entered() kept, so that the caller drops it without the lock.
  std::shared_ptr<room> left(const std::string& name);
  [[nodiscard]] std::vector<std::shared_ptr<room>> rooms();
  [[nodiscard]] std::size_t room_count();

  // in_flight: lines given to a channel's owner that it has not delivered or refused yet. The
  // session adds and waits, the owner takes off.
  weft::wait_group in_flight;
  // answered: where an owner says that a request of this client's session is done.
  weft::channel<bool> answered{1};

 private:
  const std::uint64_t id_;
  const std::shared_ptr<weft::net::conn> conn_;
  const std::shared_ptr<outbox> out_;

  weft::mutex lock_;
  // Guarded by lock_:
  profile profile_;
  proto::cap_set caps_;
  std::string why_;
  std::map<std::string, std::shared_ptr<room>> rooms_;
};

}  // namespace tertulia
