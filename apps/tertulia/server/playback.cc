#include "server/playback.h"

#include <string>
#include <utility>

#include "proto/limits.h"
#include "proto/timestamp.h"
#include "proto/utf8.h"
#include "server/spoken.h"

namespace tertulia {

namespace {

// One batch is open at a time and on a connection batches do not interleave: one name does.
constexpr std::string_view batch_reference = "h";

constexpr std::string_view action_start =
    "\x01"
    "ACTION ";

// append_dated: the line with its time written into the text, for clients without server-time. What
// then exceeds a line goes into a second one.
void append_dated(std::string& out, spoken s, proto::cap_set caps, std::string_view reference) {
  // "[2026-11-22 16:30] " of 2026-11-22T16:30:00.123Z
  const std::string when = proto::format_timestamp(s.time_ms);
  const std::string date = "[" + when.substr(0, 10) + " " + when.substr(11, 5) + "] ";
  const bool is_action = s.text.starts_with(action_start);
  s.text.insert(is_action ? action_start.size() : 0, date);
  const std::size_t size = body_size(s);
  if (size <= proto::body_size_max) return append_spoken(out, s, caps, reference);
  spoken rest = s;
  const std::size_t keep = s.text.size() - (size - proto::body_size_max);
  s.text.resize(proto::cut_utf8(s.text, keep).size());
  rest.text.erase(0, s.text.size());
  append_spoken(out, s, caps, reference);
  append_spoken(out, rest, caps, reference);
}

}  // namespace

batch::batch(replies& out, std::string_view kind, std::string_view param) : out_(out) {
  if (!out.caps().has(proto::cap::batch)) return;
  reference_ = batch_reference;
  auto line = out.server_line();
  line.command("BATCH").param("+" + std::string(reference_)).param(kind);
  if (!param.empty()) line.param(param);
  line.end();
}

batch::~batch() {
  if (reference_.empty()) return;
  out_.server_line().command("BATCH").param("-" + std::string(reference_)).end();
}

void append_played(replies& out, const stored_line& line, std::string_view display,
                   std::string_view reference) {
  spoken s = from_history(line, display);
  if (out.caps().has(proto::cap::server_time))
    append_spoken(out.bytes(), s, out.caps(), reference);
  else
    append_dated(out.bytes(), std::move(s), out.caps(), reference);
}

}  // namespace tertulia
