// weft-bench-processes: what processes cost where weft has goroutines: see bench/row.h. They talk
// through pipes. "weft-bench-processes echo" serves with a process for each connection.

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "c/listen.h"
#include "row.h"

namespace {

using bench::clock_type;
using bench::say;
using bench::shape;

// start: a child that does `f` and ends; it never outlives us. -1 when the system has no more.
template <class F>
pid_t start(const F& f) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  f();
  std::_Exit(0);
}

void await(const std::vector<pid_t>& children) {
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
}

void spawn_join(const shape& s) {
  const auto begin = clock_type::now();
  for (std::int64_t b = 0; b < s.each(); ++b) {
    std::vector<pid_t> children;
    for (std::int64_t i = 0; i < s.n; ++i) children.push_back(start([] {}));
    await(children);
  }
  say("spawn_join", bench::ns_each(begin, s.each() * s.n), "ns");
}

struct pipe_ends {
  pipe_ends() { bench::require(::pipe(fd.data()) == 0, "no pipe"); }
  void send() const { bench::require(::write(fd[1], "x", 1) == 1, "a pipe broke"); }
  void recv() const {
    char byte = 0;
    bench::require(::read(fd[0], &byte, 1) == 1, "a pipe broke");
  }
  std::array<int, 2> fd{};
};

// yield: two processes hand a byte to and fro: a switch each way.
void yield(const shape& s) {
  const pipe_ends there;
  const pipe_ends back;
  const auto rounds = s.each();
  const auto begin = clock_type::now();
  const pid_t child = start([&] {
    for (std::int64_t i = 0; i < rounds; ++i) {
      there.recv();
      back.send();
    }
  });
  for (std::int64_t i = 0; i < rounds; ++i) {
    there.send();
    back.recv();
  }
  ::waitpid(child, nullptr, 0);
  say("yield", bench::ns_each(begin, 2 * rounds), "ns");
}

// channel_128: one writes single bytes, the other reads them; the pipe holds many.
void channel_128(const shape& s) {
  const pipe_ends pipe;
  const auto items = s.each();
  const auto begin = clock_type::now();
  const pid_t child = start([&] {
    for (std::int64_t i = 0; i < items; ++i) pipe.send();
  });
  for (std::int64_t i = 0; i < items; ++i) pipe.recv();
  ::waitpid(child, nullptr, 0);
  say("channel_128", bench::ns_each(begin, items), "ns");
}

// used_bytes: of the whole machine: what a process costs lies in the kernel as much as in itself,
// and what it shares is counted once.
std::int64_t used_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  std::int64_t free = 0;
  for (std::int64_t kb = 0; file >> key;)
    if (key == "MemAvailable:" && file >> kb) free = kb * 1024;
  return -free;
}

// crowd: processes that wait for a pipe to close; as many of n as the system has.
void crowd(const shape& s) {
  const pipe_ends begun;
  const pipe_ends gate;
  std::vector<pid_t> children;
  const std::int64_t before = used_bytes();
  while (static_cast<std::int64_t>(children.size()) < s.n) {
    const pid_t child = start([&] {
      ::close(gate.fd[1]);
      begun.send();
      char byte = 0;
      static_cast<void>(::read(gate.fd[0], &byte, 1) == 0);
    });
    if (child < 0) break;
    children.push_back(child);
  }
  const auto count = static_cast<std::int64_t>(children.size());
  bench::require(count > 0, "the system has no processes");
  for (std::int64_t i = 0; i < count; ++i) begun.recv();
  const std::int64_t grown = used_bytes() - before;
  const auto woken = clock_type::now();
  ::close(gate.fd[1]);
  await(children);
  say("wake", bench::ns_each(woken, count), "ns");
  say("parked_bytes", static_cast<double>(grown) / static_cast<double>(count), "B");
  say("how_many", static_cast<double>(count), "n");
}

void cpu_tasks(const shape& s) {
  const auto steps = bench::burn_steps(std::chrono::microseconds(100));
  std::vector<pid_t> children;
  const auto begin = clock_type::now();
  for (std::int64_t i = 0; i < s.n; ++i) children.push_back(start([&] { bench::burn(steps); }));
  await(children);
  say("cpu_tasks", bench::ns_each(begin, s.n) / 1000, "us");
}

constexpr bench::row rows[] = {
    {"yield", {2, 200'000}, yield},
    {"spawn_join", {100, 1000}, spawn_join},
    {"channel_128", {1, 500'000}, channel_128},
    {"crowd", {1000, 0}, crowd},
    {"cpu_tasks", {1000, 0}, cpu_tasks},
};

[[noreturn]] void echo() {
  const int listener = bench::listen_here(0);
  ::signal(SIGCHLD, SIG_IGN);
  for (;;) {
    const int conn = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (conn < 0) continue;
    bench::no_delay(conn);
    start([conn] { bench::serve(conn); });
    ::close(conn);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "echo") echo();
  return bench::main_of(rows, argc, argv,
                        [](const shape& s, void (*run)(const shape&)) { run(s); });
}
