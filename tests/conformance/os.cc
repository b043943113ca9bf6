// The end of a goroutine by itself, signals, pipes and child processes: runtime.Goexit, os/signal,
// os, os/exec.

#include <signal.h>
#include <weft/channel.h>
#include <weft/context.h>
#include <weft/file.h>
#include <weft/goroutine.h>
#include <weft/once.h>
#include <weft/process.h>
#include <weft/signal.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

// deferred: Go's defer say(...).
struct deferred {
  const char* what;
  ~deferred() { say{what}; }
};

// --- goexit --------------------------------------------------------------------------------------

SCENARIO(goexit_runs_what_was_deferred, "runtime.Goexit") {
  wait_group all;
  all.go([] {
    const deferred first{"first"};
    const deferred second{"second"};
    goexit();
  });
  all.wait().value();
}

SCENARIO(goexit_leaves_the_calls_between, "runtime.Goexit") {
  wait_group all;
  all.go([] {
    const auto inner = [] {
      const deferred d{"inner"};
      goexit();
    };
    inner();
    say{"not here"};
  });
  all.wait().value();
}

SCENARIO(goexit_is_no_panic, "runtime.Goexit: recover returns nil") {
  wait_group all;
  all.go([] {
    try {
      goexit();
    } catch (const std::exception&) {
      say{"recovered"};
    }
    say{"not here"};
  });
  all.wait().value();
  say{"ended"};
}

SCENARIO(goexit_leaves_others_alone, "runtime.Goexit") {
  const channel<int> c(0);
  const task other([=] { say{c.recv()}; });
  go([] { goexit(); });
  c.send(7);
  say{other.join()};
}

SCENARIO(goexit_counts_as_done_for_a_once, "sync.Once, Do") {
  once o;
  wait_group all;
  all.go([&] { o.call([] { goexit(); }).value(); });
  all.wait().value();
  o.call([] { say{"not called"}; }).value();
  say{"ended"};
}

SCENARIO(goexit_waits_while_it_unwinds, "runtime.Goexit") {
  const channel<int> c(0);
  wait_group all;
  all.go([=] {
    struct receives {
      channel<int> from;
      ~receives() { say{from.recv()}; }
    } const at_end{c};
    goexit();
  });
  c.send(7);
  all.wait().value();
}

PROGRAM(goexit_in_main_alone, "runtime.Goexit; runtime/proc.go, checkdead") {
  const deferred d{"deferred"};
  goexit();
}

PROGRAM(goexit_in_main_lets_others_go_on, "runtime.Goexit") {
  const channel<int> c(0);
  go([=] {
    c.recv().value();
    say{"other"};
  });
  go([=] { c.send(1); });
  goexit();
}

// --- signals -------------------------------------------------------------------------------------

// Raised in the thread of the goroutine: where a signal to the process goes elsewhere,
// ThreadSanitizer keeps it until that thread calls the C library.

// hears: a channel with room for what a scenario raises.
channel<int> hears(signal::list signals) {
  channel<int> c(8);
  signal::notify(c, signals);
  return c;
}

SCENARIO(signal_arrives, "os/signal, Notify") {
  const auto c = hears({SIGUSR1});
  ::raise(SIGUSR1);
  say{c.recv() == SIGUSR1};
  signal::stop(c);
}

SCENARIO(signal_notify_adds, "os/signal, Notify: the set expands") {
  const auto c = hears({SIGUSR1});
  signal::notify(c, {SIGUSR2});
  ::raise(SIGUSR1);
  say{c.recv() == SIGUSR1};
  ::raise(SIGUSR2);
  say{c.recv() == SIGUSR2};
  signal::stop(c);
}

SCENARIO(signal_reaches_every_channel, "os/signal, Notify") {
  const auto a = hears({SIGUSR1}), b = hears({SIGUSR1, SIGUSR2});
  ::raise(SIGUSR1);
  say{a.recv() == SIGUSR1, b.recv() == SIGUSR1};
  signal::stop(a);
  signal::stop(b);
}

SCENARIO(signal_full_channel_misses_it, "os/signal, Notify: will not block") {
  const channel<int> full(1);
  signal::notify(full, {SIGUSR1, SIGUSR2});
  const auto c = hears({SIGUSR1, SIGUSR2});
  for (const int number : {SIGUSR1, SIGUSR2, SIGUSR1}) {
    ::raise(number);
    c.recv().value();
  }
  say{full.recv() == SIGUSR1};
  signal::stop(full);
  signal::stop(c);
}

SCENARIO(signal_none_after_stop, "os/signal, Stop") {
  const auto stopped = hears({SIGUSR1}), c = hears({SIGUSR1});
  signal::stop(stopped);
  ::raise(SIGUSR1);
  say{c.recv() == SIGUSR1, stopped.try_recv()};
  signal::stop(c);
}

SCENARIO(signal_ignored_does_nothing, "os/signal, Ignore") {
  const auto c = hears({SIGUSR1});
  signal::ignore({SIGUSR1});
  say{signal::ignored(SIGUSR1), signal::ignored(SIGUSR2)};
  ::raise(SIGUSR1);
  say{c.try_recv()};
  signal::reset({SIGUSR1});
}

SCENARIO(signal_reset_of_an_ignored_one, "os/signal, Reset") {
  signal::ignore({SIGUSR1});
  signal::reset({SIGUSR1});
  say{signal::ignored(SIGUSR1)};
}

