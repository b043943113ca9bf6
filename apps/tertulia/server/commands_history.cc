// CHATHISTORY: lines a client asks for. Only members may, and they are given what they could have
// been sent: nothing from before first_seq, nothing that is not out yet.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "proto/casemap.h"
#include "proto/chathistory.h"
#include "proto/timestamp.h"
#include "server/asking.h"
#include "server/commands.h"
#include "server/playback.h"

namespace tertulia {

namespace {

using proto::history_command;
using proto::history_ref;

// How many lines are read at a time: what a request holds in memory while its client takes them.
constexpr int piece_lines = 64;

// shown: which lines of a channel its members may see.
struct shown {
  std::string display;
  std::int64_t channel = 0;
  std::int64_t first_seq = 0;
  std::int64_t last_seq = 0;
};

std::optional<shown> shown_to(session& s, std::string_view target) {
  std::optional<shown> out;
  const auto r = s.server().people.find_room(target);
  if (r == nullptr) return out;
  r->ask(s.me(), [&](room_state& state) {
    if (state.find(*s.me()) == nullptr) return;
    out = shown{state.display(), state.record().id,
                std::max<std::int64_t>(state.record().first_seq, 1), state.last_seq()};
  });
  return out;
}

// lookup_error: why lines were not found.
struct lookup_error {
  bool is_unknown = false;  // a msgid names no line that is shown; else the disk failed
  std::string_view written;
};

using found_range = std::expected<line_range, lookup_error>;

// query: which lines one request means in one channel: a range that is read from its beginning to
// its end.
class query {
 public:
  query(history_reader& reader, const shown& where, const proto::history_request& request,
        int limit)
      : reader_(reader), where_(where), request_(request), limit_(limit) {}

  found_range run() {
    switch (request_.command) {
      case history_command::latest: return latest();
      case history_command::before: return before();
      case history_command::after: return after();
      case history_command::around: return around();
      case history_command::between: return between();
      case history_command::targets: break;
    }
    return line_range{};
  }

 private:
  using bound = std::expected<std::int64_t, lookup_error>;
  using end = line_range::end;

  // seq_from: "after ref" as a seq that is left out; seq_until: "before ref" likewise.
  bound seq_from(const history_ref& ref) {
    if (ref.what == history_ref::kind::msgid) return seq_of(ref);
    const auto first = reader_.seq_after(where_.channel, ref.time_ms);
    if (!first) return std::unexpected(lookup_error{});
    return *first == INT64_MAX ? where_.last_seq : *first - 1;
  }
  bound seq_until(const history_ref& ref) {
    if (ref.what == history_ref::kind::msgid) return seq_of(ref);
    const auto last = reader_.seq_before(where_.channel, ref.time_ms);
    if (!last) return std::unexpected(lookup_error{});
    return *last + 1;
  }
  bound seq_of(const history_ref& ref) {
    const auto& id = ref.id;
    const lookup_error unknown{true, ref.written};
    if (id.channel != where_.channel || id.seq < where_.first_seq || id.seq > where_.last_seq)
      return std::unexpected(unknown);
    const auto found = reader_.has_line(id.channel, id.seq, id.time_ms);
    if (!found) return std::unexpected(lookup_error{});
    if (!*found) return std::unexpected(unknown);
    return id.seq;
  }

  // shown_between: of the lines after `after` and before `before` that are shown, `count`.
  line_range shown_between(std::int64_t after, std::int64_t before, int count, end prefer) const {
    return {where_.channel, std::max(after, where_.first_seq - 1),
            std::min(before, where_.last_seq + 1), count, prefer};
  }
  // range: the same, to be read from its beginning.
  found_range range(std::int64_t after, std::int64_t before, int count, end prefer) {
    line_range out = shown_between(after, before, count, prefer);
    if (prefer == end::oldest) return out;
    const auto size = reader_.measure(out);
    if (!size) return std::unexpected(lookup_error{});
    return starting_at(size->first_seq, size->count);
  }
  // starting_at: `count` lines, the first of them `first_seq`.
  line_range starting_at(std::int64_t first_seq, int count) const {
    return shown_between(first_seq - 1, INT64_MAX, count, end::oldest);
  }

  found_range latest() {
    if (request_.first.what == history_ref::kind::none)
      return range(0, INT64_MAX, limit_, end::newest);
    const auto from = seq_from(request_.first);
    if (!from) return std::unexpected(from.error());
    return range(*from, INT64_MAX, limit_, end::newest);
  }
  found_range before() {
    const auto until = seq_until(request_.first);
    if (!until) return std::unexpected(until.error());
    return range(0, *until, limit_, end::newest);
  }
  found_range after() {
    const auto from = seq_from(request_.first);
    if (!from) return std::unexpected(from.error());
    return range(*from, INT64_MAX, limit_, end::oldest);
  }

  // around: the line itself and what is on both sides of it; where one side is short, the other is
  // given more.
  found_range around() {
    const auto middle = seq_until(request_.first);
    if (!middle) return std::unexpected(middle.error());
    line_range side = shown_between(0, *middle, limit_, end::newest);
    const auto older = reader_.measure(side);
    const auto newer = reader_.measure(shown_between(*middle - 1, INT64_MAX, limit_, end::oldest));
    if (!older || !newer) return std::unexpected(lookup_error{});
    const int half = limit_ / 2;
    side.count = newer->count >= limit_ - half ? std::min(half, older->count)
                                               : std::min(limit_ - newer->count, older->count);
    if (side.count == 0) return starting_at(*middle, limit_);
    const auto first = reader_.measure(side);
    if (!first) return std::unexpected(lookup_error{});
    return starting_at(first->first_seq, limit_);
  }

