#include "server/sqlite.h"

#include <sqlite3.h>

namespace tertulia {

namespace {

// A reader and the writer of one process do not wait for each other under WAL; another process that
// holds the database (a backup) does so briefly.
constexpr int busy_timeout_ms = 5000;

store_error::kind kind_of(int code) noexcept {
  switch (code & 0xFF) {
    case SQLITE_FULL: return store_error::kind::full;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM: return store_error::kind::io;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return store_error::kind::corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return store_error::kind::busy;
    default: return store_error::kind::other;
  }
}

std::unexpected<store_error> failure(sqlite3* db) {
  return std::unexpected(store_error{kind_of(sqlite3_errcode(db)), sqlite3_errmsg(db)});
}

}  // namespace

void statement::finalize::operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }

statement& statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(handle_.get(), index, value);
  return *this;
}

statement& statement::bind(int index, std::string_view text) {
  sqlite3_bind_text(handle_.get(), index, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

store_result<bool> statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  auto error = failure(sqlite3_db_handle(handle_.get()));
  reset();
  return error;
}

store_result<void> statement::run() {
  for (;;) {
    const auto row = step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
  }
}

void statement::reset() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
}

std::int64_t statement::integer(int column) { return sqlite3_column_int64(handle_.get(), column); }

std::string statement::text(int column) {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(size));
}

void database::close::operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }

store_result<database> database::open(const std::string& path, access how) {
  const int flags = (how == access::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                               : SQLITE_OPEN_READONLY) |
                    SQLITE_OPEN_NOMUTEX;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (handle == nullptr) return std::unexpected(store_error{store_error::kind::other, "no memory"});
  database db(handle);
  if (code != SQLITE_OK) return failure(handle);
  sqlite3_busy_timeout(handle, busy_timeout_ms);
  return db;
}

store_result<void> database::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return failure(handle_.get());
  return {};
}

store_result<statement> database::prepare(std::string_view sql) {
  sqlite3_stmt* s = nullptr;
  const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &s, nullptr);
  if (code != SQLITE_OK) return failure(handle_.get());
  return statement(s);
}

store_result<std::int64_t> database::query_integer(std::string_view sql) {
  auto query = prepare(sql);
  if (!query) return std::unexpected(query.error());
  const auto row = query->step();
  if (!row) return std::unexpected(row.error());
  return *row ? query->integer(0) : 0;
}

std::int64_t database::last_insert_id() const { return sqlite3_last_insert_rowid(handle_.get()); }

store_result<void> transaction::begin() {
  auto begun = db_->execute("BEGIN IMMEDIATE");
  open_ = begun.has_value();
  return begun;
}

store_result<void> transaction::commit() {
  auto committed = db_->execute("COMMIT");
  if (committed) open_ = false;
  return committed;
}

transaction::~transaction() {
  // After SQLITE_FULL and the like SQLite may have rolled back already; that error means just this.
  if (open_) static_cast<void>(db_->execute("ROLLBACK"));
}

}  // namespace tertulia
