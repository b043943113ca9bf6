// Orphaned sender: the receiver has gone before the value came.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/select.h>
#include <weft/wait_group.h>

#include <memory>
#include <mutex>
#include <string>

#include "program.h"

namespace weft::leaks {
namespace {

// A request that takes too long is given up; its answer comes all the same.
WRONG(orphaned_sender, timed_out_request, sometimes) {
  const channel<std::string> answer(0);
  go([answer] {
    work_for(20ms);
    answer.send("200 OK");
  });
  const auto got = answer.recv(50ms);
  expect(!got || *got == "200 OK", "an answer or none");
}

RIGHT(orphaned_sender, timed_out_request) {
  const channel<std::string> answer(1);
  go([answer] {
    work_for(20ms);
    answer.send("200 OK");
  });
  const auto got = answer.recv(50ms);
  expect(!got || *got == "200 OK", "an answer or none");
}

// Three mirrors are asked, the first answer is taken.
WRONG(orphaned_sender, fastest_mirror, always) {
  const channel<int> answers(0);
  for (int mirror = 1; mirror <= 3; ++mirror) {
    go([answers, mirror] {
      work_for(std::chrono::milliseconds(10 * mirror));
      answers.send(mirror);
    });
  }
  expect(answers.recv().value() > 0, "one of them");
}

RIGHT(orphaned_sender, fastest_mirror) {
  const channel<int> answers(3);
  for (int mirror = 1; mirror <= 3; ++mirror) {
    go([answers, mirror] {
      work_for(std::chrono::milliseconds(10 * mirror));
      answers.send(mirror);
    });
  }
  expect(answers.recv().value() > 0, "one of them");
}

// The copy is over when both directions are, or when one says that it failed.
WRONG(orphaned_sender, first_error_returns, sometimes) {
  const channel<std::string> failed(0);
  const channel<int> copied(1);
  go([copied] {
    work_for(10ms);
    copied.send(4096);
  });
  go([failed] {
    work_for(10ms);
    failed.send("connection reset");
  });
  select(recv(copied), recv(failed));
}

RIGHT(orphaned_sender, first_error_returns) {
  const channel<std::string> failed(1);
  const channel<int> copied(1);
  go([copied] {
    work_for(10ms);
    copied.send(4096);
  });
  go([failed] {
    work_for(10ms);
    failed.send("connection reset");
  });
  select(recv(copied), recv(failed));
}

// Who has found what it looked for reads no further.
WRONG(orphaned_sender, search_that_ends_early, always) {
  const channel<std::string> files(0);
  go([files] {
    for (const char* name : {"a.txt", "b.txt", "c.txt"}) files.send(name);
    files.close();
  });
  std::string found;
  for (const auto& name : files) {
    found = name;
    if (name == "b.txt") break;
  }
  expect(found == "b.txt", "it is there");
}

RIGHT(orphaned_sender, search_that_ends_early) {
  const channel<std::string> files(0);
  const channel<int> enough(0);
  go([files, enough] {
    bool more = true;
    for (const char* name : {"a.txt", "b.txt", "c.txt"}) {
      if (more) select(send(files, name), recv(enough, [&] { more = false; }));
    }
    files.close();
  });
  std::string found;
  for (const auto& name : files) {
    found = name;
    if (name == "b.txt") break;
  }
  enough.close();
  expect(found == "b.txt", "it is there");
}

// There is room for one error, and both may fail.
WRONG(orphaned_sender, room_for_one_error, sometimes) {
  struct link {
    mutex lock;
    bool up = true;
    channel<int> errors{1};
    void use(int who) {
      {
        const std::lock_guard hold(lock);
        if (up) return;
      }
      errors.send(who);
    }
  };
  const auto l = std::make_shared<link>();
  wait_group both;
  both.go([l] { l->use(1); });
  both.go([l] { l->use(2); });
  {
    const std::lock_guard hold(l->lock);
    l->up = false;
  }
  both.wait();
}

RIGHT(orphaned_sender, room_for_one_error) {
  struct link {
    mutex lock;
    bool up = true;
    channel<int> errors{1};
    void use(int who) {
      {
        const std::lock_guard hold(lock);
        if (up) return;
      }
      if (!errors.try_send(who)) return;  // the first one is enough
    }
  };
  const auto l = std::make_shared<link>();
  wait_group both;
  both.go([l] { l->use(1); });
  both.go([l] { l->use(2); });
  {
    const std::lock_guard hold(l->lock);
    l->up = false;
  }
  both.wait();
}

// A download reports how far it is, until the window is closed.
WRONG(orphaned_sender, progress_nobody_watches, sometimes) {
  const auto [ctx, close_window] = with_cancel(context());
  const channel<int> progress(0);
  go([progress] {
    for (int percent = 50; percent <= 100; percent += 50) progress.send(percent);
    progress.close();
  });
  go([close_window] { close_window(); });
  bool watching = true;
  while (watching) {
    select(recv(progress, [&](result<int> percent) { watching = percent.has_value(); }),
           done(ctx, [&] { watching = false; }));
  }
}

RIGHT(orphaned_sender, progress_nobody_watches) {
  const auto [ctx, close_window] = with_cancel(context());
  const channel<int> progress(0);
  go([ctx, progress] {
    for (int percent = 50; percent <= 100; percent += 50) {
      if (!progress.send(percent, ctx)) break;
    }
    progress.close();
  });
  go([close_window] { close_window(); });
  bool watching = true;
  while (watching) {
    select(recv(progress, [&](result<int> percent) { watching = percent.has_value(); }),
           done(ctx, [&] { watching = false; }));
  }
}

}  // namespace
}  // namespace weft::leaks