  // between: from the first place towards the second, which may lie before it.
  found_range between() {
    const bool is_backwards = time_of(request_.first) > time_of(request_.second) ||
                              (request_.first.what == history_ref::kind::msgid &&
                               request_.second.what == history_ref::kind::msgid &&
                               request_.first.id.seq > request_.second.id.seq);
    const auto& low = is_backwards ? request_.second : request_.first;
    const auto& high = is_backwards ? request_.first : request_.second;
    const auto from = seq_from(low);
    if (!from) return std::unexpected(from.error());
    const auto until = seq_until(high);
    if (!until) return std::unexpected(until.error());
    return range(*from, *until, limit_, is_backwards ? end::newest : end::oldest);
  }
  static std::int64_t time_of(const history_ref& ref) {
    return ref.what == history_ref::kind::msgid ? ref.id.time_ms : ref.time_ms;
  }

  history_reader& reader_;
  const shown& where_;
  const proto::history_request& request_;
  const int limit_;
};

void fail(session& s, std::string_view code, std::string_view sub, std::string_view context,
          std::string_view text) {
  auto out = s.reply();
  out.fail("CHATHISTORY", code, {sub, context}, text);
  out.send();
}

// activity: a channel of the client, and when something was last said in it.
struct activity {
  std::string display;
  std::int64_t time_ms = 0;
};

std::optional<std::vector<activity>> activities(session& s, std::int64_t after,
                                                std::int64_t before) {
  std::vector<activity> out;
  for (const auto& r : s.me()->rooms()) {
    const auto where = shown_to(s, r->name());
    if (!where || where->channel == 0) continue;
    const auto last = s.server().store->read([&](history_reader& reader) {
      return reader.last_time_ms(where->channel, where->first_seq, where->last_seq);
    });
    if (!last) return std::nullopt;
    if (*last > after && *last < before) out.push_back({where->display, *last});
  }
  std::ranges::sort(out, {}, &activity::time_ms);
  return out;
}

void send_targets(session& s, const proto::history_request& request, int limit) {
  const auto [low, high] = std::minmax(request.first.time_ms, request.second.time_ms);
  auto found = activities(s, low, high);
  if (!found) return fail(s, "MESSAGE_ERROR", "TARGETS", "", "Messages could not be retrieved");
  const auto count = static_cast<std::size_t>(limit);
  if (found->size() > count) {
    // As with BETWEEN the limit counts from the first time towards the second.
    if (request.first.time_ms <= request.second.time_ms)
      found->resize(count);
    else
      found->erase(found->begin(), found->end() - limit);
  }
  auto out = s.reply();
  {
    const batch frame(out, "draft/chathistory-targets", "");
    for (const activity& a : *found) {
      proto::line_writer line(out.bytes());
      if (!frame.reference().empty()) line.tag("batch", frame.reference());
      line.source(s.server().conf.server.name).command("CHATHISTORY").param("TARGETS");
      line.param(a.display).param(proto::format_timestamp(a.time_ms)).end();
    }
  }
  out.send();
}

// stream: sends the lines of a range piece by piece, no faster than the client takes them. False:
// they could not be read.
bool stream(session& s, line_range range, std::string_view display) {
  auto out = s.reply();
  bool is_read = true;
  {
    const batch frame(out, "chathistory", display);
    while (range.count > 0 && is_read) {
      line_range piece = range;
      piece.count = std::min(range.count, piece_lines);
      const auto lines =
          s.server().store->read([&](history_reader& reader) { return reader.lines(piece); });
      is_read = lines.has_value();
      if (!is_read || lines->empty()) break;
      range.count -= static_cast<int>(lines->size());
      range.after = lines->back().seq;
      for (const stored_line& l : *lines) {
        append_played(out, l, display, frame.reference());
        if (!s.pace(out)) return true;
      }
    }
  }
  out.send();
  return is_read;
}

void send_lines(session& s, std::string_view sub, const proto::history_request& request,
                int limit) {
  const auto where = shown_to(s, request.target);
  if (!where)
    return fail(s, "INVALID_TARGET", sub, word_or_star(request.target),
                "Messages could not be retrieved");
  auto found = s.server().store->read(
      [&](history_reader& reader) { return query(reader, *where, request, limit).run(); });
  if (!found && found.error().is_unknown)
    return fail(s, "INVALID_PARAMS", sub, found.error().written, "Unknown msgid");
  if (!found || !stream(s, *found, where->display))
    fail(s, "MESSAGE_ERROR", sub, where->display, "Messages could not be retrieved");
}

}  // namespace

void cmd_chathistory(session& s, const proto::message& m) {
  if (!s.me()->caps().has(proto::cap::chathistory)) {
    auto out = s.reply();
    out.numeric(proto::err_unknowncommand, {"CHATHISTORY"});
    return out.send();
  }
  const std::string_view sub = word_or_star(m.param(0));
  const auto request = proto::parse_history(m.params());
  if (!request)
    return fail(s, request.error().code, sub,
                request.error().context.empty() ? "" : word_or_star(request.error().context),
                request.error().text);
  const int limit = std::min(request->limit, s.server().conf.history.request_lines_max);
  if (request->command == history_command::targets) return send_targets(s, *request, limit);
  send_lines(s, sub, *request, limit);
}

}  // namespace tertulia
