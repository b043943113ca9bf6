#pragma once

// history_reader: the reading side of the history, on a connection of its own that sees what is
// committed and disturbs no writer. Synchronous; one goroutine at a time, inside weft::blocking.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "server/sqlite.h"
#include "server/store.h"

namespace tertulia {

// line_range: which lines of a channel: those after `after` and before `before` (both are left
// out), of these at most `count`, the oldest or the newest. Results always rise.
struct line_range {
  std::int64_t channel = 0;
  std::int64_t after = 0;
  std::int64_t before = INT64_MAX;
  int count = 0;
  enum class end { oldest, newest } prefer = end::newest;
};

class history_reader {
 public:
  // open: the database must exist; a store opens it first.
  [[nodiscard]] static store_result<history_reader> open(const std::string& folder);

  [[nodiscard]] store_result<std::vector<stored_line>> lines(const line_range& range);

  // measure: of what lines() would give for the range: how many, and the first one's seq.
  struct extent {
    int count = 0;
    std::int64_t first_seq = 0;  // 0: there are none
  };
  [[nodiscard]] store_result<extent> measure(const line_range& range);

  // seq_before / seq_after: the nearest line whose time is less than / greater than `time_ms`: its
  // seq, or 0 / INT64_MAX when there is none.
  [[nodiscard]] store_result<std::int64_t> seq_before(std::int64_t channel, std::int64_t time_ms);
  [[nodiscard]] store_result<std::int64_t> seq_after(std::int64_t channel, std::int64_t time_ms);

  // has_line: whether this very line exists.
  [[nodiscard]] store_result<bool> has_line(std::int64_t channel, std::int64_t seq,
                                            std::int64_t time_ms);

  // last_time_ms: the time of a channel's last line up to `seq_max` and not before `seq_min`; 0:
  // none.
  [[nodiscard]] store_result<std::int64_t> last_time_ms(std::int64_t channel, std::int64_t seq_min,
                                                        std::int64_t seq_max);

 private:
  explicit history_reader(database db) : db_(std::move(db)) {}
  store_result<std::int64_t> nearest(const char* sql, std::int64_t channel, std::int64_t time_ms,
                                     std::int64_t otherwise);

  database db_;
};

}  // namespace tertulia
