// Forgotten cancel: a context that somebody waits for, and that nobody ends.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/select.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "program.h"

namespace weft::leaks {
namespace {

// A keepalive goes on until the request is over; the request is over, and nobody says so.
WRONG(forgotten_cancel, never_called, always) {
  const auto request = [] {
    const auto [ctx, cancel] = with_cancel(context());
    const channel<int> pings(8);
    go([ctx, pings] {
      if (pings.try_send(1)) static_cast<void>(ctx.wait());
    });
    work_for(5ms);
    return 200;
  };
  expect(request() == 200, "it went well");
}

RIGHT(forgotten_cancel, never_called) {
  const auto request = [] {
    const auto [ctx, cancel] = with_cancel(context());
    const channel<int> pings(8);
    go([ctx, pings] {
      if (pings.try_send(1)) static_cast<void>(ctx.wait());
    });
    work_for(5ms);
    cancel();
    return 200;
  };
  expect(request() == 200, "it went well");
}

// Not on the way out that an error takes.
WRONG(forgotten_cancel, not_after_an_error, always) {
  const auto open = [](const std::string& user) {
    const auto [ctx, cancel] = with_cancel(context());
    go([ctx] { static_cast<void>(ctx.wait()); });
    if (user.empty()) return false;
    work_for(1ms);
    cancel();
    return true;
  };
  expect(open("ann"), "ann may");
  expect(!open(""), "nobody may not");
}

RIGHT(forgotten_cancel, not_after_an_error) {
  const auto open = [](const std::string& user) {
    const auto [ctx, cancel] = with_cancel(context());
    go([ctx] { static_cast<void>(ctx.wait()); });
    const bool allowed = !user.empty();
    if (allowed) work_for(1ms);
    cancel();
    return allowed;
  };
  expect(open("ann"), "ann may");
  expect(!open(""), "nobody may not");
}

// A helper waits under a context of its own in place of the one it was given.
WRONG(forgotten_cancel, background_in_place_of_it, always) {
  const auto [ctx, cancel] = with_cancel(context());
  const channel<int> updates(0);
  const auto poll = [updates](const context& under) {
    const auto mine = with_cancel(context::background());
    while (!under.done()) {
      if (!updates.recv(mine.ctx)) return;
    }
  };
  go([poll, ctx] { poll(ctx); });
  updates.send(1);
  work_for(1ms);
  cancel();
}

RIGHT(forgotten_cancel, background_in_place_of_it) {
  const auto [ctx, cancel] = with_cancel(context());
  const channel<int> updates(0);
  const auto poll = [updates](const context& under) {
    const auto mine = with_cancel(under);
    while (!under.done()) {
      if (!updates.recv(mine.ctx)) return;
    }
  };
  go([poll, ctx] { poll(ctx); });
  updates.send(1);
  work_for(1ms);
  cancel();
}

// Each attempt has a context, and the variable holds the last one's.
WRONG(forgotten_cancel, overwritten, always) {
  auto attempt = with_cancel(context());
  for (int i = 0; i < 3; ++i) {
    attempt = with_cancel(context());
    go([ctx = attempt.ctx] { static_cast<void>(ctx.wait()); });
    work_for(1ms);
  }
  attempt.cancel();
}

RIGHT(forgotten_cancel, overwritten) {
  const auto all = with_cancel(context());
  for (int i = 0; i < 3; ++i) {
    const auto attempt = with_cancel(all.ctx);
    go([ctx = attempt.ctx] { static_cast<void>(ctx.wait()); });
    work_for(1ms);
  }
  all.cancel();
}

// What is to happen when the connection ends stays behind when it ended well.
WRONG(forgotten_cancel, after_func_not_taken_back, always) {
  const auto server = with_cancel(context());
  const auto serve = [&server](const channel<int>& connection) {
    auto stop = after_func(server.ctx, [connection] { connection.close(); });
    return connection.recv().value();
  };
  const channel<int> connection(1);
  connection.send(7);
  expect(serve(connection) == 7, "what was sent");
}

RIGHT(forgotten_cancel, after_func_not_taken_back) {
  const auto server = with_cancel(context());
  const auto serve = [&server](const channel<int>& connection) {
    auto stop = after_func(server.ctx, [connection] { connection.close(); });
    const int got = connection.recv().value();
    stop();
    return got;
  };
  const channel<int> connection(1);
  connection.send(7);
  expect(serve(connection) == 7, "what was sent");
}

// Cancelled when the answer has come, and not when it was too late.
WRONG(forgotten_cancel, only_when_it_went_well, sometimes) {
  const auto [ctx, cancel] = with_cancel(context());
  const channel<int> answer(1);
  go([ctx, answer] {
    work_for(10ms);
    answer.send(1);
    static_cast<void>(ctx.wait());  // keeps the session
  });
  select(recv(answer, [&] { cancel(); }), after(100ms));
}

RIGHT(forgotten_cancel, only_when_it_went_well) {
  const auto [ctx, cancel] = with_cancel(context());
  const channel<int> answer(1);
  go([ctx, answer] {
    work_for(10ms);
    answer.send(1);
    static_cast<void>(ctx.wait());  // keeps the session
  });
  select(recv(answer), after(100ms));
  cancel();
}

// All sessions are cancelled at the stop, but one that begins meanwhile.
WRONG(forgotten_cancel, session_during_the_stop, sometimes) {
  struct server {
    mutex lock;
    std::vector<cancellable> sessions;
    void session() {
      const auto own = with_cancel(context());
      {
        const std::lock_guard hold(lock);
        sessions.push_back(own);
      }
      static_cast<void>(own.ctx.wait());
    }
    void stop() {
      const std::lock_guard hold(lock);
      for (const auto& s : sessions) s.cancel();
    }
  };
  const auto s = std::make_shared<server>();
  go([s] { s->session(); });
  s->stop();
}

RIGHT(forgotten_cancel, session_during_the_stop) {
  struct server {
    cancellable all = with_cancel(context());
    void session() {
      const auto own = with_cancel(all.ctx);
      static_cast<void>(own.ctx.wait());
    }
    void stop() { all.cancel(); }
  };
  const auto s = std::make_shared<server>();
  go([s] { s->session(); });
  s->stop();
}

}  // namespace
}  // namespace weft::leaks
