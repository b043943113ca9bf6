// postgres: libpq as it is, from many goroutines. A channel of connections limits how many ask at
// once. PQexec blocks its thread, so others get the processor after a moment; weft::blocking, which
// may be left out, gives it to them at once.
//
//   $ ./postgres "dbname=postgres"
//   20 squares over 5 connections: 2870

#include <libpq-fe.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

namespace {

constexpr int connections = 5, questions = 20;
using connection = std::unique_ptr<PGconn, decltype([](PGconn* c) { PQfinish(c); })>;
using answer = std::unique_ptr<PGresult, decltype([](PGresult* r) { PQclear(r); })>;

// square: -1 if the database says no.
int square(PGconn* c, int n) {
  const std::string text = std::to_string(n);
  const char* const values[] = {text.c_str()};
  const answer got = weft::blocking([&] {
    return answer(PQexecParams(c, "SELECT $1::int * $1::int FROM pg_sleep(0.02)", 1, nullptr,
                               values, nullptr, nullptr, 0));
  });
  if (PQresultStatus(got.get()) == PGRES_TUPLES_OK) return std::atoi(PQgetvalue(got.get(), 0, 0));
  std::fprintf(stderr, "postgres: %s", PQerrorMessage(c));
  return -1;
}

int ask_all(const char* conninfo) {
  const weft::channel<connection> free(connections);
  for (int i = 0; i < connections; ++i) {
    connection c(PQconnectdb(conninfo));
    if (PQstatus(c.get()) != CONNECTION_OK) {
      std::fprintf(stderr, "postgres: %s", PQerrorMessage(c.get()));
      return 1;
    }
    free.send(std::move(c));
  }
  std::atomic<int> sum{0}, failed{0};
  {
    weft::scope all;
    for (int n = 1; n <= questions; ++n) {
      all.go([&, n] {
        connection c = std::move(*free.recv());
        const int got = square(c.get(), n);
        (got < 0 ? failed : sum) += got;
        free.send(std::move(c));
      });
    }
  }
  if (failed != 0) return 1;
  std::printf("%d squares over %d connections: %d\n", questions, connections, sum.load());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return weft::run([&] { return ask_all(argc > 1 ? argv[1] : ""); });
}
