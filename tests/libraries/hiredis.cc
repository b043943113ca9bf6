// hiredis: a crowd with a connection each waits at Redis for an element of an empty list, then
// counts and asks for elements that never come.
//
//   hiredis SOCKET

#include <hiredis/hiredis.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "crowd.h"

using libraries::expect;

namespace {

struct free_reply {
  void operator()(redisReply* r) const noexcept { freeReplyObject(r); }
};
using reply = std::unique_ptr<redisReply, free_reply>;

class server {
 public:
  explicit server(const char* socket) : context_(redisConnectUnix(socket)) {
    expect(context_ != nullptr && context_->err == 0, context_ != nullptr ? context_->errstr : "");
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;
  ~server() { redisFree(context_); }

  template <class... Arguments>
  reply command(const char* format, Arguments... arguments) {
    reply r(static_cast<redisReply*>(redisCommand(context_, format, arguments...)));
    expect(r != nullptr, context_->errstr);
    expect(r->type != REDIS_REPLY_ERROR, r->str);
    return r;
  }

 private:
  redisContext* const context_;
};

}  // namespace

int main(int, char** arguments) {
  const char* socket = arguments[1];
  return libraries::run([socket] {
    server own(socket);
    std::int64_t calls = 0;
    {
      std::vector<std::unique_ptr<server>> all(libraries::size);
      libraries::ticker ticks;
      const auto of = [&all](int i) -> server& { return *all[static_cast<unsigned>(i)]; };
      calls = libraries::play(
          ticks, {
                     .held =
                         [&](int i) {
                           all[static_cast<unsigned>(i)] = std::make_unique<server>(socket);
                           const auto got = of(i).command("BLPOP list-%d 0", i);
                           expect(got->elements == 2 && got->element[1]->str == std::to_string(i));
                         },
                     .all_inside =
                         [&] {
                           const std::string clients = own.command("INFO clients")->str;
                           const auto all_of_them =
                               "blocked_clients:" + std::to_string(libraries::size) + "\r";
                           return clients.find(all_of_them) != std::string::npos;
                         },
                     .release =
                         [&] {
                           for (int i = 0; i < libraries::size; ++i)
                             own.command("RPUSH list-%d %d", i, i);
                         },
                     .ordinary =
                         [&](int i, int round) {
                           of(i).command("INCR count");
                           if (round % 10 != 0) return;
                           const auto none = of(i).command("BLPOP nothing 0.01");
                           expect(none->type == REDIS_REPLY_NIL, "an element of nothing");
                         },
                     .ordinary_min = 10,
                 });
    }
    expect(own.command("GET count")->str == std::to_string(calls), "counted wrongly");
    std::printf("%lld times counted\n", static_cast<long long>(calls));
  });
}
