// Misused select: what it chooses, when it does not wait, and what is evaluated for it.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/select.h>
#include <weft/test.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include "program.h"

namespace weft::leaks {
namespace {

// It is stopped and it ticks: either may be chosen.
WRONG(misused_select, works_after_the_stop, sometimes) {
  const channel<int> stop(1), ticks(1);
  bool stopped = false;
  wait_group worker;
  worker.go([&] {
    for (bool running = true; running;) {
      select(recv(ticks, [&] { expect(!stopped, "no work after the stop"); }),
             recv(stop, [&] { running = false; }));
    }
  });
  stop.send(1);
  stopped = true;
  static_cast<void>(ticks.try_send(1));
  worker.wait();
}

RIGHT(misused_select, works_after_the_stop) {
  const channel<int> stop(1), ticks(1);
  bool stopped = false;
  wait_group worker;
  worker.go([&] {
    for (bool running = true; running;) {
      select(recv(ticks,
                  [&] {
                    if (stop.try_recv()) {
                      running = false;
                    } else {
                      expect(!stopped, "no work after the stop");
                    }
                  }),
             recv(stop, [&] { running = false; }));
    }
  });
  stop.send(1);
  stopped = true;
  static_cast<void>(ticks.try_send(1));
  worker.wait();
}

// An event that nobody takes at once is dropped, and it was the last one.
WRONG(misused_select, drops_the_last_event, sometimes) {
  const channel<int> events(0);
  go([events] {
    for (const int state : {1, 2, 3}) {
      if (state == 3) {
        select(send(events, state), otherwise());
      } else {
        events.send(state);
      }
    }
  });
  int state = 0;
  while (state != 3) state = events.recv().value();
}

RIGHT(misused_select, drops_the_last_event) {
  const channel<int> events(0);
  go([events] {
    for (const int state : {1, 2, 3}) events.send(state);
  });
  int state = 0;
  while (state != 3) state = events.recv().value();
}

// It leaves the case, not the loop.
WRONG(misused_select, leaves_only_the_case, always) {
  const channel<int> jobs(2), stop(0);
  int done_jobs = 0;
  wait_group worker;
  worker.go([&] {
    for (;;) {
      select(recv(jobs, [&](int) { ++done_jobs; }), recv(stop, [] { return; }));
    }
  });
  jobs.send(1);
  jobs.send(2);
  stop.close();
  worker.wait();
}

RIGHT(misused_select, leaves_only_the_case) {
  const channel<int> jobs(2), stop(0);
  int done_jobs = 0;
  wait_group worker;
  worker.go([&] {
    for (bool running = true; running;) {
      select(recv(jobs, [&](int) { ++done_jobs; }), recv(stop, [&] { running = false; }));
    }
  });
  jobs.send(1);
  jobs.send(2);
  stop.close();
  worker.wait();
}

// A closed channel can always go on: it is counted twice as one that has ended.
WRONG(misused_select, closed_counts_twice, sometimes) {
  const channel<int> left(0), right(0);
  go([left] { left.close(); });
  go([right] {
    for (int i = 0; i < 2; ++i) right.send(1);
    right.close();
  });
  int open = 2, sum = 0;
  const auto take = [&](const result<int>& n) { n ? sum += *n : --open; };
  while (open > 0) select(recv(left, take), recv(right, take));
  expect(sum == 2, "all of both");
}

RIGHT(misused_select, closed_counts_twice) {
  channel<int> left(0), right(0);
  go([left] { left.close(); });
  go([right] {
    for (int i = 0; i < 2; ++i) right.send(1);
    right.close();
  });
  int sum = 0;
  const auto take_from = [&](channel<int>& from) {
    return [&](const result<int>& n) { n ? void(sum += *n) : void(from = channel<int>()); };
  };
  while (left || right) select(recv(left, take_from(left)), recv(right, take_from(right)));
  expect(sum == 2, "all of both");
}

// Each heartbeat begins the time anew that was meant for all of it.
WRONG(misused_select, time_that_begins_anew, always) {
  ticker heartbeat(10ms);
  const channel<int> answer(0);
  bool waiting = true;
  while (waiting) {
    select(recv(answer, [&] { waiting = false; }), recv(heartbeat.channel()),
           after(35ms, [&] { waiting = false; }));
  }
}

RIGHT(misused_select, time_that_begins_anew) {
  ticker heartbeat(10ms);
  const channel<int> answer(0);
  const auto latest = test::now() + 35ms;
  bool waiting = true;
  while (waiting) {
    select(recv(answer, [&] { waiting = false; }), recv(heartbeat.channel()),
           after(latest, [&] { waiting = false; }));
  }
}

// It waits for work or for room, and not for the end.
WRONG(misused_select, no_case_for_the_end, sometimes) {
  const auto [ctx, cancel] = with_cancel(context());
  const channel<int> urgent(0), usual(0);
  go([ctx, urgent, usual] {
    while (!ctx.done()) select(recv(urgent), recv(usual));
  });
  usual.send(1);
  cancel();
}

RIGHT(misused_select, no_case_for_the_end) {
  const auto [ctx, cancel] = with_cancel(context());
  const channel<int> urgent(0), usual(0);
  go([ctx, urgent, usual] {
    while (!ctx.done()) select(recv(urgent), recv(usual), done(ctx));
  });
  usual.send(1);
  cancel();
}

// What is to be sent is awaited before the select begins to look at the stop.
WRONG(misused_select, value_awaited_first, always) {
  const channel<int> in(0), out(0), stop(0);
  go([in, out, stop] {
    bool running = true;
    while (running) select(send(out, in.recv().value()), recv(stop, [&] { running = false; }));
  });
  in.send(5);
  expect(out.recv().value() == 5, "it is passed on");
  stop.close();
}

RIGHT(misused_select, value_awaited_first) {
  const channel<int> in(0), out(0), stop(0);
  go([in, out, stop] {
    bool running = true;
    while (running) {
      int n = 0;
      select(recv(in, [&](int got) { n = got; }), recv(stop, [&] { running = false; }));
      if (running) select(send(out, n), recv(stop, [&] { running = false; }));
    }
  });
  in.send(5);
  expect(out.recv().value() == 5, "it is passed on");
  stop.close();
}

}  // namespace
}  // namespace weft::leaks
