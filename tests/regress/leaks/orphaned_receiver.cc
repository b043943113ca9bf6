// Orphaned receiver: who should send has gone, or never will.

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/select.h>

#include <set>
#include <string>
#include <vector>

#include "program.h"

namespace weft::leaks {
namespace {

// Who cannot answer returns without an answer.
WRONG(orphaned_receiver, failure_without_an_answer, always) {
  const channel<int> length(0);
  const auto fetch = [length](const std::string& url) {
    if (!url.starts_with("http://")) return;
    length.send(1000);
  };
  go([fetch] { fetch("gopher://old.example"); });
  expect(length.recv().value() > 0, "a length");
}

RIGHT(orphaned_receiver, failure_without_an_answer) {
  const channel<int> length(0);
  const auto fetch = [length](const std::string& url) {
    if (!url.starts_with("http://")) return length.send(-1);
    length.send(1000);
  };
  go([fetch] { fetch("gopher://old.example"); });
  expect(length.recv().value() == -1, "no length");
}

// The server leaves its loop when it is stopped; a request that lies in the queue stays there.
WRONG(orphaned_receiver, request_at_the_stop, sometimes) {
  struct request {
    int number;
    channel<int> reply;
  };
  const channel<request> requests(1);
  const channel<int> stop(0);
  go([requests, stop] {
    for (bool running = true; running;) {
      select(recv(requests, [](const request& r) { r.reply.send(r.number + 1); }),
             recv(stop, [&] { running = false; }));
    }
  });
  go([requests] {
    const channel<int> reply(1);
    requests.send({41, reply});
    expect(reply.recv().value() == 42, "the next number");
  });
  stop.close();
}

RIGHT(orphaned_receiver, request_at_the_stop) {
  struct request {
    int number;
    channel<int> reply;
  };
  const channel<request> requests(0);
  const channel<int> stop(0);
  go([requests, stop] {
    for (bool running = true; running;) {
      select(recv(requests, [](const request& r) { r.reply.send(r.number + 1); }),
             recv(stop, [&] { running = false; }));
    }
  });
  go([requests, stop] {
    const channel<int> reply(1);
    bool stopped = false;
    select(send(requests, request{41, reply}), recv(stop, [&] { stopped = true; }));
    if (!stopped) expect(reply.recv().value() == 42, "the next number");
  });
  stop.close();
}

// As many answers are awaited as there are names, and those that come twice are asked once.
WRONG(orphaned_receiver, counts_what_was_not_asked, always) {
  const std::vector<std::string> names{"ann", "bob", "ann"};
  const channel<std::size_t> answers(0);
  std::set<std::string> asked;
  for (const auto& name : names) {
    if (!asked.insert(name).second) continue;
    go([answers, name] { answers.send(name.size()); });
  }
  std::size_t letters = 0;
  for (std::size_t i = 0; i < names.size(); ++i) letters += answers.recv().value();
  expect(letters > 0, "some letters");
}

RIGHT(orphaned_receiver, counts_what_was_not_asked) {
  const std::vector<std::string> names{"ann", "bob", "ann"};
  const channel<std::size_t> answers(0);
  std::set<std::string> asked;
  for (const auto& name : names) {
    if (!asked.insert(name).second) continue;
    go([answers, name] { answers.send(name.size()); });
  }
  std::size_t letters = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) letters += answers.recv().value();
  expect(letters == 6, "ann and bob");
}

// Without the option the channel is never made, and a watcher waits on it.
WRONG(orphaned_receiver, channel_never_made, always) {
  struct config {
    bool watch = false;
    channel<int> changes;
  } c;
  if (c.watch) c.changes = channel<int>(1);
  go([changes = c.changes] { changes.recv(); });
  work_for(10ms);
  if (c.watch) c.changes.close();
}

RIGHT(orphaned_receiver, channel_never_made) {
  struct config {
    bool watch = false;
    channel<int> changes;
  } c;
  if (c.watch) {
    c.changes = channel<int>(1);
    go([changes = c.changes] { changes.recv(); });
  }
  work_for(10ms);
  if (c.watch) c.changes.close();
}

// One word that it is over, and two that wait for it.
WRONG(orphaned_receiver, one_word_for_two, always) {
  const channel<int> over(1);
  const channel<int> shown(1);
  go([over, shown] {
    over.recv();
    static_cast<void>(shown.try_send(1));
  });
  go([over] {
    work_for(30ms);
    over.send(1);
  });
  over.recv();
}

RIGHT(orphaned_receiver, one_word_for_two) {
  const channel<int> over(1);
  const channel<int> shown(1);
  go([over, shown] {
    over.recv();
    static_cast<void>(shown.try_send(1));
  });
  go([over] {
    work_for(30ms);
    over.close();
  });
  over.recv();
}

// The answer is offered, not sent: who is not there yet misses it.
WRONG(orphaned_receiver, offered_once, sometimes) {
  const channel<int> price(0);
  const channel<std::string> asked(0);
  go([price, asked] {
    asked.recv();
    if (!price.try_send(95)) return;  // the buyer has left
  });
  asked.send("bread");
  expect(price.recv().value() == 95, "the price");
}

RIGHT(orphaned_receiver, offered_once) {
  const channel<int> price(1);
  const channel<std::string> asked(0);
  go([price, asked] {
    asked.recv();
    if (!price.try_send(95)) return;
  });
  asked.send("bread");
  expect(price.recv().value() == 95, "the price");
}

}  // namespace
}  // namespace weft::leaks
