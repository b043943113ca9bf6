// Panics, fatal errors, and how a process ends: Go spec (Handling panics, Program execution),
// runtime/panic.go, runtime/proc.go (checkdead).

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <chrono>
#include <functional>
#include <stdexcept>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

using namespace std::chrono_literals;

// deferred: Go's defer say(...).
struct deferred {
  const char* what;
  ~deferred() { say{what}; }
};

// wait_for_ever: what main does while another goroutine ends the process.
void wait_for_ever() { sleep_for(1h).value(); }

// --- panics that are recovered -------------------------------------------------------------------

SCENARIO(panic_is_recovered, "Go spec, Handling panics") {
  say{attempt([] { throw std::runtime_error("boom"); })};
  say{attempt([] { throw "boom"; })};
  say{attempt([] {})};
}

SCENARIO(panic_runs_what_was_deferred_last_first, "Go spec, Handling panics") {
  say{attempt([] {
    const deferred first{"first"};
    const deferred second{"second"};
    throw std::runtime_error("boom");
  })};
}

SCENARIO(panic_leaves_the_calls_between, "Go spec, Handling panics") {
  const std::function<void(int)> dive = [&](int depth) {
    if (depth == 0) throw std::runtime_error("at the bottom");
    dive(depth - 1);
    say{"not here"};
  };
  say{attempt([&] { dive(10); })};
}

SCENARIO(panic_after_a_recovered_one, "Go spec, Handling panics") {
  say{attempt([] {
    say{attempt([] { throw std::runtime_error("first"); })};
    throw std::runtime_error("second");
  })};
}

SCENARIO(panic_replaces_the_one_before, "Go spec, Handling panics") {
  say{attempt([] {
    try {
      throw std::runtime_error("first");
    } catch (...) {
      throw std::runtime_error("second");
    }
  })};
}

SCENARIO(panic_in_one_goroutine_is_not_seen_by_another, "Go spec, Handling panics") {
  const channel<int> go_on(0);
  const task panics([=] {
    go_on.recv().value();
    throw std::runtime_error("boom");
  });
  const task other([=] {
    go_on.recv().value();
    say{"goes on"};
  });
  go_on.send(1);
  say{panics.join()};
  go_on.send(1);
  say{other.join()};
}

SCENARIO(panic_waits_while_it_unwinds, "Go spec, Handling panics") {
  const channel<int> c(0);
  const task panics([=] {
    struct waits {
      const channel<int>& on;
      ~waits() { say{on.recv()}; }
    } const on_the_way{c};
    throw std::runtime_error("boom");
  });
  say{panics.state()};
  c.send(7);
  say{panics.join()};
}

// --- panics that are not -------------------------------------------------------------------------

PROGRAM(panic_in_main_ends_the_process, "runtime/panic.go: status 2") {
  throw std::runtime_error("boom");
}

PROGRAM(panic_with_a_text, "runtime/panic.go, printpanics") { throw "boom"; }

PROGRAM(panic_with_a_string, "runtime/panic.go, printpanics") { throw std::string("boom"); }

PROGRAM(panic_with_a_number, "runtime/panic.go, printpanics") { throw 42; }

PROGRAM(panic_in_a_goroutine_ends_the_process, "Go spec, Handling panics") {
  go([] { throw std::runtime_error("boom"); });
  wait_for_ever();
}

PROGRAM(panic_does_not_wait_for_others, "Go spec, Handling panics") {
  const task waits([] {
    const deferred never{"deferred"};
    wait_for_ever();
  });
  throw std::runtime_error("boom");
}

PROGRAM(panic_uncaught_runs_what_was_deferred, "Go spec, Handling panics") {
  const deferred now{"deferred"};
  throw std::runtime_error("boom");
}

PROGRAM(panic_caught_and_thrown_again, "runtime/panic.go, printpanics") {
  try {
    throw std::runtime_error("boom");
  } catch (...) {
    throw;
  }
}

PROGRAM(panic_while_another_is_handled, "runtime/panic.go, printpanics") {
  try {
    throw std::runtime_error("first");
  } catch (...) {
    throw std::runtime_error("second");
  }
}

