// libpq: a crowd with a connection each asks PostgreSQL for a lock that somebody holds, then asks
// for a row and adds one.
//
//   libpq CONNINFO

#include <libpq-fe.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "crowd.h"

using libraries::expect;

namespace {

class database {
 public:
  explicit database(const char* conninfo) : connection_(PQconnectdb(conninfo)) {
    expect(PQstatus(connection_) == CONNECTION_OK, PQerrorMessage(connection_));
  }
  database(const database&) = delete;
  database& operator=(const database&) = delete;
  ~database() { PQfinish(connection_); }

  // ask: the first field of the first row, or "".
  std::string ask(const std::string& sql) {
    PGresult* const got = PQexec(connection_, sql.c_str());
    const auto status = PQresultStatus(got);
    expect(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, PQerrorMessage(connection_));
    const std::string field = PQntuples(got) > 0 ? PQgetvalue(got, 0, 0) : "";
    PQclear(got);
    return field;
  }

 private:
  PGconn* const connection_;
};

}  // namespace

int main(int, char** arguments) {
  const char* conninfo = arguments[1];
  return libraries::run([conninfo] {
    database holder(conninfo), watcher(conninfo);
    holder.ask("CREATE TABLE told (i int, round int)");
    holder.ask("SELECT pg_advisory_lock(1)");
    std::int64_t calls = 0;
    {
      std::vector<std::unique_ptr<database>> all(libraries::size);
      libraries::ticker ticks;
      const auto of = [&all](int i) -> database& { return *all[static_cast<unsigned>(i)]; };
      calls = libraries::play(
          ticks,
          {
              .held =
                  [&](int i) {
                    all[static_cast<unsigned>(i)] = std::make_unique<database>(conninfo);
                    of(i).ask("SELECT pg_advisory_lock_shared(1)");
                  },
              .all_inside =
                  [&] {
                    return watcher.ask(
                               "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                               "AND NOT granted") == std::to_string(libraries::size);
                  },
              .release = [&] { holder.ask("SELECT pg_advisory_unlock(1)"); },
              .ordinary =
                  [&](int i, int round) {
                    const auto text = std::to_string(round);
                    expect(of(i).ask("SELECT " + text + " FROM pg_sleep(0.01)") == text);
                    of(i).ask("INSERT INTO told VALUES (" + std::to_string(i) + ", " + text + ")");
                  },
              .ordinary_min = 3,
          });
    }
    expect(watcher.ask("SELECT count(*) FROM told") == std::to_string(calls), "rows are missing");
    std::printf("%lld rows\n", static_cast<long long>(calls));
  });
}
