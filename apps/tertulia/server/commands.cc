#include "server/commands.h"

#include <algorithm>
#include <array>

namespace tertulia {

namespace {

constexpr std::array commands{
    command{"AWAY", cmd_away},
    command{"CAP", cmd_cap, 1, true},
    command{"CHATHISTORY", cmd_chathistory},
    command{"INVITE", cmd_invite, 2},
    command{"ISON", cmd_ison, 1},
    command{"JOIN", cmd_join, 1},
    command{"KICK", cmd_kick, 2},
    command{"LIST", cmd_list},
    command{"LUSERS", cmd_lusers},
    command{"MODE", cmd_mode, 1},
    command{"MOTD", cmd_motd},
    command{"NAMES", cmd_names},
    command{"NICK", cmd_nick, 0, true},
    command{"NOTICE", cmd_notice, 0, false, true},
    command{"PART", cmd_part, 1},
    command{"PASS", cmd_pass, 1, true},
    command{"PING", cmd_ping, 0, true},
    command{"PONG", cmd_pong, 0, true},
    command{"PRIVMSG", cmd_privmsg, 0, false, true},
    command{"QUIT", cmd_quit, 0, true},
    command{"TAGMSG", cmd_tagmsg, 0, false, true},
    command{"TIME", cmd_time},
    command{"TOPIC", cmd_topic, 1},
    command{"USER", cmd_user, 4, true},
    command{"USERHOST", cmd_userhost, 1},
    command{"VERSION", cmd_version},
    command{"WHO", cmd_who, 1},
    command{"WHOIS", cmd_whois},
};

}  // namespace

const command* find_command(std::string_view name) noexcept {
  const auto at = std::ranges::find_if(
      commands, [&](const command& c) { return proto::is_command(name, c.name); });
  return at == commands.end() ? nullptr : &*at;
}

}  // namespace tertulia
