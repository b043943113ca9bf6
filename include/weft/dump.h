#pragma once

// dump: what every goroutine is doing, with its stack.
//
//   std::fputs(weft::dump().c_str(), stderr);
//   auto server = weft::dump_server::listen("/run/chat.dump").value();
//
//   $ socat - UNIX-CONNECT:/run/chat.dump
//   $ curl --unix-socket /run/chat.dump 'http://x/goroutines?format=json'
//
// SIGQUIT (runtime.h) and the report of a deadlock write the same. Goroutines whose stack, state
// and creation are equal stand together, the largest group first. Nobody is stopped: a goroutine
// that waits is held for as long as it is looked at, others not at all. So a dump is
// no instant: goroutines come and go while it is taken.
//
// Shown of a goroutine: its number, name, labels and state, what it waits on, who holds that (of
// mutexes and rwmutexes that are locked for writing), for how many minutes, where it was started,
// and where it stands. Stacks are those of goroutines that wait, and of the caller: one that runs
// has the number of its thread instead, and one that could run has neither.
//
// Of one that waits for what will never come it says so: "proven", if nothing can wake it (a nil
// channel, or channels whose other ends nobody has); "suspect", if who would have woken it has gone
// (the last receiver, for a sender; one that has ended with a lock) or has a lock and will not go
// on himself. A wait that is merely long is neither.
//
// Names, files and lines come from the program's own debug information or symbols (-g1 is enough);
// without any, the file and the offset in it stand there.

#include <weft/error.h>

#include <memory>
#include <string>
#include <string_view>

namespace weft {

enum class dump_format : unsigned char { text, json };

struct dump_options {
  dump_format format = dump_format::text;
  // stack_sizes: adds, for each place where goroutines were started, how many of them have a stack,
  // and the most that one of these uses (from its top to where it stands) and has in memory (from
  // its top to the lowest page of it that the kernel holds). The latter is how deep it went, or a
  // goroutine before it on the same stack. Of goroutines that wait. A system call for each.
  bool stack_sizes = false;
};

// dump: of all goroutines of all runtimes in this process, from any thread or goroutine, several at
// a time too. It computes for as long as there are goroutines, and the first one longer, while it
// reads debug information. In JSON: {"goroutines": n, "groups": [{"count", "state", "created_by",
// "stack", "members"}...]}; fields may be added. Throws std::bad_alloc.
[[nodiscard]] std::string dump(const dump_options& options = {});

// dump_server: gives dumps to whoever connects to a Unix socket, one after the other, on a thread
// of its own, whatever the goroutines do. A client that says nothing for 200 ms, or ends its side,
// gets text. One that sends a line gets what is asked for in it: the words "json" and "stacks" (for
// stack_sizes), in a plain line or in an HTTP GET's target (?format=json&stacks=1), which gets an
// HTTP answer. Only this user (and root) may connect: the socket has mode 0600.
class dump_server {
 public:
  // listen: at a path of at most 107 bytes. A socket that lies there and that nobody answers at is
  // replaced; errors say what else is in the way: EADDRINUSE (a server that lives), EEXIST (no
  // socket), ENAMETOOLONG, or bind(2)'s. Never waits.
  [[nodiscard]] static result<dump_server> listen(std::string_view path);

  // The destructor removes the socket and ends the thread; an answer that is under way ends early.
  // A client that reads nothing for 5 seconds loses the rest of its answer.
  dump_server(dump_server&&) noexcept;
  dump_server& operator=(dump_server&&) noexcept;
  ~dump_server();

  [[nodiscard]] const std::string& path() const noexcept;

 private:
  struct state;
  explicit dump_server(std::unique_ptr<state> s) noexcept;
  std::unique_ptr<state> state_;
};

}  // namespace weft
