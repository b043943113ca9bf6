#include "server/spoken.h"

#include "proto/line_writer.h"
#include "proto/msgid.h"
#include "proto/timestamp.h"

namespace tertulia {

using proto::cap;

bool is_seen_by(const spoken& s, proto::cap_set caps) noexcept {
  return s.command != "TAGMSG" || caps.has(cap::message_tags);
}

void append_spoken(std::string& out, const spoken& s, proto::cap_set caps, std::string_view batch) {
  proto::line_writer line(out);
  if (!batch.empty()) line.tag("batch", batch);
  if (caps.has(cap::server_time)) line.tag("time", proto::format_timestamp(s.time_ms));
  if (caps.has(cap::message_tags)) line.tag("msgid", s.msgid).raw_tags(s.tags);
  line.source(s.source).command(s.command).param(s.target);
  if (s.command != "TAGMSG") line.text(s.text);
  line.end();
}

std::size_t body_size(const spoken& s) noexcept {
  constexpr std::size_t punctuation = 5;  // ":source COMMAND target :text"
  return s.source.size() + s.command.size() + s.target.size() + s.text.size() + punctuation;
}

spoken from_history(const stored_line& line, std::string_view display) {
  return {line.sender, line.command, std::string(display),
          line.text,   line.tags,    proto::format_msgid({line.channel, line.seq, line.time_ms}),
          line.time_ms};
}

bool is_kept(std::string_view text) noexcept {
  return !text.starts_with('\x01') || text.starts_with(
                                          "\x01"
                                          "ACTION ");
}

}  // namespace tertulia
