#include "server/store.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "server/schema.h"

namespace tertulia {

namespace {

constexpr std::int64_t page_size_bytes = 4096;
// Default of SQLite, and what "no limit" is set back to.
constexpr std::int64_t pages_unlimited = 1'073'741'823;

store_result<void> make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return {};
  return std::unexpected(store_error{store_error::kind::io, folder + ": " + error.message()});
}

}  // namespace

std::string history_path(const std::string& folder) { return folder + "/history.db"; }

store_result<store> store::open(const std::string& folder, int size_mb_max) {
  if (auto made = make_folder(folder); !made) return std::unexpected(made.error());
  auto lock = folder_lock::take(folder);
  if (!lock) return std::unexpected(lock.error());
  auto db = database::open(history_path(folder), database::access::read_write);
  if (!db) return std::unexpected(db.error());
  store out(std::move(*lock), std::move(*db));
  // FULL: a commit has reached the disk when it returns, not merely the kernel.
  auto set = out.db_.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
  if (set) set = open_schema(out.db_);
  if (set)
    set = out.limit_pages(size_mb_max == 0 ? pages_unlimited
                                           : size_mb_max * ((1 << 20) / page_size_bytes));
  if (!set) return std::unexpected(set.error());
  auto insert = out.db_.prepare(
      "INSERT INTO lines(channel, seq, time_ms, sender, command, text, tags)"
      " VALUES(?, ?, ?, ?, ?, ?, ?)");
  if (!insert) return std::unexpected(insert.error());
  out.insert_line_ = std::move(*insert);
  return out;
}

store_result<void> store::limit_pages(std::int64_t pages_max) {
  return db_.execute(("PRAGMA max_page_count=" + std::to_string(pages_max)).c_str());
}

store_result<void> store::append(std::span<const std::span<const stored_line>> parts) {
  transaction change(db_);
  if (auto begun = change.begin(); !begun) return begun;
  for (const auto lines : parts)
    for (const stored_line& line : lines)
      if (auto done = insert(line); !done) return done;
  return change.commit();
}

store_result<void> store::insert(const stored_line& line) {
  insert_line_->bind(1, line.channel).bind(2, line.seq).bind(3, line.time_ms);
  insert_line_->bind(4, line.sender).bind(5, line.command).bind(6, line.text).bind(7, line.tags);
  return insert_line_->run();
}

store_result<void> store::save_channel(channel_record& channel) {
  transaction change(db_);
  if (auto begun = change.begin(); !begun) return begun;
  const std::int64_t id_before = channel.id;
  auto done = write_channel(channel);
  if (done) done = write_bans(channel);
  if (done) done = change.commit();
  if (!done) channel.id = id_before;
  return done;
}

store_result<void> store::write_channel(channel_record& c) {
  auto write = db_.prepare(
      "INSERT INTO channels(name, display, created_ms, topic, topic_setter, topic_ms, modes,"
      " password, member_limit, first_seq) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT(name) DO UPDATE SET topic = excluded.topic,"
      " topic_setter = excluded.topic_setter, topic_ms = excluded.topic_ms,"
      " modes = excluded.modes, password = excluded.password,"
      " member_limit = excluded.member_limit, first_seq = excluded.first_seq"
      " RETURNING id");
  if (!write) return std::unexpected(write.error());
  write->bind(1, c.name).bind(2, c.display).bind(3, c.created_ms).bind(4, c.topic);
  write->bind(5, c.topic_setter).bind(6, c.topic_ms).bind(7, c.modes).bind(8, c.password);
  write->bind(9, c.member_limit).bind(10, c.first_seq);
  const auto row = write->step();
  if (!row) return std::unexpected(row.error());
  c.id = write->integer(0);
  return write->run();
}

store_result<void> store::write_bans(const channel_record& c) {
  auto clear = db_.prepare("DELETE FROM bans WHERE channel = ?");
  if (!clear) return std::unexpected(clear.error());
  if (auto done = clear->bind(1, c.id).run(); !done) return done;
  auto insert = db_.prepare("INSERT INTO bans(channel, mask, setter, time_ms) VALUES(?, ?, ?, ?)");
  if (!insert) return std::unexpected(insert.error());
  for (const ban_record& ban : c.bans) {
    insert->bind(1, c.id).bind(2, ban.mask).bind(3, ban.setter).bind(4, ban.time_ms);
    if (auto done = insert->run(); !done) return done;
  }
  return {};
}

store_result<std::vector<ban_record>> store::read_bans(std::int64_t channel) {
  auto query = db_.prepare(
      "SELECT mask, setter, time_ms FROM bans WHERE channel = ? ORDER BY time_ms, mask");
  if (!query) return std::unexpected(query.error());
  query->bind(1, channel);
  std::vector<ban_record> out;
  for (;;) {
    const auto row = query->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return out;
    out.push_back({query->text(0), query->text(1), query->integer(2)});
  }
}

store_result<std::optional<channel_snapshot>> store::load_channel(std::string_view name) {
  auto query = db_.prepare(
      "SELECT id, display, created_ms, topic, topic_setter, topic_ms, modes, password,"
      " member_limit, first_seq,"
      " coalesce((SELECT max(seq) FROM lines WHERE channel = id), 0),"
      " coalesce((SELECT max(time_ms) FROM lines WHERE channel = id), 0)"
      " FROM channels WHERE name = ?");
  if (!query) return std::unexpected(query.error());
  query->bind(1, name);
  const auto row = query->step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  channel_snapshot out;
  channel_record& c = out.record;
  c.id = query->integer(0);
  c.name = name;
  c.display = query->text(1);
  c.created_ms = query->integer(2);
  c.topic = query->text(3);
  c.topic_setter = query->text(4);
  c.topic_ms = query->integer(5);
  c.modes = query->text(6);
  c.password = query->text(7);
  c.member_limit = query->integer(8);
  c.first_seq = query->integer(9);
  out.last_seq = query->integer(10);
  out.last_time_ms = query->integer(11);
  query->reset();
  auto bans = read_bans(c.id);
  if (!bans) return std::unexpected(bans.error());
  c.bans = std::move(*bans);
  return out;
}

}  // namespace tertulia
