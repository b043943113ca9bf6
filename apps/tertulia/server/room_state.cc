#include "server/room_state.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "proto/casemap.h"
#include "proto/limits.h"
#include "proto/timestamp.h"
#include "server/hub.h"
#include "server/playback.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

constexpr std::size_t invited_max = 256;

// played_size_max: the most that a line out of the history takes on the wire.
std::size_t played_size_max(const stored_line& l) {
  constexpr std::size_t frame = 256;  // server tags, command and channel, perhaps twice
  return 2 * l.sender.size() + l.text.size() + l.tags.size() + frame;
}

}  // namespace

room_state::room_state(hub& h, std::string name, std::string display) : hub_(h) {
  const auto loaded = hub_.store->load(name);
  if (!loaded) {
    broken_ = loaded.error().text;
    log_error("channel_not_loaded", {{"channel", name}, {"error", broken_}});
  }
  if (loaded && *loaded) {
    record_ = (*loaded)->record;
    last_seq_ = (*loaded)->last_seq;
    last_time_ms_ = (*loaded)->last_time_ms;
  } else {
    record_.name = std::move(name);
    record_.display = std::move(display);
    record_.created_ms = wall_ms();
  }
}

// open_doors: nobody is left who could invite, so the channel opens; but what was said behind
// closed doors stays there. False when that could not be stored.
bool room_state::open_doors() {
  invited_.clear();
  if (!has_flag('i')) return true;
  channel_record opened = record_;
  std::erase(opened.modes, 'i');
  opened.first_seq = last_seq_ + 1;
  return set(std::move(opened));
}

member* room_state::find(const client& c) {
  const auto at = members_.find(&c);
  return at == members_.end() ? nullptr : &at->second;
}

member* room_state::find_nick(std::string_view nick) {
  const auto at = std::ranges::find_if(
      members_, [&](const auto& m) { return proto::same_name(m.second.nick, nick); });
  return at == members_.end() ? nullptr : &at->second;
}

bool room_state::is_banned(const profile& p) const {
  const std::string mask = p.mask();
  return std::ranges::any_of(record_.bans,
                             [&](const auto& b) { return proto::matches_mask(b.mask, mask); });
}

const proto::numeric* room_state::refusal_to_join(client& c, std::string_view key) {
  if (!broken_.empty()) return &proto::err_unavailresource;
  // Also a room that somebody held while nobody was in it.
  if (members_.empty() && !open_doors()) return &proto::err_unavailresource;
  const bool is_invited = std::ranges::find(invited_, c.id()) != invited_.end();
  if (!is_invited && is_banned(c.who())) return &proto::err_bannedfromchan;
  if (!is_invited && has_flag('i')) return &proto::err_inviteonlychan;
  if (!record_.password.empty() && key != record_.password) return &proto::err_badchannelkey;
  if (record_.member_limit > 0 && std::cmp_greater_equal(members_.size(), record_.member_limit))
    return &proto::err_channelisfull;
  return nullptr;
}

void room_state::admit(const client_ptr& c, const std::shared_ptr<room>& self) {
  std::erase(invited_, c->id());
  const profile p = c->who();
  members_.emplace(c.get(), member{c, members_.empty(), false, p.nick, hub_.people.new_id()});
  c->entered(record_.name, self);
  broadcast(p.mask(), [&](auto& line) { line.command("JOIN").param(display()); });
  replies out(hub_.conf.server.name, c);
  if (!record_.topic.empty()) append_topic(out);
  append_names(out, *c);
  append_history(out);
  out.send();
}

void room_state::invite(const client& c) {
  if (std::ranges::find(invited_, c.id()) != invited_.end()) return;
  if (invited_.size() == invited_max) invited_.pop_front();
  invited_.push_back(c.id());
}

void room_state::remove(const client& c) {
  const auto node = members_.extract(&c);
  // The last holder of the room may be this client; the session that asked still holds it too.
  if (!node.empty()) node.mapped().who->left(record_.name);
}

