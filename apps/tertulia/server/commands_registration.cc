// Commands of getting in, staying and leaving: CAP NICK PASS PING PONG QUIT USER.

#include "proto/caps.h"
#include "proto/casemap.h"
#include "proto/names.h"
#include "proto/utf8.h"
#include "server/commands.h"
#include "server/session.h"

namespace tertulia {

namespace {

// Names in one line of CAP LS, so that prefix and nick fit before them.
constexpr std::size_t cap_names_max = 380;

void send_names(session& s, std::string_view subcommand, proto::cap_set caps, bool may_continue) {
  auto out = s.reply();
  const auto lists = proto::name_lists(caps, cap_names_max);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    auto line = out.server_line();
    line.command("CAP").param(out.nick()).param(subcommand);
    if (may_continue && i + 1 < lists.size()) line.param("*");
    line.text(lists[i]).end();
  }
  out.send();
}

void request_caps(session& s, std::string_view asked) {
  const auto granted = proto::apply_request(asked, s.me()->caps());
  auto out = s.reply();
  out.server_line()
      .command("CAP")
      .param(out.nick())
      .param(granted ? "ACK" : "NAK")
      .text(asked)
      .end();
  out.send();
  if (granted) s.me()->set_caps(*granted);
}

void set_first_nick(session& s, const std::string& nick) {
  const std::string old = s.me()->who().nick;
  s.me()->change([&](profile& p) { p.nick = nick; });
  if (!proto::same_name(old, nick)) s.server().people.release(old, *s.me());
  s.register_if_ready();
}

}  // namespace

void cmd_cap(session& s, const proto::message& m) {
  const std::string_view sub = m.param(0);
  if (proto::is_command(sub, "LS")) {
    if (!s.is_registered()) s.joining().in_caps = true;
    send_names(s, "LS", proto::all_caps(), m.param(1).starts_with("30"));
  } else if (proto::is_command(sub, "LIST")) {
    send_names(s, "LIST", s.me()->caps(), true);
  } else if (proto::is_command(sub, "REQ")) {
    if (!s.is_registered()) s.joining().in_caps = true;
    request_caps(s, m.param(1));
  } else if (proto::is_command(sub, "END")) {
    s.joining().in_caps = false;
    s.register_if_ready();
  } else {
    auto out = s.reply();
    out.numeric(proto::err_invalidcapcmd, {word_or_star(sub)});
    out.send();
  }
}

void cmd_nick(session& s, const proto::message& m) {
  const std::string nick(m.param(0));
  auto out = s.reply();
  const std::string old = out.nick();
  if (nick.empty()) {
    out.numeric(proto::err_nonicknamegiven);
  } else if (!proto::is_nick(nick)) {
    out.numeric(proto::err_erroneusnickname, {word_or_star(nick)});
  } else if (!s.server().people.claim(nick, s.me())) {
    out.numeric(proto::err_nicknameinuse, {nick});
  } else if (!s.is_registered()) {
    set_first_nick(s, nick);
  } else if (nick != old) {
    s.rename(nick);
  }
  out.send();
}

void cmd_user(session& s, const proto::message& m) {
  if (s.is_registered() || s.joining().has_user) {
    auto out = s.reply();
    out.numeric(proto::err_alreadyregistered);
    return out.send();
  }
  s.joining().has_user = true;
  s.me()->change([&](profile& p) {
    p.user = proto::user_from(m.param(0));
    p.realname = proto::cut_utf8(m.param(3), proto::realname_size_max);
  });
  s.register_if_ready();
}

// The password is taken before commands are (session_registration.cc): here it is too late, or none
// is needed and any is welcome.
void cmd_pass(session& s, const proto::message&) {
  if (!s.is_registered()) return;
  auto out = s.reply();
  out.numeric(proto::err_alreadyregistered);
  out.send();
}

void cmd_ping(session& s, const proto::message& m) {
  auto out = s.reply();
  if (m.param_count == 0) {
    out.numeric(proto::err_noorigin);
  } else {
    const std::string& name = s.server().conf.server.name;
    out.server_line().command("PONG").param(name).text(m.param(0)).end();
  }
  out.send();
}

// Any line shows that the client is there; PONG has nothing else to say.
void cmd_pong(session&, const proto::message&) {}

void cmd_quit(session& s, const proto::message& m) {
  const auto text = proto::cut_utf8(m.param(0), proto::quit_size_max);
  s.end(text.empty() ? "Quit" : "Quit: " + std::string(text));
}

}  // namespace tertulia
