#pragma once

// sqlite: just enough of SQLite as owned values: a database, a statement, an error. One object is
// used by one thread at a time (connections are opened without SQLite's own mutex); which goroutine
// that is, the owner of the object decides.

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace tertulia {

// store_error: what the history could not do. Nothing was changed by the call that returns one.
struct store_error {
  enum class kind {
    full,     // no room: the disk, or history.size_mb_max
    io,       // the disk or the file system failed
    corrupt,  // the file is damaged or no database
    busy,     // another process holds the database
    refused,  // a newer schema, another case mapping, a file of another program
    other,
  };
  kind what = kind::other;
  std::string text;
};

template <class T>
using store_result = std::expected<T, store_error>;

class statement {
 public:
  // bind: parameters count from 1. Text is copied by SQLite.
  statement& bind(int index, std::int64_t value);
  statement& bind(int index, std::string_view text);

  // step: true while there is a row. After false or an error the statement can be bound anew.
  [[nodiscard]] store_result<bool> step();
  // run: steps to the end of a statement that returns no rows.
  [[nodiscard]] store_result<void> run();
  // reset: ends a query before its last row.
  void reset();

  // Of the current row; columns count from 0. Text is valid until the next step.
  [[nodiscard]] std::int64_t integer(int column);
  [[nodiscard]] std::string text(int column);

 private:
  friend class database;
  struct finalize {
    void operator()(sqlite3_stmt* s) const noexcept;
  };
  explicit statement(sqlite3_stmt* s) : handle_(s) {}
  std::unique_ptr<sqlite3_stmt, finalize> handle_;
};

class database {
 public:
  enum class access { read_write, read_only };

  // open: read_write makes the file when it is not there.
  [[nodiscard]] static store_result<database> open(const std::string& path, access how);

  // execute: one or more statements without parameters or rows.
  [[nodiscard]] store_result<void> execute(const char* sql);
  [[nodiscard]] store_result<statement> prepare(std::string_view sql);
  // query_integer: the first column of the first row; 0 when there is none.
  [[nodiscard]] store_result<std::int64_t> query_integer(std::string_view sql);

  [[nodiscard]] std::int64_t last_insert_id() const;

 private:
  struct close {
    void operator()(sqlite3* db) const noexcept;
  };
  explicit database(sqlite3* db) : handle_(db) {}
  std::unique_ptr<sqlite3, close> handle_;
};

// transaction: what is not committed is rolled back.
class transaction {
 public:
  explicit transaction(database& db) : db_(&db) {}
  ~transaction();
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;

  [[nodiscard]] store_result<void> begin();
  [[nodiscard]] store_result<void> commit();

 private:
  database* db_;
  bool open_ = false;
};

}  // namespace tertulia
