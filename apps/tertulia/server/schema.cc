#include "server/schema.h"

#include <array>
#include <string>

#include "proto/casemap.h"

namespace tertulia {

namespace {

// SQLite's application_id of our files: "tert".
constexpr std::int64_t application_id = 0x74657274;

// steps[i] brings version i to version i + 1. A step that was released is never changed.
constexpr std::array steps{
    // 1: channels with a topic, and what was said in them.
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE channels("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, display TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL, topic TEXT NOT NULL DEFAULT '',"
    "  topic_setter TEXT NOT NULL DEFAULT '', topic_ms INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE lines("
    "  channel INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL,"
    "  sender TEXT NOT NULL, command TEXT NOT NULL, text TEXT NOT NULL, tags TEXT NOT NULL,"
    "  PRIMARY KEY(channel, seq)) WITHOUT ROWID;"
    "CREATE INDEX lines_by_time ON lines(channel, time_ms);",
    // 2: who may come in and speak survives as well. first_seq hides lines from those who come
    // after
    // an invite-only channel was empty.
    "ALTER TABLE channels ADD COLUMN modes TEXT NOT NULL DEFAULT 'nt';"
    "ALTER TABLE channels ADD COLUMN password TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE channels ADD COLUMN member_limit INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE channels ADD COLUMN first_seq INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE bans("
    "  channel INTEGER NOT NULL, mask TEXT NOT NULL, setter TEXT NOT NULL,"
    "  time_ms INTEGER NOT NULL, PRIMARY KEY(channel, mask)) WITHOUT ROWID;",
};

std::unexpected<store_error> refused(std::string text) {
  return std::unexpected(store_error{store_error::kind::refused, std::move(text)});
}

store_result<void> set_pragma(database& db, const char* name, std::int64_t value) {
  return db.execute(("PRAGMA " + std::string(name) + "=" + std::to_string(value)).c_str());
}

store_result<void> write_casemapping(database& db) {
  auto insert = db.prepare("INSERT INTO meta(key, value) VALUES('casemapping', ?)");
  if (!insert) return std::unexpected(insert.error());
  return insert->bind(1, proto::casemapping).run();
}

store_result<void> check_casemapping(database& db) {
  auto query = db.prepare("SELECT value FROM meta WHERE key = 'casemapping'");
  if (!query) return std::unexpected(query.error());
  const auto row = query->step();
  if (!row) return std::unexpected(row.error());
  const std::string stored = *row ? query->text(0) : "none";
  if (stored == proto::casemapping) return {};
  return refused("the database was written with CASEMAPPING " + stored + ", this program uses " +
                 std::string(proto::casemapping));
}

// check_owner: a file that is not empty has to be one of ours.
store_result<void> check_owner(database& db) {
  const auto tables = db.query_integer("SELECT count(*) FROM sqlite_master");
  if (!tables) return std::unexpected(tables.error());
  if (*tables == 0) return {};
  const auto id = db.query_integer("PRAGMA application_id");
  if (!id) return std::unexpected(id.error());
  if (*id == application_id) return {};
  return refused("the database belongs to another program");
}

}  // namespace

int schema_version() noexcept { return static_cast<int>(steps.size()); }

store_result<void> migrate_to(database& db, int version) {
  transaction change(db);
  if (auto begun = change.begin(); !begun) return begun;
  // Read under the write lock: two servers started at once do not both migrate.
  const auto current = db.query_integer("PRAGMA user_version");
  if (!current) return std::unexpected(current.error());
  for (std::int64_t at = *current; at < version; ++at) {
    if (auto done = db.execute(steps[static_cast<std::size_t>(at)]); !done) return done;
    if (at > 0) continue;
    if (auto named = set_pragma(db, "application_id", application_id); !named) return named;
    if (auto written = write_casemapping(db); !written) return written;
  }
  if (*current < version)
    if (auto set = set_pragma(db, "user_version", version); !set) return set;
  return change.commit();
}

store_result<void> open_schema(database& db) {
  if (auto ours = check_owner(db); !ours) return ours;
  const auto version = db.query_integer("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  if (*version < 0 || *version > schema_version())
    return refused("the database has schema version " + std::to_string(*version) +
                   ", this program knows versions up to " + std::to_string(schema_version()));
  if (*version < schema_version())
    if (auto migrated = migrate_to(db, schema_version()); !migrated) return migrated;
  return check_casemapping(db);
}

}  // namespace tertulia
