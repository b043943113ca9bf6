// sqlite: a database file that somebody else has locked. SQLite calls a busy handler, which waits
// in weft, while SQLite holds the connection's mutex, which belongs to a thread: so the handler
// stays on its thread (lock_thread), and nobody else comes there and takes the mutex again, which
// SQLite would allow.
//
//   sqlite FILE

#include <sqlite3.h>
#include <unistd.h>
#include <weft/goroutine.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "crowd.h"

using libraries::expect;

namespace {

// sharing: members to a connection, for half of the crowd; the others have one each.
constexpr int sharing = 10;
constexpr int alone = libraries::size / 2;
constexpr int connections = alone + alone / sharing;

std::atomic<int> inside{0};
std::atomic<int> waits{0};  // of the busy handler

class database {
 public:
  explicit database(const char* path) {
    expect(sqlite3_open(path, &db_) == SQLITE_OK, sqlite3_errmsg(db_));
    sqlite3_busy_handler(db_, wait_a_little, nullptr);
  }
  database(const database&) = delete;
  database& operator=(const database&) = delete;
  ~database() { expect(sqlite3_close(db_) == SQLITE_OK, "close"); }

  void run(const std::string& sql) {
    char* why = nullptr;
    const auto thread = ::gettid();
    const int status = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &why);
    expect(status == SQLITE_OK, why != nullptr ? why : "?");
    expect(::gettid() == thread, "the goroutine left its thread inside of SQLite");
  }

  int count(const char* table) {
    sqlite3_stmt* query = nullptr;
    const auto sql = std::string("SELECT count(*) FROM ") + table;
    expect(sqlite3_prepare_v2(db_, sql.c_str(), -1, &query, nullptr) == SQLITE_OK,
           sqlite3_errmsg(db_));
    expect(sqlite3_step(query) == SQLITE_ROW, sqlite3_errmsg(db_));
    const int n = sqlite3_column_int(query, 0);
    sqlite3_finalize(query);
    return n;
  }

 private:
  static int wait_a_little(void*, int) {
    const weft::lock_thread here;
    ++waits;
    expect(weft::sleep_for(std::chrono::milliseconds(1)).has_value());
    return 1;
  }

  sqlite3* db_ = nullptr;
};

std::string insertion(const char* table, int i) {
  return std::string("INSERT INTO ") + table + " VALUES (" + std::to_string(i) + ")";
}

// computing: of some members, in the same call before they find the file busy: long enough to lose
// the processor for it.
constexpr const char* computing =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
    "SELECT sum(i) FROM n; ";
constexpr int who_computes = 10;

}  // namespace

int main(int, char** arguments) {
  const char* path = arguments[1];
  return libraries::run([path] {
    expect(sqlite3_threadsafe() == 1, "SQLite is built without its mutexes");
    database holder(path);
    holder.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    holder.run("CREATE TABLE held (i); CREATE TABLE ordinary (i)");
    std::array<std::unique_ptr<database>, connections> all;
    for (auto& one : all) {
      one = std::make_unique<database>(path);
      one->run("PRAGMA synchronous = OFF");
    }
    const auto of = [&all](int i) -> database& {
      return *all[static_cast<unsigned>(i < alone ? i : alone + (i - alone) / sharing)];
    };
    std::int64_t calls = 0;
    {
      libraries::ticker ticks;
      holder.run("BEGIN IMMEDIATE");
      // Who shares a connection with one that is in the handler waits for its mutex.
      calls = libraries::play(
          ticks, {
                     .held =
                         [&](int i) {
                           ++inside;
                           of(i).run((i < who_computes ? computing : "") + insertion("held", i));
                         },
                     .all_inside = [] { return inside == libraries::size && waits >= connections; },
                     .release = [&] { holder.run("COMMIT"); },
                     // A crowd that only writes computes, one slice after the other: a tick in a
                     // second, as in Go.
                     .ordinary =
                         [&](int i, int round) {
                           if (round == 0) of(i).run(insertion("ordinary", i));
                           if (round != 0) of(i).run("SELECT count(*) FROM held");
                         },
                 });
    }
    expect(holder.count("held") == libraries::size, "rows are missing");
    expect(holder.count("ordinary") == libraries::size, "rows are missing");
    std::printf("%lld calls, the busy handler waited %d times\n",
                static_cast<long long>(calls) + libraries::size, waits.load());
  });
}
