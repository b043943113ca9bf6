#include "proto/line_buffer.h"

#include <utility>

namespace tertulia::proto {

namespace {

using kind = line_event::kind;

// measure: what `text`, a whole line or the beginning of one, exceeds; `slack` allows for the CR
// that may be the last byte of an unfinished line.
kind measure(std::string_view text, std::size_t slack) noexcept {
  std::size_t body_at = 0;
  if (text.starts_with('@')) {
    const std::size_t space = text.find(' ');
    const std::size_t tags_size = (space == text.npos ? text.size() : space) - 1;
    if (tags_size > client_tags_size_max + (space == text.npos ? slack : 0))
      return kind::tags_too_long;
    if (space == text.npos) return kind::line;
    body_at = space + 1;
  }
  return text.size() - body_at > body_size_max + slack ? kind::body_too_long : kind::line;
}

}  // namespace

std::optional<line_event> line_buffer::next() {
  joined_ = std::string();  // no capacity is kept between lines
  while (!fed_.empty()) {
    const std::size_t end = fed_.find('\n');
    if (end == fed_.npos) return keep_unfinished();
    const std::string_view piece = fed_.substr(0, end);
    fed_.remove_prefix(end + 1);
    if (std::exchange(discarding_, false)) continue;
    if (auto event = finish_line(piece)) return event;
  }
  return std::nullopt;
}

std::optional<line_event> line_buffer::finish_line(std::string_view piece) {
  std::string_view text = piece;
  if (!carry_.empty()) {
    // Beyond one byte too many the rest of the piece can change nothing.
    joined_ = std::exchange(carry_, {});
    joined_ += piece.substr(0, carry_max + 1);
    text = joined_;
  }
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  const kind what = measure(text, 0);
  return line_event{what, what == kind::line ? text : std::string_view{}};
}

std::optional<line_event> line_buffer::keep_unfinished() {
  const std::string_view piece = std::exchange(fed_, {});
  if (discarding_) return std::nullopt;
  carry_ += piece.substr(0, carry_max + 1);
  const kind what = measure(carry_, 1);
  if (what == kind::line) return std::nullopt;
  carry_ = std::string();  // the capacity too: a discarded line costs nothing
  discarding_ = true;
  return line_event{what, {}};
}

}  // namespace tertulia::proto
