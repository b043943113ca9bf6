#pragma once

// session: one client's goroutine: it reads lines and carries out their commands, one after the
// other.
//
// Order. Lines for channels are handed to the channels' owners and not waited for, as long as they
// go to one channel, so that many fit into one commit; before anything else the session waits until
// they are out (fence). So all that a client is answered, PONG among it, comes after everything it
// sent before, and its lines arrive in the order it wrote them, also across channels.
//
// Limits. Reading stops while too much waits to be sent to this very client (soft mark), and while
// it talks faster than it may (flood control: lines wait, none is lost). Who sends no whole line is
// asked (PING) and in the end cut off; who does not register in time, too, however much it sends.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/line_buffer.h"
#include "proto/message.h"
#include "server/client.h"
#include "server/hub.h"
#include "server/replies.h"
#include "server/spoken.h"
#include "server/token_bucket.h"

namespace tertulia {

class room;

class session {
 public:
  using clock = std::chrono::steady_clock;

  session(hub& h, std::shared_ptr<client> me, bool is_exempt);

  // run: until the client is gone; everything is given back then.
  void run();

  // For commands:
  [[nodiscard]] hub& server() noexcept { return hub_; }
  [[nodiscard]] const std::shared_ptr<client>& me() const noexcept { return me_; }
  [[nodiscard]] replies reply() { return {hub_.conf.server.name, me_}; }

  // say: gives a line to a channel without waiting for it to be out.
  void say(const std::shared_ptr<room>& to, spoken line);
  // fence: waits until all that was said is out, or refused.
  void fence();
  // wait_below_soft_mark: waits while the client is slow to take what it was sent: who does not may
  // not ask for more. False: the session ends.
  [[nodiscard]] bool wait_below_soft_mark();
  // pace: sends what `out` holds when it is much, and waits while the client is slow to take it.
  // For replies that grow with the server. False: the session ends.
  bool pace(replies& out);
  // end: the session ends after this command; `reason` is told to the client and to the others.
  void end(std::string reason);

  // Registration:
  struct registration {
    bool has_user = false;
    bool in_caps = false;  // between CAP LS or REQ and CAP END
    bool has_password = false;
  };
  [[nodiscard]] registration& joining() noexcept { return registration_; }
  [[nodiscard]] bool is_registered() const noexcept { return is_registered_; }
  // register_if_ready: welcomes the client when nick, user and capabilities are settled.
  void register_if_ready();
  // rename: what NICK does to a registered client.
  void rename(const std::string& nick);

 private:
  // In session.cc:
  void read_once();
  void look_at_clock();
  [[nodiscard]] clock::time_point next_deadline() const;
  void take_bytes(std::string_view bytes);
  void take_line(const proto::line_event& event);
  void refuse_line(proto::parse_error e);
  void wait_for_turn();
  void dispatch(const proto::message& m);
  [[nodiscard]] bool is_foreign(std::string_view first_bytes);
  void finish();
  void leave_rooms(const std::string& reason);

  // In session_registration.cc:
  void take_at_gate(const proto::message& m, std::string_view line);
  void open_gate();
  void welcome();

  hub& hub_;
  const std::shared_ptr<client> me_;
  const bool is_exempt_;
  const clock::time_point started_ = clock::now();

  proto::line_buffer lines_;
  token_bucket flood_;
  registration registration_;
  bool is_registered_ = false;
  std::vector<std::string> held_;  // lines from before the password
  const room* said_to_ = nullptr;  // where lines under way go; compared, never used
  clock::time_point heard_ = started_;
  std::optional<clock::time_point> asked_;  // when the PING was sent that is not answered yet
  bool saw_bytes_ = false;
  bool ended_ = false;
  std::string reason_;
};

}  // namespace tertulia
