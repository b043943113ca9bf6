// session, registration: the password before everything, then nick, user and capabilities.

#include <utility>

#include "proto/casemap.h"
#include "proto/timestamp.h"
#include "server/commands.h"
#include "server/room.h"
#include "server/session.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

// Lines a client may send before its password: CAP LS, CAP REQ, NICK, USER and some to spare.
constexpr std::size_t held_max = 16;

}  // namespace

// take_at_gate: while the password has not come, nothing is answered; what may stand before PASS is
// held until it has.
void session::take_at_gate(const proto::message& m, std::string_view line) {
  if (proto::is_command(m.command, "QUIT")) return end("Quit");
  if (proto::is_command(m.command, "PASS")) {
    if (hub_.pass.matches(m.param(0))) return open_gate();
    auto out = reply();
    out.numeric(proto::err_passwdmismatch);
    out.send();
    return end("Password incorrect");
  }
  held_.emplace_back(line);
  registration_.has_user |= proto::is_command(m.command, "USER");
  if (!registration_.has_user && held_.size() <= held_max) return;
  // USER is the last line of a client's introduction: PASS will not come.
  auto out = reply();
  out.numeric(proto::err_passwdmismatch, {}, "Password required");
  out.send();
  end("Password required");
}

void session::open_gate() {
  registration_.has_password = true;
  for (const std::string& line : std::exchange(held_, {})) {
    if (ended_) return;
    if (const auto m = proto::parse(line)) dispatch(*m);
  }
}

void session::register_if_ready() {
  if (is_registered_ || registration_.in_caps || !registration_.has_user) return;
  if (me_->who().nick == "*") return;
  is_registered_ = true;
  me_->change([](profile& p) { p.signon_ms = p.spoke_ms = wall_ms(); });
  hub_.people.enroll(*me_);
  const profile p = me_->who();
  log_info("client_registered",
           {{"client", static_cast<long long>(me_->id())}, {"nick", p.nick}, {"user", p.user}});
  welcome();
}

void session::welcome() {
  const profile p = me_->who();
  const std::string& name = hub_.conf.server.name;
  auto out = reply();
  out.text(proto::rpl_welcome, {}, "Welcome to " + hub_.conf.server.network + ", " + p.mask());
  out.text(proto::rpl_yourhost, {}, "Your host is " + name + ", running " + version_text());
  out.text(proto::rpl_created, {},
           "This server was started " + proto::format_timestamp(hub_.started_ms));
  out.plain(proto::rpl_myinfo, {name, version_text(), "i", "biklmnostv", "bklov"});
  out.send();
  send_isupport(*this);
  send_lusers(*this);
  send_motd(*this);
}

void session::rename(const std::string& nick) {
  const profile before = me_->who();
  const auto begun = hub_.people.new_id();
  me_->change([&](profile& p) { p.nick = nick; });
  room_state::client_set seen;
  const auto fill = [&](proto::line_writer& line) { line.command("NICK").param(nick); };
  for (const auto& r : me_->rooms())
    r->ask(me_, [&](room_state& state) {
      state.rename(*me_, nick);
      state.broadcast_once(seen, begun, before.mask(), fill);
    });
  if (!seen.contains(me_.get())) {
    auto out = reply();
    auto line = out.line(before.mask());
    fill(line);
    line.end();
    out.send();
  }
  // Only now may another take the old one: until here channels could still name it.
  if (!proto::same_name(before.nick, nick)) hub_.people.release(before.nick, *me_);
}

}  // namespace tertulia
