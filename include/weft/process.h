#pragma once

// process: child processes.
//
//   auto date = weft::process::output({.args = {"date", "-u"}}, 5s);
//   if (date && date->status.success()) use(date->out);
//
//   auto sort = weft::process::start({.args = {"sort"}, .in = weft::process::stream::pipe,
//                                     .out = weft::process::stream::pipe}).value();
//   sort.in().write("b\na\n"); sort.in().close();
//   while (auto n = sort.out().read(buffer)) ...
//   const auto status = sort.finish(ctx);      // cancelling ctx kills it
//
// Waiting costs no thread where the kernel has pidfd_open (Linux 5.3); before, one per wait. A
// child gets its three streams and no other descriptor of ours, no blocked signals, and SIGPIPE as
// it was in the beginning. It belongs to the runtime it was started in, as files do.

#include <weft/error.h>
#include <weft/file.h>
#include <weft/limit.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::process {

// stream: what a standard stream of a child is.
enum class stream : unsigned char {
  null,     // /dev/null
  inherit,  // ours
  pipe,     // the other end is child::in(), out() or err()
};

// command: what to run.
struct command {
  // args: the program, looked up in PATH unless it has a slash, and its arguments.
  std::vector<std::string> args;
  // env: "NAME=value"; nothing means ours.
  std::optional<std::vector<std::string>> env = {};
  // dir: where it runs; empty means where we do.
  std::string dir = {};
  stream in = stream::null;
  stream out = stream::null;
  stream err = stream::inherit;
  // kill_signal: what finish() sends when its limit passes; wait_delay: how long it then waits
  // until it sends SIGKILL, and how long output() waits for pipes that others hold open.
  int kill_signal = SIGKILL;
  std::chrono::nanoseconds wait_delay = std::chrono::seconds(5);
  // output_max: bytes that output() takes of each stream; a child that writes more is killed.
  std::size_t output_max = std::size_t{64} << 20;
};

// exit_status: how a process ended.
class exit_status {
 public:
  exit_status(int code, int signal) noexcept : code_(code), signal_(signal) {}
  // success: it returned 0.
  [[nodiscard]] bool success() const noexcept { return signal_ == 0 && code_ == 0; }
  // code: what it returned; -1 if a signal ended it. signal: the one that did, or 0.
  [[nodiscard]] int code() const noexcept { return signal_ == 0 ? code_ : -1; }
  [[nodiscard]] int signal() const noexcept { return signal_; }
  // text: "exit status 1", "signal: killed".
  [[nodiscard]] std::string text() const;
  friend bool operator==(const exit_status&, const exit_status&) noexcept = default;

 private:
  int code_;
  int signal_;
};

class child_state;

// child: a process that was started. One goroutine at a time waits for it; the streams are files.
class [[nodiscard]] child {
 public:
  child() noexcept;
  child(child&& other) noexcept;
  child& operator=(child&& other) noexcept;
  // A child that nobody has waited for to its end is killed, and taken care of in the background:
  // it leaves no zombie.
  ~child();

  [[nodiscard]] int pid() const noexcept;

  // in, out, err: our ends of its pipes; files without a descriptor for streams that are none.
  [[nodiscard]] file& in() noexcept { return in_; }
  [[nodiscard]] file& out() noexcept { return out_; }
  [[nodiscard]] file& err() noexcept { return err_; }

  // wait: until it has ended. An error means that `l`, or the caller's scope, ended the wait
  // before; the child goes on, and may be waited for again. Later calls give the same status.
  result<exit_status> wait(const limit& l = {});

  // finish: wait; but when that ends early the child gets command::kill_signal, and wait_delay
  // later SIGKILL. Returns when it has ended; the error of `l` if that was why. An end that came
  // first is reported as such.
  result<exit_status> finish(const limit& l = {});

  // signal: sends one, unless it has ended: std::errc::no_such_process then. Never another process.
  result<void> signal(int number);

 private:
  friend result<child> start(const command& what);
  std::unique_ptr<child_state> state_;
  file in_;
  file out_;
  file err_;
};

// start: starts it; returns when the program runs, or with why it cannot (ENOENT: no such program
// or directory).
[[nodiscard]] result<child> start(const command& what);

// run: start, and finish.
result<exit_status> run(const command& what, const limit& l = {});

// outcome: of output(): `err` only if command::err is a pipe.
struct outcome {
  exit_status status;
  std::string out;
  std::string err;
};

// output: runs it with its output collected, and `input` written to it if that is not empty.
[[nodiscard]] result<outcome> output(command what, const limit& l = {},
                                     std::string_view input = {});

}  // namespace weft::process