SCENARIO(signal_ends_a_context, "os/signal, NotifyContext") {
  auto stopping = signal::notify_context(context::background(), {SIGUSR1});
  say{stopping.context().err()};
  ::raise(SIGUSR1);
  stopping.context().wait().value();
  say{stopping.context().err()};
}

SCENARIO(signal_context_is_stopped, "os/signal, NotifyContext: stop") {
  auto stopping = signal::notify_context(context::background(), {SIGUSR1});
  stopping.stop();
  say{stopping.context().err()};
}

PROGRAM(signal_term_ends_the_process, "os/signal: default behavior") {
  ::raise(SIGTERM);
  sleep_for(std::chrono::hours(1)).value();
}

PROGRAM(signal_has_its_default_again_after_reset, "os/signal, Reset") {
  const auto c = hears({SIGTERM});
  ::raise(SIGTERM);
  say{c.recv() == SIGTERM};
  signal::reset({SIGTERM});
  ::raise(SIGTERM);
  sleep_for(std::chrono::hours(1)).value();
}

// --- pipes ---------------------------------------------------------------------------------------

std::string read(file& f) {
  std::array<char, 100> buffer;
  const auto n = f.read(buffer);
  return n ? std::string(buffer.data(), *n) : text(n.error());
}

SCENARIO(pipe_read_waits_for_bytes, "os.Pipe; internal/poll") {
  auto p = pipe().value();
  const task reader([&] { say{read(p.reader)}; });
  say{reader.blocks()};
  p.writer.write("hello").value();
  say{reader.join()};
}

SCENARIO(pipe_end_of_stream, "os.File, Read: io.EOF") {
  auto p = pipe().value();
  p.writer.write("bye").value();
  p.writer.close().value();
  say{read(p.reader), read(p.reader), read(p.reader)};
}

SCENARIO(pipe_without_a_reader, "os.File, Write: EPIPE") {
  auto p = pipe().value();
  p.reader.close().value();
  say{text(p.writer.write("x"))};
}

SCENARIO(pipe_close_ends_a_read, "os.File, Close") {
  auto p = pipe().value();
  const task reader([&] { say{read(p.reader)}; });
  say{reader.blocks()};
  p.reader.close().value();
  say{reader.join(), read(p.reader), text(p.reader.close())};
}

SCENARIO(pipe_full_write_waits, "os.Pipe; internal/poll") {
  auto p = pipe().value();
  const task writer([&] {
    say{p.writer.write(std::string(1 << 20, 'x'))};
    p.writer.close().value();
  });
  say{writer.blocks()};
  std::size_t total = 0;
  std::array<char, 4096> buffer;
  while (const auto n = p.reader.read(buffer)) total += *n;
  writer.join();
  say{total};
}

SCENARIO(file_that_is_not_there, "os.Open: PathError") {
  say{text(open("/weft-conformance/nothing").error())};
}

// --- child processes -----------------------------------------------------------------------------

SCENARIO(process_output, "os/exec, Cmd.Output") {
  const auto done = process::output({.args = {"/bin/sh", "-c", "printf hello"}}).value();
  say{done.out, done.status.success()};
}

SCENARIO(process_exit_status, "os/exec, ExitError") {
  const auto status = process::run({.args = {"/bin/sh", "-c", "exit 3"}}).value();
  say{status.success(), status.code(), status.text()};
}

SCENARIO(process_ended_by_a_signal, "os/exec, ExitError") {
  const auto status = process::run({.args = {"/bin/sh", "-c", "kill -TERM $$"}}).value();
  say{status.success(), status.code(), status.text()};
}

SCENARIO(process_that_cannot_start, "os/exec, Cmd.Start") {
  say{text(process::run({.args = {"/weft-conformance/nothing"}}).error())};
}

SCENARIO(process_reads_its_input, "os/exec, Cmd.StdinPipe") {
  using process::stream;
  auto child = process::start({.args = {"cat"}, .in = stream::pipe, .out = stream::pipe}).value();
  child.in().write("through").value();
  child.in().close().value();
  say{read(child.out()), read(child.out())};
  say{child.wait().value().success()};
}

SCENARIO(process_streams_are_apart, "os/exec, Cmd.Stdout, Cmd.Stderr") {
  const auto done = process::output({.args = {"/bin/sh", "-c", "printf out; printf err >&2"},
                                     .err = process::stream::pipe})
                        .value();
  say{done.out, done.err};
}

SCENARIO(process_has_its_environment_and_place, "os/exec, Cmd.Env, Cmd.Dir") {
  const std::vector<std::string> only{"WHO=ada"};
  const auto done =
      process::output({.args = {"/bin/sh", "-c", "printf \"$WHO $PWD\""}, .env = only, .dir = "/"});
  say{done.value().out};
}

SCENARIO(process_wait_waits_for_its_end, "os/exec, Cmd.Wait") {
  using process::stream;
  auto child = process::start({.args = {"cat"}, .in = stream::pipe}).value();
  const channel<bool> ended(0);
  go([&, ended] { ended.send(child.wait().value().success()); });
  say{ended.try_recv()};
  child.in().close().value();
  say{ended.recv()};
}

SCENARIO(process_is_signalled, "os.Process, Signal") {
  using process::stream;
  auto child = process::start({.args = {"cat"}, .in = stream::pipe}).value();
  child.signal(SIGKILL).value();
  say{child.wait().value().text()};
}

}  // namespace
}  // namespace weft::conformance
