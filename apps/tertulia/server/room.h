#pragma once

// room: a channel as the rest of the server sees it: a place to put lines and questions.
//
// Each channel has an owner: one goroutine that alone touches the channel's room_state and takes
// what it is given from an inbox, first in, first out. That makes the one order of the channel: the
// order of the inbox is the order on the wire to every member, and the order in the history.
//
//   session --say--> inbox --> owner: a run of lines is judged, committed, sent; then acknowledged
//   session --ask--> inbox --> owner: runs a function on the state while the session waits
//
// Lines that follow each other form a run and share one commit; a question first lets the run
// before it be committed and sent. So nobody is sent a line before its commit, and who has an
// answer from the owner (PONG follows from one) knows that all earlier lines are out.
//
// Who may wait on whom: sessions wait for owners (inbox full, answer), owners for the history's
// writer, the writer for the disk. Nobody waits for a session, and sending to a client never waits
// (outbox.h). So there is no circle.
//
// A room lives as long as somebody holds it: each member, sessions while they use it, and the owner
// as long as it has lines that are not out. So its end finds the inbox empty and everything stored:
// a new room of the same name may load it at once, and goes on where it ended. The end closes the
// inbox, and the owner goes.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <weft/channel.h>
#include <weft/mutex.h>

#include "server/client.h"
#include "server/room_state.h"
#include "server/spoken.h"

namespace tertulia {

struct hub;

// room_summary: what LIST and LUSERS tell of a channel.
struct room_summary {
  std::string display;
  std::string topic;
  std::size_t member_count = 0;
  bool is_secret = false;
};

class room : public std::enable_shared_from_this<room> {
 public:
  using client_ptr = std::shared_ptr<client>;

  // open: starts the owner. `name` is folded.
  [[nodiscard]] static std::shared_ptr<room> open(hub& h, std::string name, std::string display);
  ~room();
  room(const room&) = delete;
  room& operator=(const room&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // say: gives the owner a line. `from.in_flight` has counted it; the owner takes it off when the
  // line is out. Waits while the inbox is full.
  void say(client_ptr from, spoken line);

  // ask: runs f(room_state&) on the owner's goroutine, after everything given to it before, and
  // returns when f has. For the session of `who`, one question at a time. f must not wait for a
  // session.
  template <class F>
  void ask(const client_ptr& who, F&& f) {
    put({who, nullptr, nullptr,
         [](void* g, room_state& s) { (*static_cast<std::remove_reference_t<F>*>(g))(s); },
         const_cast<void*>(static_cast<const void*>(std::addressof(f)))});
    static_cast<void>(who->answered.recv());
  }

  [[nodiscard]] room_summary summary();

 private:
  struct event {
    client_ptr who;
    std::unique_ptr<spoken> line;  // said; or, when null, a question:
    std::shared_ptr<room> where;   // with a line: the room lives until it is out
    void (*question)(void*, room_state&) = nullptr;
    void* argument = nullptr;
  };
  // shared: what room and owner have in common.
  struct shared {
    weft::channel<event> inbox;
    weft::mutex lock;
    room_summary summary;  // guarded by lock
  };
  class owner;

  room(hub& h, std::string name, std::shared_ptr<shared> s);
  void put(event e);

  hub& hub_;
  const std::string name_;
  const std::shared_ptr<shared> shared_;
};

}  // namespace tertulia
