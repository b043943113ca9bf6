#pragma once

// schema: the tables of the history database and how they came to be. A new database runs through
// every step, an older one through those it lacks: so each start of a fresh server tests them all.
// A newer database is refused, as is one of another program or with another CASEMAPPING (the folded
// names in it would mean other channels).
//
//   meta(key, value)       casemapping
//   channels(id, name ...) one row per channel something was said or set in; `name` is folded
//   lines(channel, seq, time_ms, sender, command, text, tags)
//                          one row per PRIVMSG or NOTICE; seq orders a channel, time_ms never falls
//   bans(channel, mask, setter, time_ms)

#include "server/sqlite.h"

namespace tertulia {

// schema_version: what this program writes; kept in SQLite's user_version.
[[nodiscard]] int schema_version() noexcept;

// migrate_to: brings the database to `version` (at most schema_version()) in one transaction.
[[nodiscard]] store_result<void> migrate_to(database& db, int version);

// open_schema: checks what the file is and brings it to schema_version().
[[nodiscard]] store_result<void> open_schema(database& db);

}  // namespace tertulia
