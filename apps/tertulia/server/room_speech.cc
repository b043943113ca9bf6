// room_state, what is said: a run of lines is judged, committed and sent, in this order.

#include <algorithm>
#include <array>
#include <optional>

#include "proto/casemap.h"
#include "proto/msgid.h"
#include "server/hub.h"
#include "server/msgid_source.h"
#include "server/room_state.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

using proto::cap;

// form_of: which of the four forms of a line a client with `caps` is sent.
std::size_t form_of(proto::cap_set caps) noexcept {
  return (caps.has(cap::server_time) ? 1U : 0U) + (caps.has(cap::message_tags) ? 2U : 0U);
}

bool has_sender(const std::vector<said_line>& run, const client* c) {
  return std::ranges::any_of(run, [&](const said_line& l) { return l.from.get() == c; });
}

// is_to_keep: whether the history takes the line; decided before anything was refused for the disk.
bool is_to_keep(const said_line& l) {
  return l.refusal.empty() && l.line.command != "TAGMSG" && is_kept(l.line.text);
}

// refuse_all: every line that was to be kept.
void refuse_all(std::vector<said_line>& run, std::string_view why) {
  for (said_line& l : run) {
    if (!is_to_keep(l)) continue;
    l.refusal = why;
    l.is_lost = true;
  }
}

}  // namespace

std::string room_state::refusal_to_speak(const client& c, const spoken& line) const {
  const auto at = members_.find(&c);
  if (at == members_.end() && has_flag('n')) return "Cannot send to channel (+n)";
  if (at != members_.end() && !at->second.prefix().empty()) return "";
  if (has_flag('m')) return "Cannot send to channel (+m)";
  const bool banned = std::ranges::any_of(
      record_.bans, [&](const ban_record& b) { return proto::matches_mask(b.mask, line.source); });
  return banned ? "Cannot send to channel (+b)" : "";
}

bool room_state::ensure_id() { return record_.id != 0 || set(record_); }

// keep: commits what is to be kept of the run; refuses all of it when that fails.
void room_state::keep(std::vector<said_line>& run) {
  std::vector<stored_line> lines;
  for (said_line& l : run) {
    if (!is_to_keep(l)) continue;
    if (!ensure_id())
      return refuse_all(run, "Cannot send to channel (the history cannot be written)");
    const std::int64_t seq = last_seq_ + static_cast<std::int64_t>(lines.size()) + 1;
    l.line.msgid = proto::format_msgid({record_.id, seq, l.line.time_ms});
    lines.push_back(
        {record_.id, seq, l.line.time_ms, l.line.source, l.line.command, l.line.text, l.line.tags});
  }
  if (lines.empty()) return;
  const auto done = hub_.store->append(lines);
  // Also after a failure: nobody can say what of it reached the disk, and a number is given out
  // once.
  last_seq_ += static_cast<std::int64_t>(lines.size());
  if (done) return;
  log_error("lines_not_kept", {{"channel", record_.name},
                               {"lines", static_cast<long long>(lines.size())},
                               {"error", done.error().text}});
  refuse_all(run, done.error().what == store_error::kind::full
                      ? "Cannot send to channel (the history is full)"
                      : "Cannot send to channel (the history cannot be written)");
}

void room_state::append_refusal(replies& out, const said_line& l) const {
  // Nothing answers a NOTICE, so that programs do not answer each other; but a line that could not
  // be kept is lost, and whoever sent it has to know.
  if (l.line.command == "NOTICE" && !l.is_lost) return;
  out.text(proto::err_cannotsendtochan, {display()}, l.refusal);
}

// send_to_sender: the run for one who has said part of it: its own lines as echoes, if it asked for
// them, and refusals in their place.
void room_state::send_to_sender(const client_ptr& c, const std::vector<said_line>& run) const {
  const bool is_member = members_.contains(c.get());
  replies out(hub_.conf.server.name, c);
  for (const said_line& l : run) {
    const bool is_own = l.from == c;
    if (is_own && !l.refusal.empty()) {
      append_refusal(out, l);
    } else if (l.refusal.empty() && is_seen_by(l.line, out.caps()) &&
               (is_own ? out.caps().has(cap::echo_message) : is_member)) {
      append_spoken(out.bytes(), l.line, out.caps());
    }
  }
  out.send();
}

void room_state::deliver(std::vector<said_line>& run) {
  for (said_line& l : run) {
    l.refusal = refusal_to_speak(*l.from, l.line);
    last_time_ms_ = std::max(last_time_ms_, wall_ms());
    l.line.time_ms = last_time_ms_;
    l.line.target = display();
    if (!is_to_keep(l)) l.line.msgid = fresh_msgid();
  }
  keep(run);
  std::array<std::optional<std::string>, 4> forms;
  for (auto& [c, m] : members_) {
    if (has_sender(run, c)) continue;
    const auto caps = m.who->caps();
    auto& form = forms[form_of(caps)];
    if (!form) {
      form.emplace();
      for (const said_line& l : run)
        if (l.refusal.empty() && is_seen_by(l.line, caps)) append_spoken(*form, l.line, caps);
    }
    m.who->send(*form);
  }
  client_set served;
  for (const said_line& l : run)
    if (served.insert(l.from.get()).second) send_to_sender(l.from, run);
}

}  // namespace tertulia
