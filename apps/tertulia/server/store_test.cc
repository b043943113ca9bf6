#include "server/store.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "server/history_reader.h"
#include "server/schema.h"
#include "tests/temp_folder.h"

namespace tertulia {
namespace {

store opened(const std::string& folder, int size_mb_max = 0) {
  auto out = store::open(folder, size_mb_max);
  if (!out) throw std::runtime_error(out.error().text);
  return std::move(*out);
}

history_reader reading(const std::string& folder) {
  auto out = history_reader::open(folder);
  if (!out) throw std::runtime_error(out.error().text);
  return std::move(*out);
}

stored_line line(std::int64_t channel, std::int64_t seq, std::int64_t time_ms) {
  return {channel, seq, time_ms, "ana!a@h", "PRIVMSG", "text " + std::to_string(seq), "+a=b"};
}

store_result<void> append(store& s, std::span<const stored_line> lines) {
  return s.append({{lines}});
}

// fill: lines 1 to `count` of a channel, at times 1000, 1000, 1010, 1010, 1020 ...
void fill(store& s, std::int64_t channel, int count) {
  std::vector<stored_line> lines;
  for (int i = 1; i <= count; ++i) lines.push_back(line(channel, i, 1000 + (i - 1) / 2 * 10));
  ASSERT_TRUE(append(s, lines));
}

std::vector<std::int64_t> seqs(const store_result<std::vector<stored_line>>& lines) {
  std::vector<std::int64_t> out;
  for (const auto& l : lines.value()) out.push_back(l.seq);
  return out;
}

using seq_list = std::vector<std::int64_t>;
using end = line_range::end;

TEST(store, gives_back_what_was_appended) {
  temp_folder folder;
  store s = opened(folder.path() + "/deep/er");
  const std::vector<stored_line> lines{line(1, 1, 5), line(1, 2, 5)};
  ASSERT_TRUE(append(s, lines));
  history_reader reader = reading(folder.path() + "/deep/er");
  EXPECT_EQ(reader.lines({.channel = 1, .count = 10}).value(), lines);
}

TEST(store, an_append_is_all_or_nothing) {
  temp_folder folder;
  store s = opened(folder.path());
  const std::vector<stored_line> twice{line(1, 1, 5), line(1, 1, 5)};
  EXPECT_FALSE(append(s, twice));
  EXPECT_EQ(seqs(reading(folder.path()).lines({.channel = 1, .count = 10})), seq_list{});
  EXPECT_TRUE(append(s, std::vector{line(1, 1, 5)}));
}

TEST(store, a_channel_survives_with_its_bans) {
  temp_folder folder;
  channel_record c;
  c.name = "#a";
  c.display = "#A";
  c.created_ms = 7;
  {
    store s = opened(folder.path());
    EXPECT_EQ(s.load_channel("#a").value(), std::nullopt);
    ASSERT_TRUE(s.save_channel(c));
    EXPECT_GT(c.id, 0);
    c.topic = "t";
    c.topic_setter = "ana";
    c.topic_ms = 9;
    c.modes = "kn";
    c.password = "key";
    c.member_limit = 3;
    c.first_seq = 2;
    c.bans = {{"x!*@*", "ana", 1}, {"y!*@*", "bob", 2}};
    const auto id = c.id;
    ASSERT_TRUE(s.save_channel(c));
    EXPECT_EQ(c.id, id);
    fill(s, id, 3);
  }
  store s = opened(folder.path());
  const auto loaded = s.load_channel("#a").value();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->record, c);
  EXPECT_EQ(loaded->last_seq, 3);
  EXPECT_EQ(loaded->last_time_ms, 1010);
  c.bans.clear();
  ASSERT_TRUE(s.save_channel(c));
  EXPECT_TRUE(s.load_channel("#a").value()->record.bans.empty());
}

TEST(store, a_full_disk_is_an_error_and_nothing_is_half_written) {
  temp_folder folder;
  store s = opened(folder.path());
  fill(s, 1, 2);
  ASSERT_TRUE(s.limit_pages(1));  // SQLite keeps what is there and adds no page
  std::vector<stored_line> many;
  for (int i = 3; i < 500; ++i) many.push_back(line(1, i, 2000));
  const auto full = append(s, many);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().what, store_error::kind::full);
  EXPECT_EQ(seqs(reading(folder.path()).lines({.channel = 1, .count = 1000})), (seq_list{1, 2}));
  ASSERT_TRUE(s.limit_pages(100'000));
  EXPECT_TRUE(append(s, many));
}

TEST(store, the_size_limit_of_the_configuration_holds) {
  temp_folder folder;
  store s = opened(folder.path(), 1);
  stored_line big = line(1, 1, 1);
  big.text = std::string(500, 'x');
  store_result<void> done;
  for (; done && big.seq < 10'000; ++big.seq) done = append(s, std::vector{big});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().what, store_error::kind::full);
  EXPECT_GT(big.seq, 500);
}

TEST(store, a_folder_that_cannot_be_made_is_an_io_error) {
  temp_folder folder;
  std::ofstream(folder.path() + "/file") << "x";
  const auto s = store::open(folder.path() + "/file/data", 0);
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().what, store_error::kind::io);
}

TEST(store, has_its_folder_for_itself) {
  temp_folder folder;
  {
    const store s = opened(folder.path());
    const auto second = store::open(folder.path(), 0);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().what, store_error::kind::busy);
    EXPECT_EQ(second.error().text, folder.path() + ": another server uses this folder");
  }
  static_cast<void>(opened(folder.path()));
}

TEST(store, a_file_that_is_no_database_is_refused) {
  temp_folder folder;
  std::ofstream(history_path(folder.path())) << std::string(8192, 'x');
  const auto s = store::open(folder.path(), 0);
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().what, store_error::kind::corrupt);
}