PROGRAM(panic_of_send_on_closed, "runtime/chan.go, chansend") {
  const channel<int> c(1);
  c.close();
  c.send(1);
}

PROGRAM(panic_of_close_of_closed, "runtime/chan.go, closechan") {
  const channel<int> c(1);
  c.close();
  c.close();
}

PROGRAM(panic_of_close_of_nil, "runtime/chan.go, closechan") { channel<int>().close(); }

PROGRAM(panic_of_a_negative_wait_group, "sync.WaitGroup, Add") { wait_group().done(); }

PROGRAM(panic_in_a_wait_group_comes_before_done, "sync.WaitGroup, Go") {
  wait_group all;
  all.go([] { throw std::runtime_error("boom"); });
  all.wait().value();
  say{"waited"};
  wait_for_ever();
}

PROGRAM(go_of_nil, "runtime/proc.go, newproc: go of nil func value") {
  go(std::function<void()>());
  wait_for_ever();
}

// --- the end of main -----------------------------------------------------------------------------

PROGRAM(main_returns, "Go spec, Program execution") { say{"main"}; }

PROGRAM(main_does_not_wait_for_others, "Go spec, Program execution") {
  const task waits([] {
    const deferred never{"deferred"};
    wait_for_ever();
  });
  say{waits.state()};
}

PROGRAM(main_does_not_wait_for_who_computes, "Go spec, Program execution") {
  const channel<int> started(0);
  go([=] {
    started.send(1);
    for (;;) yield();
  });
  say{started.recv()};
}

// --- fatal errors --------------------------------------------------------------------------------

PROGRAM(deadlock_of_main, "runtime/proc.go, checkdead") {
  say{"before"};
  static_cast<void>(channel<int>(0).recv());
}

PROGRAM(deadlock_of_two, "runtime/proc.go, checkdead") {
  const channel<int> a(0), b(0);
  go([=] { a.send(b.recv().value()); });
  b.send(a.recv().value());
}

PROGRAM(deadlock_on_nil, "runtime/proc.go, checkdead") {
  go([] { channel<int>().send(1); });
  static_cast<void>(channel<int>().recv());
}

PROGRAM(deadlock_of_an_empty_select, "runtime/proc.go, checkdead") { select(); }

PROGRAM(deadlock_on_a_mutex, "runtime/proc.go, checkdead") {
  mutex m;
  m.lock();
  m.lock();
}

PROGRAM(deadlock_on_a_wait_group, "runtime/proc.go, checkdead") {
  wait_group all;
  all.add(1);
  all.wait().value();
}

PROGRAM(deadlock_is_no_panic, "runtime/panic.go, fatal: not recoverable") {
  say{attempt([] { select(); })};
}

PROGRAM(deadlock_when_the_last_who_could_ends, "runtime/proc.go, checkdead") {
  const channel<int> c(0);
  go([=] { say{"not sending"}; });
  static_cast<void>(c.recv());
}

PROGRAM(deadlock_is_none_while_one_sleeps, "runtime/proc.go, checkdead: timers") {
  const channel<int> c(0);
  go([=] {
    sleep_for(20ms).value();
    c.send(7);
  });
  say{c.recv()};
}

PROGRAM(fatal_unlock_of_unlocked_mutex, "sync.Mutex, Unlock") { mutex().unlock(); }

PROGRAM(fatal_unlock_is_no_panic, "sync.Mutex, Unlock: not recoverable") {
  say{attempt([] { mutex().unlock(); })};
}

PROGRAM(mutex_may_be_unlocked_by_another, "sync.Mutex: not associated with a goroutine") {
  mutex m;
  m.lock();
  wait_group other;
  other.go([&, main = sched::current_goroutine()] {
    while (!main->try_hold()) yield();  // until it waits, as the report will say
    main->drop_hold();
    m.unlock();
  });
  other.wait().value();
  say{m.try_lock()};
}

}  // namespace
}  // namespace weft::conformance
