#pragma once

// commands: what clients can ask. Each group has a file of its own; the table says when a command
// may be used and with how many parameters.

#include <cstddef>
#include <string_view>

#include "proto/message.h"

namespace tertulia {

class session;

struct command {
  std::string_view name;
  void (*run)(session& s, const proto::message& m);
  std::size_t params_min = 0;        // fewer: ERR_NEEDMOREPARAMS
  bool before_registration = false;  // else ERR_NOTREGISTERED before it
  bool is_speech = false;            // does not wait for lines under way (session.h, order)
};

// find_command: by name in any case; null when there is none.
[[nodiscard]] const command* find_command(std::string_view name) noexcept;

// commands_registration.cc
void cmd_cap(session& s, const proto::message& m);
void cmd_nick(session& s, const proto::message& m);
void cmd_pass(session& s, const proto::message& m);
void cmd_ping(session& s, const proto::message& m);
void cmd_pong(session& s, const proto::message& m);
void cmd_quit(session& s, const proto::message& m);
void cmd_user(session& s, const proto::message& m);

// commands_channel.cc
void cmd_invite(session& s, const proto::message& m);
void cmd_join(session& s, const proto::message& m);
void cmd_kick(session& s, const proto::message& m);
void cmd_part(session& s, const proto::message& m);
void cmd_topic(session& s, const proto::message& m);

// commands_mode.cc
void cmd_mode(session& s, const proto::message& m);

// commands_message.cc
void cmd_notice(session& s, const proto::message& m);
void cmd_privmsg(session& s, const proto::message& m);
void cmd_tagmsg(session& s, const proto::message& m);

// commands_history.cc
void cmd_chathistory(session& s, const proto::message& m);

// commands_people.cc
void cmd_away(session& s, const proto::message& m);
void cmd_ison(session& s, const proto::message& m);
void cmd_userhost(session& s, const proto::message& m);
void cmd_who(session& s, const proto::message& m);
void cmd_whois(session& s, const proto::message& m);

// commands_server.cc
void cmd_list(session& s, const proto::message& m);
void cmd_lusers(session& s, const proto::message& m);
void cmd_motd(session& s, const proto::message& m);
void cmd_names(session& s, const proto::message& m);
void cmd_time(session& s, const proto::message& m);
void cmd_version(session& s, const proto::message& m);

// Parts of the welcome.
void send_isupport(session& s);
void send_lusers(session& s);
void send_motd(session& s);

}  // namespace tertulia
