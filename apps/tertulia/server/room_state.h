#pragma once

// room_state: a channel from the inside: its members, their ranks, its modes and its lines. It
// belongs to the channel's owner, the one goroutine that calls it (room.h); nothing here is locked.
//
// What is kept is kept before it is seen: lines and settings are committed first and sent
// afterwards, and what could not be committed is refused to the one who asked.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "proto/line_writer.h"
#include "proto/modes.h"
#include "server/client.h"
#include "server/replies.h"
#include "server/spoken.h"
#include "server/store.h"

namespace tertulia {

struct hub;

struct member {
  std::shared_ptr<client> who;
  bool is_operator = false;
  bool has_voice = false;
  std::string nick;  // by which the channel's lines know it; follows the client's on its rename
  std::uint64_t since = 0;  // registry::new_id() when it came in

  [[nodiscard]] std::string_view prefix() const noexcept {
    return is_operator ? "@" : has_voice ? "+" : "";
  }
};

// said_line: a line given to the owner, and what became of it.
struct said_line {
  std::shared_ptr<client> from;
  spoken line;
  std::string refusal;   // why it was not sent; "" when it was
  bool is_lost = false;  // refused because it could not be kept
};

class room_state {
 public:
  using client_ptr = std::shared_ptr<client>;
  using client_set = std::unordered_set<const client*>;

  // Loads what is stored of the channel.
  room_state(hub& h, std::string name, std::string display);

  [[nodiscard]] const channel_record& record() const noexcept { return record_; }
  [[nodiscard]] const std::string& display() const noexcept { return record_.display; }
  [[nodiscard]] bool has_flag(char flag) const noexcept {
    return record_.modes.find(flag) != std::string::npos;
  }
  // last_seq: of the last line that members have been sent.
  [[nodiscard]] std::int64_t last_seq() const noexcept { return last_seq_; }

  [[nodiscard]] member* find(const client& c);
  [[nodiscard]] member* find_nick(std::string_view nick);
  [[nodiscard]] const std::unordered_map<const client*, member>& members() const noexcept {
    return members_;
  }

  // Coming in: the numeric that refuses `c`, or null; admit() adds it, tells everybody, and gives
  // it topic, names and, unless it can ask itself, the last lines. `self` is kept by the client.
  [[nodiscard]] const proto::numeric* refusal_to_join(client& c, std::string_view key);
  void admit(const client_ptr& c, const std::shared_ptr<room>& self);
  void invite(const client& c);

  // remove: takes a member out without a word; broadcast before it.
  void remove(const client& c);

  // broadcast: a line of `source` to every member but `except`; `fill` writes what follows the
  // source.
  using fill_line = std::function<void(proto::line_writer&)>;
  void broadcast(std::string_view source, const fill_line& fill, const client* except = nullptr);
  // broadcast_once: for what is told in several channels, one after the other: to members that are
  // not in `seen` yet, who are added to it; and again to those who came in here after `begun`
  // (registry::new_id() before the first channel), for the names they were given were old.
  void broadcast_once(client_set& seen, std::uint64_t begun, std::string_view source,
                      const fill_line& fill);

  void rename(const client& c, const std::string& nick);

  // deliver: judges, keeps and sends a run of lines, in order.
  void deliver(std::vector<said_line>& run);

  // set: makes `changed` the channel's record once it is stored; false when it cannot be.
  [[nodiscard]] bool set(channel_record changed);

  // change_modes: applies what an operator asked for and tells everybody.
  void change_modes(member& by, const proto::mode_request& request, replies& out);

  void append_topic(replies& out) const;
  void append_names(replies& out, const client& viewer) const;
  void append_bans(replies& out) const;
  // mode_words: "+ntk" and "key", as RPL_CHANNELMODEIS has them; keys only for members.
  [[nodiscard]] std::vector<std::string> mode_words(bool shows_key) const;

 private:
  // In room_speech.cc:
  [[nodiscard]] std::string refusal_to_speak(const client& c, const spoken& line) const;
  void keep(std::vector<said_line>& run);
  [[nodiscard]] bool ensure_id();
  void send_to_sender(const client_ptr& c, const std::vector<said_line>& run) const;
  void append_refusal(replies& out, const said_line& l) const;

  [[nodiscard]] bool open_doors();
  [[nodiscard]] bool is_banned(const profile& p) const;
  void append_history(replies& out);

  hub& hub_;
  channel_record record_;
  std::string broken_;  // why the channel could not be loaded, or ""; then it lets nobody in
  std::int64_t last_seq_ = 0;
  std::int64_t last_time_ms_ = 0;
  std::unordered_map<const client*, member> members_;
  std::deque<std::uint64_t> invited_;  // ids of clients, the oldest first
};

}  // namespace tertulia
