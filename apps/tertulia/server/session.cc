#include "server/session.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "server/commands.h"
#include "server/room.h"

namespace tertulia {

namespace {

using namespace std::chrono_literals;

// What a reply may grow to before it is sent and the client is given time to take it.
constexpr std::size_t pace_size = 16 * 1024;
// How long a client that is being ended may take for its last lines.
constexpr auto farewell_max = 2s;

constexpr std::array<std::string_view, 9> http_verbs{
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "PRI"};

bool is_http(const proto::message& m) {
  return std::ranges::find(http_verbs, m.command) != http_verbs.end() && m.param_count > 0 &&
         m.param(m.param_count - 1).starts_with("HTTP/");
}

}  // namespace

session::session(hub& h, std::shared_ptr<client> me, bool is_exempt)
    : hub_(h),
      me_(std::move(me)),
      is_exempt_(is_exempt),
      flood_(h.conf.limits.flood_burst_lines, h.conf.limits.flood_lines_per_s) {
  registration_.has_password = !h.pass.is_needed();
}

void session::run() {
  while (!ended_) read_once();
  finish();
}

void session::read_once() {
  // Asked here too: one who never stops sending never waits, and is told nothing by the read.
  if (hub_.stopping.done()) return end("Server shutting down");
  if (!wait_below_soft_mark()) return;
  const auto got = me_->conn().read_lent(
      [this](std::span<const char> bytes) { take_bytes({bytes.data(), bytes.size()}); },
      {hub_.stopping, next_deadline()});
  // Bytes that are there are read whatever the time, so that the clock counts also for one who
  // never stops sending.
  if (got) return look_at_clock();
  const weft::error& e = got.error();
  if (e.timeout()) return look_at_clock();
  if (e.cancelled()) return end("Server shutting down");
  const std::string why = me_->why();
  if (!why.empty()) return end(why);
  end(e.eof() ? "Connection closed" : "Read error: " + e.code().message());
}

bool session::wait_below_soft_mark() {
  const auto& limits = hub_.conf.limits;
  const auto mark = static_cast<std::size_t>(limits.send_queue_soft_bytes);
  while (!ended_) {
    const auto taken = me_->out().taken();
    auto until = clock::now() + std::chrono::seconds(limits.ping_timeout_s);
    if (!is_registered_) until = std::min(until, next_deadline());
    if (me_->out().wait_below(mark, {hub_.stopping, until})) return true;
    if (hub_.stopping.done()) {
      end("Server shutting down");
    } else if (!is_registered_) {
      look_at_clock();
    } else if (me_->out().taken() == taken) {
      end("SendQ stalled");
    }
    // Who takes something, however slowly, is left to the hard mark.
  }
  return false;
}

session::clock::time_point session::next_deadline() const {
  const auto& limits = hub_.conf.limits;
  if (!is_registered_) return started_ + std::chrono::seconds(limits.registration_timeout_s);
  if (asked_) return *asked_ + std::chrono::seconds(limits.ping_timeout_s);
  return heard_ + std::chrono::seconds(limits.ping_interval_s);
}

// look_at_clock: what is due: the end of one who is late, or the question whether it is there.
void session::look_at_clock() {
  const auto now = clock::now();
  if (now < next_deadline()) return;
  if (!is_registered_) return end("Registration timeout");
  const auto& limits = hub_.conf.limits;
  if (asked_)
    return end("Ping timeout: " + std::to_string(limits.ping_interval_s + limits.ping_timeout_s) +
               " seconds");
  asked_ = now;
  std::string line;
  proto::line_writer(line).command("PING").text(hub_.conf.server.name).end();
  me_->send(line);
}

void session::take_bytes(std::string_view bytes) {
  if (!std::exchange(saw_bytes_, true) && is_foreign(bytes)) return;
  lines_.feed(bytes);
  while (!ended_) {
    const auto event = lines_.next();
    if (!event) return;
    heard_ = clock::now();
    asked_.reset();
    wait_for_turn();
    if (!is_registered_) look_at_clock();
    if (!ended_ && wait_below_soft_mark()) take_line(*event);
  }
}

// is_foreign: whether somebody speaks TLS to us; then the session ends without a word, which that
// side could not read.
bool session::is_foreign(std::string_view first_bytes) {
  if (!first_bytes.starts_with("\x16\x03")) return false;
  log_warn("tls_on_plain_port",
           {{"client", static_cast<long long>(me_->id())}, {"address", me_->who().host}});
  me_->out().shut();
  end("TLS on a plain port");
  return true;
}

void session::wait_for_turn() {
  if (is_exempt_) return;
  const auto wait = flood_.take(clock::now());
  if (wait > clock::duration::zero()) static_cast<void>(hub_.stopping.wait(wait));
}

void session::take_line(const proto::line_event& event) {
  using kind = proto::line_event::kind;
  if (event.what != kind::line) {
    if (!registration_.has_password) return end("Line too long");
    fence();
    auto out = reply();
    out.numeric(proto::err_inputtoolong);
    return out.send();
  }
  const auto m = proto::parse(event.text);
  if (!m) return refuse_line(m.error());
  if (!is_registered_ && is_http(*m)) {
    log_warn("http_on_irc_port",
             {{"client", static_cast<long long>(me_->id())}, {"address", me_->who().host}});
    return end("This is IRC, not HTTP");
  }
  if (!registration_.has_password) return take_at_gate(*m, event.text);
  dispatch(*m);
}

// refuse_line: what is no message. Before registration it is no client either.
void session::refuse_line(proto::parse_error e) {
  if (!is_registered_) {
    log_info("no_irc", {{"client", static_cast<long long>(me_->id())}, {"why", proto::text_of(e)}});
    return end(std::string(proto::text_of(e)));
  }
  fence();
  auto out = reply();
  out.fail("*", e == proto::parse_error::invalid_utf8 ? "INVALID_UTF8" : "INVALID_MESSAGE", {},
           proto::text_of(e));
  out.send();
}

void session::dispatch(const proto::message& m) {
  const command* c = find_command(m.command);
  const bool is_too_early = !is_registered_ && (c == nullptr || !c->before_registration);
  const bool is_understood = !is_too_early && c != nullptr && m.param_count >= c->params_min;
  if (!is_understood || !c->is_speech) fence();
  if (is_understood) return c->run(*this, m);
  auto out = reply();
  if (is_too_early)
    out.numeric(proto::err_notregistered);
  else if (c == nullptr)
    out.numeric(proto::err_unknowncommand, {m.command});
  else
    out.numeric(proto::err_needmoreparams, {c->name});
  out.send();
}

void session::say(const std::shared_ptr<room>& to, spoken line) {
  if (to.get() != said_to_) fence();
  said_to_ = to.get();
  me_->in_flight.add(1);
  to->say(me_, std::move(line));
}

void session::fence() {
  if (std::exchange(said_to_, nullptr) == nullptr) return;
  me_->in_flight.wait();
}

bool session::pace(replies& out) {
  if (out.bytes().size() < pace_size) return true;
  if (!ended_) {
    out.send();
    return wait_below_soft_mark();
  }
  out.bytes().clear();
  return false;
}

void session::end(std::string reason) {
  if (std::exchange(ended_, true)) return;
  reason_ = std::move(reason);
}

void session::leave_rooms(const std::string& reason) {
  const std::string mask = me_->who().mask();
  const auto begun = hub_.people.new_id();
  room_state::client_set seen{me_.get()};
  for (const auto& r : me_->rooms())
    r->ask(me_, [&](room_state& state) {
      state.remove(*me_);
      // When everybody goes nobody needs to be told.
      if (hub_.stopping.done()) return;
      state.broadcast_once(seen, begun, mask,
                           [&](proto::line_writer& line) { line.command("QUIT").text(reason); });
    });
}

void session::finish() {
  fence();
  // Nobody sees this one any more before another can take the nick.
  if (is_registered_) leave_rooms(reason_);
  const profile p = me_->who();
  hub_.people.expel(p.nick, *me_);
  auto out = reply();
  out.error(hub_.stopping.done() ? "Server shutting down" : "Closing link: (" + reason_ + ")");
  out.send();
  // Whoever is slower than this misses the rest.
  const weft::limit::clock::duration patience =
      hub_.stopping.done() ? std::chrono::seconds(hub_.conf.limits.drain_timeout_s) : farewell_max;
  static_cast<void>(me_->out().wait_below(1, patience));
  me_->out().shut();
  me_->conn().close();
  hub_.addresses.leave(p.host);
  log_info("client_gone",
           {{"client", static_cast<long long>(me_->id())}, {"nick", p.nick}, {"reason", reason_}});
}

}  // namespace tertulia
