// Commands about the server and all that is on it: LIST LUSERS MOTD NAMES TIME VERSION.

#include <string>
#include <vector>

#include "proto/casemap.h"
#include "proto/limits.h"
#include "proto/names.h"
#include "proto/timestamp.h"
#include "server/asking.h"
#include "server/commands.h"
#include "server/targets.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

// is_other_server: whether a command was meant for a server that is not this one; says so.
bool is_other_server(session& s, std::string_view asked) {
  if (asked.empty() || proto::matches_mask(asked, s.server().conf.server.name)) return false;
  auto out = s.reply();
  out.numeric(proto::err_nosuchserver, {word_or_star(asked)});
  out.send();
  return true;
}

bool is_member(session& s, const room& r) {
  for (const auto& mine : s.me()->rooms())
    if (mine.get() == &r) return true;
  return false;
}

// append_if_visible: neither secret channels nor those that nobody is in any more, or yet.
void append_if_visible(session& s, room& r, replies& out) {
  const room_summary now = r.summary();
  if (now.member_count == 0 || (now.is_secret && !is_member(s, r))) return;
  out.text(proto::rpl_list, {now.display, std::to_string(now.member_count)}, now.topic);
}

void list_all(session& s, replies& out) {
  for (const auto& r : s.server().people.rooms()) {
    append_if_visible(s, *r, out);
    s.pace(out);
  }
}

void list_some(session& s, std::string_view names, replies& out) {
  std::size_t count = 0;
  for (const auto name : split_targets(names)) {
    if (++count > targets_max) return out.numeric(proto::err_toomanytargets, {word_or_star(name)});
    if (const auto r = s.server().people.find_room(name)) append_if_visible(s, *r, out);
  }
}

}  // namespace

void send_isupport(session& s) {
  auto out = s.reply();
  const auto& tokens = s.server().isupport;
  for (std::size_t at = 0; at < tokens.size(); at += proto::isupport_tokens_per_line) {
    auto line = out.server_line();
    line.command(proto::rpl_isupport.code).param(out.nick());
    for (std::size_t i = at; i < std::min(at + proto::isupport_tokens_per_line, tokens.size()); ++i)
      line.param(tokens[i]);
    line.text(proto::rpl_isupport.text).end();
  }
  out.send();
}

void send_lusers(session& s) {
  const auto c = s.server().people.count();
  const auto now = std::to_string(c.registered), most = std::to_string(c.registered_most);
  auto out = s.reply();
  out.text(proto::rpl_luserclient, {},
           "There are " + std::to_string(c.registered - std::min(c.invisible, c.registered)) +
               " users and " + std::to_string(c.invisible) + " invisible on 1 servers");
  if (c.unregistered > 0) out.numeric(proto::rpl_luserunknown, {std::to_string(c.unregistered)});
  out.numeric(proto::rpl_luserchannels, {std::to_string(c.rooms)});
  out.text(proto::rpl_luserme, {}, "I have " + now + " clients and 1 servers");
  out.text(proto::rpl_localusers, {now, most}, "Current local users " + now + ", max " + most);
  out.text(proto::rpl_globalusers, {now, most}, "Current global users " + now + ", max " + most);
  out.send();
}

void send_motd(session& s) {
  auto out = s.reply();
  const auto& lines = s.server().motd;
  if (lines.empty()) {
    out.numeric(proto::err_nomotd);
    return out.send();
  }
  out.text(proto::rpl_motdstart, {}, "- " + s.server().conf.server.name + " Message of the day -");
  for (const auto& line : lines) {
    out.text(proto::rpl_motd, {}, "- " + line);
    s.pace(out);
  }
  out.numeric(proto::rpl_endofmotd);
  out.send();
}

void cmd_lusers(session& s, const proto::message&) { send_lusers(s); }

void cmd_motd(session& s, const proto::message& m) {
  if (!is_other_server(s, m.param(0))) send_motd(s);
}

void cmd_version(session& s, const proto::message& m) {
  if (is_other_server(s, m.param(0))) return;
  auto out = s.reply();
  out.text(proto::rpl_version, {version_text(), s.server().conf.server.name},
           "channels keep their history");
  out.send();
  send_isupport(s);
}

void cmd_time(session& s, const proto::message& m) {
  if (is_other_server(s, m.param(0))) return;
  auto out = s.reply();
  out.text(proto::rpl_time, {s.server().conf.server.name}, proto::format_timestamp(wall_ms()));
  out.send();
}

void cmd_names(session& s, const proto::message& m) {
  const auto names = split_targets(m.param(0));
  std::size_t count = 0;
  for (const auto name : names) {
    if (++count > targets_max) {
      auto out = s.reply();
      out.numeric(proto::err_toomanytargets, {word_or_star(name)});
      return out.send();
    }
    if (!s.wait_below_soft_mark()) return;
    if (const auto r = s.server().people.find_room(name)) {
      ask_room(s, *r, [&](room_state& state, replies& out) { state.append_names(out, *s.me()); });
    } else {
      auto out = s.reply();
      out.numeric(proto::rpl_endofnames, {word_or_star(name)});
      out.send();
    }
  }
  if (!names.empty()) return;
  auto out = s.reply();
  out.numeric(proto::rpl_endofnames, {"*"});
  out.send();
}

void cmd_list(session& s, const proto::message& m) {
  auto out = s.reply();
  if (m.param_count == 0)
    list_all(s, out);
  else
    list_some(s, m.param(0), out);
  out.numeric(proto::rpl_listend);
  out.send();
}

}  // namespace tertulia
