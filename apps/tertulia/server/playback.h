#pragma once

// playback: lines out of the history on their way to a client: as a batch for those that know
// batches, as plain lines otherwise. A client without server-time is shown the time in front of the
// text.

#include <string_view>

#include "server/replies.h"
#include "server/store.h"

namespace tertulia {

// append_played: a line as sent in channel `display`; `reference` is that of the batch it is in, or
// "".
void append_played(replies& out, const stored_line& line, std::string_view display,
                   std::string_view reference);

// batch: the frame of a batch around lines; nothing for clients that do not know batches.
class batch {
 public:
  batch(replies& out, std::string_view kind, std::string_view param);
  ~batch();
  batch(const batch&) = delete;
  batch& operator=(const batch&) = delete;

  // reference: for the lines inside; "" without batches.
  [[nodiscard]] std::string_view reference() const noexcept { return reference_; }

 private:
  replies& out_;
  std::string_view reference_;
};

}  // namespace tertulia
