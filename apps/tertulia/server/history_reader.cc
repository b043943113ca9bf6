#include "server/history_reader.h"

#include <algorithm>
#include <utility>

namespace tertulia {

namespace {

stored_line line_of(statement& row, std::int64_t channel) {
  return {channel,     row.integer(0), row.integer(1), row.text(2),
          row.text(3), row.text(4),    row.text(5)};
}

constexpr const char* newest_first =
    "SELECT seq, time_ms, sender, command, text, tags FROM lines"
    " WHERE channel = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?";
constexpr const char* oldest_first =
    "SELECT seq, time_ms, sender, command, text, tags FROM lines"
    " WHERE channel = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?";
constexpr const char* measure_newest =
    "SELECT count(*), coalesce(min(seq), 0) FROM (SELECT seq FROM lines"
    " WHERE channel = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?)";
constexpr const char* measure_oldest =
    "SELECT count(*), coalesce(min(seq), 0) FROM (SELECT seq FROM lines"
    " WHERE channel = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?)";

void bind(statement& query, const line_range& range) {
  query.bind(1, range.channel).bind(2, range.after).bind(3, range.before);
  query.bind(4, static_cast<std::int64_t>(range.count));
}

}  // namespace

store_result<history_reader> history_reader::open(const std::string& folder) {
  auto db = database::open(history_path(folder), database::access::read_only);
  if (!db) return std::unexpected(db.error());
  return history_reader(std::move(*db));
}

store_result<std::vector<stored_line>> history_reader::lines(const line_range& range) {
  const bool newest = range.prefer == line_range::end::newest;
  auto query = db_.prepare(newest ? newest_first : oldest_first);
  if (!query) return std::unexpected(query.error());
  bind(*query, range);
  std::vector<stored_line> out;
  for (;;) {
    const auto row = query->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    out.push_back(line_of(*query, range.channel));
  }
  if (newest) std::ranges::reverse(out);
  return out;
}

store_result<history_reader::extent> history_reader::measure(const line_range& range) {
  const bool newest = range.prefer == line_range::end::newest;
  auto query = db_.prepare(newest ? measure_newest : measure_oldest);
  if (!query) return std::unexpected(query.error());
  bind(*query, range);
  const auto row = query->step();
  if (!row) return std::unexpected(row.error());
  return extent{static_cast<int>(query->integer(0)), query->integer(1)};
}

store_result<std::int64_t> history_reader::nearest(const char* sql, std::int64_t channel,
                                                   std::int64_t time_ms, std::int64_t otherwise) {
  auto query = db_.prepare(sql);
  if (!query) return std::unexpected(query.error());
  query->bind(1, channel).bind(2, time_ms);
  const auto row = query->step();
  if (!row) return std::unexpected(row.error());
  return *row ? query->integer(0) : otherwise;
}

store_result<std::int64_t> history_reader::seq_before(std::int64_t channel, std::int64_t time_ms) {
  return nearest(
      "SELECT seq FROM lines WHERE channel = ? AND time_ms < ?"
      " ORDER BY time_ms DESC, seq DESC LIMIT 1",
      channel, time_ms, 0);
}

store_result<std::int64_t> history_reader::seq_after(std::int64_t channel, std::int64_t time_ms) {
  return nearest(
      "SELECT seq FROM lines WHERE channel = ? AND time_ms > ? ORDER BY time_ms, seq LIMIT 1",
      channel, time_ms, INT64_MAX);
}

store_result<bool> history_reader::has_line(std::int64_t channel, std::int64_t seq,
                                            std::int64_t time_ms) {
  const auto found = lines({channel, seq - 1, seq + 1, 1, line_range::end::oldest});
  if (!found) return std::unexpected(found.error());
  return !found->empty() && found->front().time_ms == time_ms;
}

store_result<std::int64_t> history_reader::last_time_ms(std::int64_t channel, std::int64_t seq_min,
                                                        std::int64_t seq_max) {
  const auto last = lines({channel, seq_min - 1, seq_max + 1, 1, line_range::end::newest});
  if (!last) return std::unexpected(last.error());
  return last->empty() ? 0 : last->front().time_ms;
}

}  // namespace tertulia