void room_state::rename(const client& c, const std::string& nick) {
  if (member* m = find(c)) m->nick = nick;
}

void room_state::broadcast_once(client_set& seen, std::uint64_t begun, std::string_view source,
                                const fill_line& fill) {
  // In two forms: without and with server-time.
  std::array<std::string, 2> forms;
  for (auto& [c, m] : members_) {
    if (!seen.insert(c).second && m.since < begun) continue;
    const bool timed = m.who->caps().has(proto::cap::server_time);
    std::string& form = forms[timed ? 1 : 0];
    if (form.empty()) {
      proto::line_writer line(form);
      if (timed) line.tag("time", proto::format_timestamp(wall_ms()));
      line.source(source);
      fill(line);
      line.end();
    }
    m.who->send(form);
  }
}

void room_state::broadcast(std::string_view source, const fill_line& fill, const client* except) {
  client_set seen;
  if (except != nullptr) seen.insert(except);
  broadcast_once(seen, UINT64_MAX, source, fill);
}

bool room_state::set(channel_record changed) {
  if (const auto saved = hub_.store->save(changed); !saved) {
    log_error("channel_not_saved", {{"channel", record_.name}, {"error", saved.error().text}});
    return false;
  }
  record_ = std::move(changed);
  return true;
}

void room_state::append_topic(replies& out) const {
  if (record_.topic.empty()) return out.numeric(proto::rpl_notopic, {display()});
  out.text(proto::rpl_topic, {display()}, record_.topic);
  out.plain(proto::rpl_topicwhotime,
            {display(), record_.topic_setter, std::to_string(record_.topic_ms / 1000)});
}

void room_state::append_names(replies& out, const client& viewer) const {
  const std::string_view kind = has_flag('s') ? "@" : "=";
  const bool is_inside = members_.contains(&viewer);
  // ":server 353 nick = #channel :" and the names within the limit of a line.
  const std::size_t room_left = proto::body_size_max - hub_.conf.server.name.size() -
                                out.nick().size() - display().size() - 12;
  std::string names;
  const auto put_line = [&] {
    if (!names.empty()) out.text(proto::rpl_namreply, {kind, display()}, names);
    names.clear();
  };
  for (const auto& [c, m] : members_) {
    if (!is_inside && (has_flag('s') || m.who->who().invisible)) continue;
    if (names.size() + m.nick.size() + 2 > room_left) put_line();
    if (!names.empty()) names += ' ';
    names.append(m.prefix()).append(m.nick);
  }
  put_line();
  out.numeric(proto::rpl_endofnames, {display()});
}

void room_state::append_bans(replies& out) const {
  for (const auto& b : record_.bans)
    out.plain(proto::rpl_banlist, {display(), b.mask, b.setter, std::to_string(b.time_ms / 1000)});
  out.numeric(proto::rpl_endofbanlist, {display()});
}

// append_history: the last lines, for clients that cannot ask for them.
void room_state::append_history(replies& out) {
  const int count = hub_.conf.history.join_lines;
  if (count == 0 || record_.id == 0 || out.caps().has(proto::cap::chathistory)) return;
  const line_range range{.channel = record_.id,
                         .after = record_.first_seq - 1,
                         .before = last_seq_ + 1,
                         .count = count,
                         .prefer = line_range::end::newest};
  const auto lines = hub_.store->read([&](history_reader& r) { return r.lines(range); });
  if (!lines)
    return log_error("history_not_read",
                     {{"channel", record_.name}, {"error", lines.error().text}});
  // They are sent at once. Should they be very long, only as many as leave the client far from the
  // hard mark.
  auto room_left = static_cast<std::size_t>(hub_.conf.limits.send_queue_hard_bytes) / 2;
  auto first = lines->end();
  while (first != lines->begin() && played_size_max(*std::prev(first)) <= room_left)
    room_left -= played_size_max(*--first);
  if (first == lines->end()) return;
  const batch frame(out, "chathistory", display());
  for (; first != lines->end(); ++first) append_played(out, *first, display(), frame.reference());
}

}  // namespace tertulia
