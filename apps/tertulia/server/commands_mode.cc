// MODE, of channels and of oneself.

#include <string>

#include "proto/casemap.h"
#include "proto/modes.h"
#include "proto/names.h"
#include "server/asking.h"
#include "server/commands.h"

namespace tertulia {

namespace {

void show_modes(const room_state& state, bool is_member, replies& out) {
  auto line = out.server_line();
  line.command(proto::rpl_channelmodeis.code).param(out.nick()).param(state.display());
  for (const auto& word : state.mode_words(is_member)) line.param(word);
  line.end();
  out.plain(proto::rpl_creationtime,
            {state.display(), std::to_string(state.record().created_ms / 1000)});
}

void channel_mode(session& s, const proto::message& m, room_state& state, replies& out) {
  member* by = state.find(*s.me());
  if (m.param_count == 1) return show_modes(state, by != nullptr, out);
  const auto request = proto::parse_modes(m.params().subspan(1));
  for (const auto letter : request.unknown)
    out.numeric(proto::err_unknownmode, {word_or_star(letter)});
  if (request.wants_bans) state.append_bans(out);
  if (request.lacks_param) out.numeric(proto::err_needmoreparams, {"MODE"});
  if (request.changes.empty()) return;
  if (by == nullptr) return out.numeric(proto::err_notonchannel, {state.display()});
  if (!by->is_operator) return out.numeric(proto::err_chanoprivsneeded, {state.display()});
  state.change_modes(*by, request, out);
}

std::string user_modes(const profile& p) { return p.invisible ? "+i" : "+"; }

// change_own: "+i-i..."; what took effect, or "" for nothing.
std::string change_own(session& s, std::string_view letters, bool& has_unknown) {
  bool adds = true;
  const bool before = s.me()->who().invisible;
  bool after = before;
  for (const char c : letters) {
    if (c == '+' || c == '-')
      adds = c == '+';
    else if (c == 'i')
      after = adds;
    else
      has_unknown = true;
  }
  if (after == before) return "";
  s.server().people.hide(*s.me(), after);
  return after ? "+i" : "-i";
}

void user_mode(session& s, const proto::message& m) {
  auto out = s.reply();
  if (!proto::same_name(m.param(0), out.nick())) {
    if (s.server().people.find(m.param(0)) == nullptr)
      out.numeric(proto::err_nosuchnick, {word_or_star(m.param(0))});
    else
      out.numeric(proto::err_usersdontmatch);
  } else if (m.param_count == 1) {
    out.plain(proto::rpl_umodeis, {user_modes(s.me()->who())});
  } else {
    bool has_unknown = false;
    const std::string done = change_own(s, m.param(1), has_unknown);
    if (!done.empty())
      out.line(s.me()->who().mask()).command("MODE").param(out.nick()).param(done).end();
    if (has_unknown) out.numeric(proto::err_umodeunknownflag);
  }
  out.send();
}

}  // namespace

void cmd_mode(session& s, const proto::message& m) {
  if (!proto::looks_like_channel(m.param(0))) return user_mode(s, m);
  with_room(s, m.param(0),
            [&](room_state& state, replies& out) { channel_mode(s, m, state, out); });
}

}  // namespace tertulia
