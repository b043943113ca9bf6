// What is said: PRIVMSG NOTICE TAGMSG, to channels and to people. What goes to people is not
// stored.

#include <string>

#include "proto/limits.h"
#include "proto/names.h"
#include "server/asking.h"
#include "server/commands.h"
#include "server/msgid_source.h"
#include "server/spoken.h"
#include "server/targets.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

// speech: one command on its way to its targets.
class speech {
 public:
  speech(session& s, const proto::message& m, std::string_view command)
      : s_(s), mask_(s.me()->who().mask()) {
    line_.source = mask_;
    line_.command = command;
    line_.text = m.param(1);
    proto::append_client_only_tags(line_.tags, m.tags);
  }

  void to(std::string_view target) {
    if (proto::looks_like_channel(target))
      to_channel(target);
    else
      to_person(target);
  }

 private:
  // answers_errors: nothing answers a NOTICE, so that programs do not answer each other.
  [[nodiscard]] bool answers_errors() const noexcept { return line_.command != "NOTICE"; }

  void refuse(const proto::numeric& n, std::string_view target) {
    if (!answers_errors()) return;
    s_.fence();
    auto out = s_.reply();
    out.numeric(n, {word_or_star(target)});
    out.send();
  }

  // fits: whether the line can be passed on whole; it is never cut.
  [[nodiscard]] bool fits(const spoken& line) {
    if (body_size(line) <= proto::body_size_max) return true;
    s_.fence();
    auto out = s_.reply();
    out.numeric(proto::err_inputtoolong);
    out.send();
    return false;
  }

  void to_channel(std::string_view target) {
    const auto r = s_.server().people.find_room(target);
    if (r == nullptr) return refuse(proto::err_nosuchchannel, target);
    spoken line = line_;
    line.target = target;
    if (fits(line)) s_.say(r, std::move(line));
  }

  void to_person(std::string_view target) {
    s_.fence();
    const auto whom = s_.server().people.find(target);
    if (whom == nullptr) return refuse(proto::err_nosuchnick, target);
    const profile p = whom->who();
    spoken line = line_;
    line.target = p.nick;
    line.msgid = fresh_msgid();
    line.time_ms = wall_ms();
    if (!fits(line)) return;
    send(*whom, line);
    if (s_.me()->caps().has(proto::cap::echo_message)) send(*s_.me(), line);
    if (line.command != "PRIVMSG" || !p.away) return;
    auto out = s_.reply();
    out.text(proto::rpl_away, {p.nick}, *p.away);
    out.send();
  }

  static void send(client& to, const spoken& line) {
    const auto caps = to.caps();
    if (!is_seen_by(line, caps)) return;
    std::string bytes;
    append_spoken(bytes, line, caps);
    to.send(bytes);
  }

  session& s_;
  const std::string mask_;
  spoken line_;
};

void speak(session& s, const proto::message& m, std::string_view command) {
  const bool is_notice = command == "NOTICE";
  const auto complain = [&](const proto::numeric& n, std::string_view text = {}) {
    if (is_notice) return;
    s.fence();
    auto out = s.reply();
    out.numeric(n, {}, text);
    out.send();
  };
  const auto targets = split_targets(m.param(0));
  if (targets.empty())
    return complain(proto::err_norecipient, "No recipient given (" + std::string(command) + ")");
  if (command != "TAGMSG" && m.param(1).empty()) return complain(proto::err_notexttosend);
  if (command != "TAGMSG") s.me()->change([](profile& p) { p.spoke_ms = wall_ms(); });
  speech line(s, m, command);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (i == targets_max) {
      s.fence();
      auto out = s.reply();
      out.numeric(proto::err_toomanytargets, {word_or_star(targets[i])});
      return out.send();
    }
    line.to(targets[i]);
  }
}

}  // namespace

void cmd_privmsg(session& s, const proto::message& m) { speak(s, m, "PRIVMSG"); }
void cmd_notice(session& s, const proto::message& m) { speak(s, m, "NOTICE"); }

// TAGMSG needs message-tags: without them its sender could not know what it says.
void cmd_tagmsg(session& s, const proto::message& m) {
  if (s.me()->caps().has(proto::cap::message_tags)) return speak(s, m, "TAGMSG");
  s.fence();
  auto out = s.reply();
  out.numeric(proto::err_unknowncommand, {"TAGMSG"});
  out.send();
}

}  // namespace tertulia
