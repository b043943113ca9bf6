#pragma once

// chathistory: the parameters of draft/chathistory requests.
//
//   CHATHISTORY LATEST  target * | ref  limit
//   CHATHISTORY BEFORE | AFTER | AROUND  target ref limit
//   CHATHISTORY BETWEEN target ref ref limit
//   CHATHISTORY TARGETS timestamp=... timestamp=... limit
//
// ref is msgid=... or timestamp=... .

#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "proto/msgid.h"

namespace tertulia::proto {

enum class history_command { latest, before, after, around, between, targets };

// history_ref: a place in a history.
struct history_ref {
  enum class kind { none, msgid, timestamp };  // none: "*", or not part of this command
  kind what = kind::none;
  line_id id{};              // msgid
  std::int64_t time_ms = 0;  // timestamp
  std::string_view written;  // as the client wrote it
};

struct history_request {
  history_command command{};
  std::string_view target;  // "" for targets
  history_ref first;
  history_ref second;
  int limit = 0;  // 1 or more; not yet cut to what the server allows
};

// history_mistake: for "FAIL CHATHISTORY <code> <context> :<text>".
struct history_mistake {
  std::string_view code;
  std::string_view context;  // the offending parameter, or ""
  std::string_view text;
};

// parse_history: `params` are those of CHATHISTORY, the subcommand first. Views point into them.
[[nodiscard]] std::expected<history_request, history_mistake> parse_history(
    std::span<const std::string_view> params);

}  // namespace tertulia::proto