database raw(const std::string& folder) {
  return std::move(database::open(history_path(folder), database::access::read_write).value());
}

TEST(schema, an_older_database_is_migrated_with_its_content) {
  temp_folder folder;
  {
    database db = raw(folder.path());
    ASSERT_TRUE(migrate_to(db, 1));
    ASSERT_TRUE(db.execute(
        "INSERT INTO channels(id, name, display, created_ms, topic) VALUES(4, '#a', '#A', 1, 't');"
        "INSERT INTO lines VALUES(4, 1, 10, 'ana!a@h', 'PRIVMSG', 'old', '')"));
    EXPECT_EQ(db.query_integer("PRAGMA user_version").value(), 1);
  }
  store s = opened(folder.path());
  const auto loaded = s.load_channel("#a").value();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->record.topic, "t");
  EXPECT_EQ(loaded->record.modes, "nt");
  EXPECT_EQ(loaded->last_seq, 1);
  EXPECT_EQ(raw(folder.path()).query_integer("PRAGMA user_version").value(), schema_version());
  EXPECT_EQ(reading(folder.path()).lines({.channel = 4, .count = 1}).value()[0].text, "old");
}

TEST(schema, what_is_not_ours_to_open_is_refused) {
  struct {
    const char* sql;
    const char* text;
  } cases[] = {
      {"PRAGMA user_version=99", "the database has schema version 99"},
      {"PRAGMA user_version=-1", "the database has schema version -1"},
      {"UPDATE meta SET value='rfc1459'", "the database was written with CASEMAPPING rfc1459"},
      {"DELETE FROM meta", "the database was written with CASEMAPPING none"},
      {"PRAGMA application_id=5", "the database belongs to another program"},
  };
  for (const auto& c : cases) {
    temp_folder folder;
    static_cast<void>(opened(folder.path()));
    ASSERT_TRUE(raw(folder.path()).execute(c.sql));
    const auto s = store::open(folder.path(), 0);
    ASSERT_FALSE(s) << c.sql;
    EXPECT_EQ(s.error().what, store_error::kind::refused);
    EXPECT_TRUE(s.error().text.starts_with(c.text)) << s.error().text;
  }
}

TEST(history_reader, ranges_select_what_they_say) {
  temp_folder folder;
  store s = opened(folder.path());
  fill(s, 1, 10);
  fill(s, 2, 3);
  history_reader r = reading(folder.path());
  EXPECT_EQ(seqs(r.lines({1, 0, INT64_MAX, 3, end::newest})), (seq_list{8, 9, 10}));
  EXPECT_EQ(seqs(r.lines({1, 0, INT64_MAX, 3, end::oldest})), (seq_list{1, 2, 3}));
  EXPECT_EQ(seqs(r.lines({1, 3, 6, 9, end::newest})), (seq_list{4, 5}));
  EXPECT_EQ(seqs(r.lines({1, 3, 8, 2, end::newest})), (seq_list{6, 7}));
  EXPECT_EQ(seqs(r.lines({1, 3, 8, 2, end::oldest})), (seq_list{4, 5}));
  EXPECT_EQ(seqs(r.lines({3, 0, INT64_MAX, 9, end::newest})), seq_list{});
}

TEST(history_reader, ranges_are_measured_as_they_would_be_read) {
  temp_folder folder;
  store s = opened(folder.path());
  fill(s, 1, 10);
  history_reader r = reading(folder.path());
  for (const line_range& range :
       {line_range{1, 0, INT64_MAX, 3, end::newest}, line_range{1, 0, INT64_MAX, 3, end::oldest},
        line_range{1, 3, 6, 9, end::newest}, line_range{1, 9, 10, 9, end::oldest}}) {
    const auto size = r.measure(range).value();
    const auto read = seqs(r.lines(range));
    EXPECT_EQ(static_cast<std::size_t>(size.count), read.size());
    EXPECT_EQ(size.first_seq, read.empty() ? 0 : read.front());
  }
}

TEST(history_reader, times_lead_to_lines) {
  temp_folder folder;
  store s = opened(folder.path());
  fill(s, 1, 6);  // times 1000 1000 1010 1010 1020 1020
  history_reader r = reading(folder.path());
  EXPECT_EQ(r.seq_before(1, 1000).value(), 0);
  EXPECT_EQ(r.seq_before(1, 1001).value(), 2);
  EXPECT_EQ(r.seq_before(1, 1020).value(), 4);
  EXPECT_EQ(r.seq_after(1, 999).value(), 1);
  EXPECT_EQ(r.seq_after(1, 1000).value(), 3);
  EXPECT_EQ(r.seq_after(1, 1020).value(), INT64_MAX);
  EXPECT_TRUE(r.has_line(1, 3, 1010).value());
  EXPECT_FALSE(r.has_line(1, 3, 1011).value());
  EXPECT_FALSE(r.has_line(1, 7, 1020).value());
  EXPECT_EQ(r.last_time_ms(1, 1, 6).value(), 1020);
  EXPECT_EQ(r.last_time_ms(1, 1, 4).value(), 1010);
  EXPECT_EQ(r.last_time_ms(1, 7, 9).value(), 0);
}

}  // namespace
}  // namespace tertulia
