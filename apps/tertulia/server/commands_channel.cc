// Commands on channels: INVITE JOIN KICK PART TOPIC. MODE has a file of its own.

#include <string>

#include "proto/names.h"
#include "proto/utf8.h"
#include "server/asking.h"
#include "server/commands.h"
#include "server/room.h"
#include "server/session.h"
#include "server/targets.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

// lacks_params: for a list of names with no name in it.
void lacks_params(session& s, std::string_view command) {
  auto out = s.reply();
  out.numeric(proto::err_needmoreparams, {command});
  out.send();
}

void join_one(session& s, std::string_view name, std::string_view key) {
  const auto& limits = s.server().conf.limits;
  if (!proto::is_channel(name)) {
    auto out = s.reply();
    out.numeric(proto::err_nosuchchannel, {word_or_star(name)});
    return out.send();
  }
  const auto r = s.server().people.open_room(s.server(), name);
  ask_room(s, *r, [&](room_state& state, replies& out) {
    if (state.find(*s.me()) != nullptr) return;
    if (std::cmp_greater_equal(s.me()->room_count(), limits.channels_per_client_max))
      return out.numeric(proto::err_toomanychannels, {name});
    if (const auto* refusal = state.refusal_to_join(*s.me(), key))
      return out.numeric(*refusal, {state.display()});
    state.admit(s.me(), r);
  });
}

void part_one(session& s, std::string_view name, std::string_view reason) {
  with_room(s, name, [&](room_state& state, replies& out) {
    if (state.find(*s.me()) == nullptr)
      return out.numeric(proto::err_notonchannel, {state.display()});
    state.broadcast(s.me()->who().mask(), [&](proto::line_writer& line) {
      line.command("PART").param(state.display());
      if (!reason.empty()) line.text(reason);
    });
    state.remove(*s.me());
  });
}

void kick_one(session& s, room_state& state, replies& out, std::string_view nick,
              std::string_view reason) {
  const member* by = state.find(*s.me());
  if (by == nullptr) return out.numeric(proto::err_notonchannel, {state.display()});
  if (!by->is_operator) return out.numeric(proto::err_chanoprivsneeded, {state.display()});
  const member* whom = state.find_nick(nick);
  if (whom == nullptr) {
    if (s.server().people.find(nick) == nullptr)
      return out.numeric(proto::err_nosuchnick, {word_or_star(nick)});
    return out.numeric(proto::err_usernotinchannel, {word_or_star(nick), state.display()});
  }
  const std::string_view text = reason.empty() ? std::string_view(by->nick) : reason;
  state.broadcast(s.me()->who().mask(), [&](proto::line_writer& line) {
    line.command("KICK").param(state.display()).param(whom->nick).text(text);
  });
  state.remove(*whom->who);
}

void set_topic(session& s, room_state& state, replies& out, std::string_view text) {
  const member* by = state.find(*s.me());
  if (by == nullptr) return out.numeric(proto::err_notonchannel, {state.display()});
  if (state.has_flag('t') && !by->is_operator)
    return out.numeric(proto::err_chanoprivsneeded, {state.display()});
  channel_record changed = state.record();
  changed.topic = proto::cut_utf8(text, proto::topic_size_max);
  changed.topic_setter = s.me()->who().mask();
  changed.topic_ms = wall_ms();
  if (!state.set(std::move(changed)))
    return out.fail("TOPIC", "NOT_STORED", {state.display()}, "The topic could not be stored");
  state.broadcast(s.me()->who().mask(), [&](proto::line_writer& line) {
    line.command("TOPIC").param(state.display()).text(state.record().topic);
  });
}

void invite_to(session& s, room_state& state, replies& out, const std::shared_ptr<client>& whom) {
  const member* by = state.find(*s.me());
  const profile guest = whom->who();
  if (by == nullptr) return out.numeric(proto::err_notonchannel, {state.display()});
  if (state.has_flag('i') && !by->is_operator)
    return out.numeric(proto::err_chanoprivsneeded, {state.display()});
  if (state.find(*whom) != nullptr)
    return out.numeric(proto::err_useronchannel, {guest.nick, state.display()});
  // Only an operator's word opens a door: bans do not give way to just anybody's.
  if (by->is_operator) state.invite(*whom);
  out.plain(proto::rpl_inviting, {guest.nick, state.display()});
  if (guest.away) out.text(proto::rpl_away, {guest.nick}, *guest.away);
  replies to_guest(s.server().conf.server.name, whom);
  to_guest.line(s.me()->who().mask())
      .command("INVITE")
      .param(guest.nick)
      .param(state.display())
      .end();
  to_guest.send();
}

}  // namespace

void cmd_join(session& s, const proto::message& m) {
  if (m.param(0) == "0") {
    for (const auto& r : s.me()->rooms()) part_one(s, r->name(), "");
    return;
  }
  const auto names = split_targets(m.param(0));
  if (names.empty()) return lacks_params(s, "JOIN");
  std::string_view keys = m.param(1);
  // Each answer brings topic, names and perhaps lines: no more of them than the client takes.
  for (std::size_t i = 0; i < names.size() && s.wait_below_soft_mark(); ++i) {
    // Keys belong to names by position; an empty one keeps its place.
    const std::string_view key = keys.substr(0, keys.find(','));
    keys.remove_prefix(key.size() < keys.size() ? key.size() + 1 : key.size());
    join_one(s, names[i], key);
  }
}

void cmd_part(session& s, const proto::message& m) {
  const auto names = split_targets(m.param(0));
  if (names.empty()) return lacks_params(s, "PART");
  const auto reason = proto::cut_utf8(m.param(1), proto::quit_size_max);
  for (const auto name : names) part_one(s, name, reason);
}

void cmd_kick(session& s, const proto::message& m) {
  const auto reason = proto::cut_utf8(m.param(2), proto::kick_size_max);
  const auto nicks = split_targets(m.param(1));
  if (nicks.empty()) return lacks_params(s, "KICK");
  with_room(s, m.param(0), [&](room_state& state, replies& out) {
    std::size_t count = 0;
    for (const auto nick : nicks) {
      if (++count > targets_max)
        return out.numeric(proto::err_toomanytargets, {word_or_star(nick)});
      kick_one(s, state, out, nick, reason);
    }
  });
}

void cmd_topic(session& s, const proto::message& m) {
  with_room(s, m.param(0), [&](room_state& state, replies& out) {
    if (m.param_count > 1) return set_topic(s, state, out, m.param(1));
    if (state.has_flag('s') && state.find(*s.me()) == nullptr)
      return out.numeric(proto::err_notonchannel, {state.display()});
    state.append_topic(out);
  });
}

void cmd_invite(session& s, const proto::message& m) {
  const auto whom = s.server().people.find(m.param(0));
  if (whom == nullptr) {
    auto out = s.reply();
    out.numeric(proto::err_nosuchnick, {word_or_star(m.param(0))});
    return out.send();
  }
  with_room(s, m.param(1),
            [&](room_state& state, replies& out) { invite_to(s, state, out, whom); });
}

}  // namespace tertulia
