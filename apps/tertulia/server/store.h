#pragma once

// store: the writing side of the history: what was said, and what of a channel outlives its
// members. SQLite in WAL mode with synchronous=FULL: when append() has returned, the lines survive
// kill -9 and the loss of power. Synchronous, without threads; one goroutine at a time uses a
// store, inside weft::blocking. history_reader.h reads beside it.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/folder_lock.h"
#include "server/sqlite.h"

namespace tertulia {

// stored_line: a PRIVMSG or NOTICE as it was sent.
struct stored_line {
  std::int64_t channel = 0;  // channel_record::id
  std::int64_t seq = 0;      // orders the lines of a channel; unique within it
  std::int64_t time_ms = 0;  // never falls with rising seq
  std::string sender;        // nick!user@host
  std::string command;       // "PRIVMSG" or "NOTICE"
  std::string text;
  std::string tags;  // client-only tags, escaped

  friend bool operator==(const stored_line&, const stored_line&) = default;
};

struct ban_record {
  std::string mask;
  std::string setter;
  std::int64_t time_ms = 0;

  friend bool operator==(const ban_record&, const ban_record&) = default;
};

// channel_record: what survives of a channel when nobody is in it. Operators do not: without
// accounts nobody can be told apart from one who took their nick.
struct channel_record {
  std::int64_t id = 0;  // 0: nothing is stored yet
  std::string name;     // folded
  std::string display;  // as it was first written
  std::int64_t created_ms = 0;
  std::string topic;
  std::string topic_setter;
  std::int64_t topic_ms = 0;
  std::string modes = "nt";       // those without a parameter
  std::string password;           // +k
  std::int64_t member_limit = 0;  // +l; 0: none
  std::int64_t first_seq = 0;     // lines before it are not shown any more
  std::vector<ban_record> bans;

  friend bool operator==(const channel_record&, const channel_record&) = default;
};

// channel_snapshot: a channel as it is when somebody comes into it first.
struct channel_snapshot {
  channel_record record;
  std::int64_t last_seq = 0;  // 0: nothing was said
  std::int64_t last_time_ms = 0;
};

class store {
 public:
  // open: `folder`/history.db, made when it is not there, for this process alone: numbers of lines
  // are given out from memory. `size_mb_max` as in the configuration.
  [[nodiscard]] static store_result<store> open(const std::string& folder, int size_mb_max);

  // append: all lines of all parts in one transaction, or none.
  [[nodiscard]] store_result<void> append(std::span<const std::span<const stored_line>> parts);

  // save_channel: writes everything but the id, which is given to a record that has none.
  [[nodiscard]] store_result<void> save_channel(channel_record& channel);

  // load_channel: by its folded name; nothing when it was never stored.
  [[nodiscard]] store_result<std::optional<channel_snapshot>> load_channel(std::string_view name);

  // limit_pages: the most pages the file may have; for tests of a full disk, and for open().
  [[nodiscard]] store_result<void> limit_pages(std::int64_t pages_max);

 private:
  store(folder_lock lock, database db) : lock_(std::move(lock)), db_(std::move(db)) {}
  store_result<void> insert(const stored_line& line);
  store_result<void> write_channel(channel_record& channel);
  store_result<void> write_bans(const channel_record& channel);
  store_result<std::vector<ban_record>> read_bans(std::int64_t channel);

  folder_lock lock_;  // let go of after the database is closed
  database db_;
  std::optional<statement> insert_line_;
};

// history_path: the database file inside the data folder.
[[nodiscard]] std::string history_path(const std::string& folder);

}  // namespace tertulia
