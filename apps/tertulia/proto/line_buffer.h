#pragma once

// line_buffer: cuts a stream of bytes into lines with bounded memory. A line ends in LF, with or
// without a CR before it. Lines that stand whole in what was fed are views into it; only the
// beginning of an unfinished line is kept, at most about 4.6 kB, and nothing between lines.
//
// A line that is too long is reported once, as soon as that is certain, and the stream goes on
// after its end: a client that never sends an LF costs no memory and no time beyond reading.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proto/limits.h"

namespace tertulia::proto {

struct line_event {
  enum class kind {
    line,           // `text` is a line within the limits, without its end
    tags_too_long,  // more than client_tags_size_max bytes of tags
    body_too_long,  // more than body_size_max bytes after the tags
  };
  kind what;
  std::string_view text;
};

class line_buffer {
 public:
  // carry_max: an unfinished line holds at most this: '@', tags, space, body, CR.
  static constexpr std::size_t carry_max = 1 + client_tags_size_max + 1 + body_size_max + 1;

  // feed: the next bytes of the stream. They must stay where they are until next() has returned
  // nothing, which has to happen before the next feed().
  void feed(std::string_view bytes) noexcept { fed_ = bytes; }

  // next: the next event, or nothing when the fed bytes are used up. The text is valid until the
  // next call of either. Empty lines are skipped.
  [[nodiscard]] std::optional<line_event> next();

  // carried: how many bytes of an unfinished line are held.
  [[nodiscard]] std::size_t carried() const noexcept { return carry_.size(); }
  // inside_line: whether the stream stands in the middle of a line, kept or thrown away.
  [[nodiscard]] bool inside_line() const noexcept { return !carry_.empty() || discarding_; }

 private:
  std::optional<line_event> finish_line(std::string_view piece);
  std::optional<line_event> keep_unfinished();

  std::string_view fed_;
  std::string carry_;        // the beginning of a line whose end has not come
  std::string joined_;       // a line put together from carry_, while its view is out
  bool discarding_ = false;  // the current line was reported as too long
};

}  // namespace tertulia::proto
