// Commands about people: AWAY ISON USERHOST WHO WHOIS.

#include <optional>
#include <string>
#include <vector>

#include "proto/casemap.h"
#include "proto/names.h"
#include "proto/utf8.h"
#include "server/asking.h"
#include "server/commands.h"
#include "server/targets.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

// shares_room: whether both are in one channel; those see each other whatever their modes.
bool shares_room(client& a, client& b) {
  for (const auto& x : a.rooms())
    for (const auto& y : b.rooms())
      if (x == y) return true;
  return false;
}

void append_who(replies& out, const std::string& server, std::string_view channel, const profile& p,
                std::string_view prefix) {
  const std::string flags = std::string(p.away ? "G" : "H") + std::string(prefix);
  out.text(proto::rpl_whoreply, {channel, p.user, p.host, server, p.nick, flags},
           "0 " + p.realname);
}

// seen_member: what WHO shows of a member, taken while the owner waited.
struct seen_member {
  profile who;
  std::string prefix;
};

void who_channel(session& s, std::string_view name, replies& out) {
  const auto r = s.server().people.find_room(name);
  if (r == nullptr) return;
  std::vector<seen_member> seen;
  std::string display;
  r->ask(s.me(), [&](room_state& state) {
    display = state.display();
    const bool is_inside = state.find(*s.me()) != nullptr;
    if (!is_inside && state.has_flag('s')) return;
    for (const auto& [c, m] : state.members()) {
      const profile p = m.who->who();
      if (is_inside || !p.invisible) seen.push_back({p, std::string(m.prefix())});
    }
  });
  for (const auto& m : seen) {
    append_who(out, s.server().conf.server.name, display, m.who, m.prefix);
    s.pace(out);
  }
}

void who_mask(session& s, std::string_view mask, replies& out) {
  const std::string& server = s.server().conf.server.name;
  const auto fits = [&](std::string_view text) { return proto::matches_mask(mask, text); };
  for (const auto& c : s.server().people.everybody()) {
    const profile p = c->who();
    if (!fits(p.nick) && !fits(p.user) && !fits(p.host) && !fits(p.realname) && !fits(server))
      continue;
    // Whoever is invisible is found by those who know the whole nick.
    if (p.invisible && c != s.me() && !proto::same_name(mask, p.nick) && !shares_room(*c, *s.me()))
      continue;
    append_who(out, server, "*", p, "");
    s.pace(out);
  }
}

// channels_of: "@#a +#b": the channels of `whom` that the asker may know of.
std::string channels_of(session& s, client& whom) {
  std::string out;
  for (const auto& r : whom.rooms())
    r->ask(s.me(), [&](room_state& state) {
      const member* m = state.find(whom);
      if (m == nullptr) return;
      const bool is_hidden = state.has_flag('s') || m->who->who().invisible;
      if (is_hidden && state.find(*s.me()) == nullptr) return;
      if (!out.empty()) out += ' ';
      out.append(m->prefix()).append(state.display());
    });
  return out;
}

void append_channels(replies& out, std::string_view nick, std::string_view list) {
  constexpr std::size_t per_line = 380;
  while (!list.empty()) {
    std::string_view piece = list.substr(0, per_line);
    if (piece.size() < list.size()) piece = piece.substr(0, piece.rfind(' '));
    out.text(proto::rpl_whoischannels, {nick}, piece);
    list.remove_prefix(std::min(piece.size() + 1, list.size()));
  }
}

void append_whois(session& s, replies& out, client& whom) {
  const profile p = whom.who();
  const auto& server = s.server().conf.server;
  out.text(proto::rpl_whoisuser, {p.nick, p.user, p.host, "*"}, p.realname);
  append_channels(out, p.nick, channels_of(s, whom));
  out.text(proto::rpl_whoisserver, {p.nick, server.name}, server.network);
  if (p.away) out.text(proto::rpl_away, {p.nick}, *p.away);
  const auto idle_s = std::max<std::int64_t>(wall_ms() - p.spoke_ms, 0) / 1000;
  out.numeric(proto::rpl_whoisidle,
              {p.nick, std::to_string(idle_s), std::to_string(p.signon_ms / 1000)});
}

}  // namespace

void cmd_away(session& s, const proto::message& m) {
  const auto text = proto::cut_utf8(m.param(0), proto::away_size_max);
  s.me()->change([&](profile& p) {
    if (text.empty())
      p.away.reset();
    else
      p.away = text;
  });
  auto out = s.reply();
  out.numeric(text.empty() ? proto::rpl_unaway : proto::rpl_nowaway);
  out.send();
}

void cmd_ison(session& s, const proto::message& m) {
  std::string present;
  for (std::size_t i = 0; i < m.param_count; ++i) {
    std::string_view rest = m.param(i);
    while (!rest.empty()) {
      const std::string_view nick = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(nick.size() + 1, rest.size()));
      const auto found = nick.empty() ? nullptr : s.server().people.find(nick);
      if (found == nullptr) continue;
      if (!present.empty()) present += ' ';
      present += found->who().nick;
    }
  }
  auto out = s.reply();
  out.text(proto::rpl_ison, {}, present);
  out.send();
}

void cmd_userhost(session& s, const proto::message& m) {
  constexpr std::size_t nicks_max = 5;
  std::string found;
  for (std::size_t i = 0; i < std::min(m.param_count, nicks_max); ++i) {
    const auto c = s.server().people.find(m.param(i));
    if (c == nullptr) continue;
    const profile p = c->who();
    if (!found.empty()) found += ' ';
    found.append(p.nick).append(p.away ? "=-" : "=+").append(p.user).append("@").append(p.host);
  }
  auto out = s.reply();
  out.text(proto::rpl_userhost, {}, found);
  out.send();
}

void cmd_who(session& s, const proto::message& m) {
  const std::string_view mask = m.param(0);
  auto out = s.reply();
  if (proto::looks_like_channel(mask))
    who_channel(s, mask, out);
  else
    who_mask(s, mask == "0" ? "*" : mask, out);
  out.numeric(proto::rpl_endofwho, {word_or_star(mask)});
  out.send();
}

void cmd_whois(session& s, const proto::message& m) {
  auto out = s.reply();
  // "WHOIS server nick" asks a certain server; there is one.
  const std::string_view asked = m.param(m.param_count > 1 ? 1 : 0);
  const auto nicks = split_targets(asked);
  if (nicks.empty()) {
    out.numeric(proto::err_nonicknamegiven);
    return out.send();
  }
  if (const auto whom = s.server().people.find(nicks[0]))
    append_whois(s, out, *whom);
  else
    out.numeric(proto::err_nosuchnick, {word_or_star(nicks[0])});
  out.numeric(proto::rpl_endofwhois, {word_or_star(nicks[0])});
  out.send();
}

}  // namespace tertulia
