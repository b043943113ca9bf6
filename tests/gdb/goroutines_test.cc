// tools/gdb/weft.py: gdb runs this very binary, stops in one of its goroutines, and asks for the
// others: in the process, in a core, and in a program without debug information.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/goroutine.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/time.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>

namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

void keep(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

std::atomic<bool> spins{false};

// The functions below are what gdb sees: named, not inlined, and not left by a jump.
extern "C" {
[[gnu::noinline]] void goroutine_probe_alone() { asm volatile(""); }
[[gnu::noinline]] void goroutine_probe_stop() { asm volatile(""); }

[[gnu::noinline]] void goroutine_probe_receives(const weft::channel<int>& c) {
  const auto value = c.recv();
  keep(&value);
}

[[gnu::noinline]] void goroutine_probe_locks(weft::mutex& m) {
  const std::scoped_lock hold(m);
  keep(&m);
}

[[gnu::noinline]] void goroutine_probe_spins() {
  spins.store(true);
  while (spins.load()) asm volatile("");
}
}

TEST(probe, goroutines) {
  weft::run(
      [] {
        const weft::channel<int> c(0);
        weft::mutex m;
        m.lock();
        weft::go({.name = "receiver"}, [&] {
          const weft::label room("room", "lobby");
          goroutine_probe_receives(c);
        });
        weft::go({.name = "locker"}, [&] { goroutine_probe_locks(m); });
        weft::go({.name = "spinner"}, [] { goroutine_probe_spins(); });
        while (!spins.load()) weft::yield();
        goroutine_probe_alone();
        weft::go({.name = "unborn"}, [] {});
        goroutine_probe_stop();
        spins.store(false);
      },
      {.max_procs = 2});
}

// scratch: a directory for the test.
class scratch {
 public:
  scratch() {
    std::string pattern = std::filesystem::temp_directory_path() / "weft-gdb-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    where_ = pattern;
  }
  ~scratch() { std::filesystem::remove_all(where_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return where_ / name; }

 private:
  std::filesystem::path where_;
};

std::string self() { return std::filesystem::read_symlink("/proc/self/exe"); }

// output_of: of a command.
std::string output_of(const std::string& line) {
  FILE* pipe = ::popen((line + " 2>&1 </dev/null").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> chunk{};
  while (const std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe))
    output.append(chunk.data(), n);
  ::pclose(pipe);
  return output;
}

// gdb: what it says to these commands. Stacks have guards that its generate-core-file can pass.
std::string gdb(const std::string& program, const std::vector<std::string>& commands) {
  std::string line =
      "env -u DEBUGINFOD_URLS WEFT_STACK_GUARD=mprotect gdb -nx -batch -ex 'set pagination off' "
      "-ex 'set width 0' -ex 'source " WEFT_GDB_SCRIPT "'";
  for (const auto& c : commands) line += " -ex '" + c + "'";
  return output_of(line + " " + program);
}

// stopped: the commands that come to where all of them wait. A thread that gdb has stopped blocks,
// and gdb takes its time to stop the others: one of these would get the processor, and run the
// unborn one. So the last steps are made by one thread.
std::vector<std::string> stopped(const std::vector<std::string>& then) {
  std::vector<std::string> commands = {
      "set breakpoint pending on",  "break goroutine_probe_alone",
      "break goroutine_probe_stop", "run --gtest_filter=probe.goroutines",
      "set scheduler-locking on",   "continue",
      "set scheduler-locking off"};
  commands.insert(commands.end(), then.begin(), then.end());
  commands.emplace_back("kill");
  return commands;
}

const std::vector<std::string> questions = {"echo @list\\n",
                                            "info goroutines",
                                            "echo @receiver\\n",
                                            "goroutine receiver bt",
                                            "echo @locker\\n",
                                            "goroutine 3",
                                            "bt",
                                            "goroutine",
                                            "echo @spinner\\n",
                                            "goroutine spinner bt",
                                            "echo @unborn\\n",
                                            "goroutine unborn bt",
                                            "echo @nobody\\n",
                                            "goroutine 77",
                                            "echo @all\\n",
                                            "goroutine all bt 1",
                                            "echo @selected\\n",
                                            "info goroutines r",
                                            "echo @off\\n",
                                            "goroutine off",
                                            "bt",
                                            "echo @end\\n"};

std::string section(const std::string& output, const std::string& name) {
  const auto from = output.find("@" + name + "\n");
  if (from == std::string::npos) return "no section " + name + " in " + output;
  return output.substr(from, output.find("\n@", from + 1) - from);
}

void expect_answers(const std::string& output) {
  const auto list = section(output, "list");
  EXPECT_THAT(list, ContainsRegex("\\* 1 \\[running on thread [0-9]+\\] created by "));
  EXPECT_THAT(list, HasSubstr(" \"receiver\" [chan receive on 0x"));
  EXPECT_THAT(list, HasSubstr("] {room: lobby} created by "));
  EXPECT_THAT(list, HasSubstr(" \"locker\" [sync.Mutex.Lock on 0x"));
  EXPECT_THAT(list, ContainsRegex(" \"spinner\" \\[running on thread [0-9]+\\] created by "));
  EXPECT_THAT(list, ContainsRegex("goroutines_test.cc:[0-9]+\n"));
  EXPECT_THAT(list, HasSubstr("\n5 goroutines"));

  const auto receiver = section(output, "receiver");
  EXPECT_THAT(receiver, Not(HasSubstr("#0 ")));
  EXPECT_THAT(receiver, ContainsRegex("#1 .*switch_away|#1 .*leave"));
  EXPECT_THAT(receiver, ContainsRegex("#[0-9]+ .*goroutine_probe_receives"));
  EXPECT_THAT(receiver, ContainsRegex("#[0-9]+ .*weft_stack_base"));

  const auto locker = section(output, "locker");
  EXPECT_THAT(locker, ContainsRegex("#[0-9]+ .*goroutine_probe_locks"));
  EXPECT_THAT(locker, ContainsRegex("\n[0-9]+ \"locker\" \\["));

  EXPECT_THAT(section(output, "spinner"), ContainsRegex("#0 .*goroutine_probe_spins"));
  EXPECT_THAT(section(output, "unborn"), HasSubstr("it has no stack"));
  EXPECT_THAT(section(output, "nobody"), HasSubstr("there is no goroutine 77"));
  const auto all = section(output, "all");
  for (const char* name : {"receiver", "locker", "spinner", "unborn"})
    EXPECT_THAT(all, ContainsRegex(std::string("\ngoroutine [0-9]+ \"") + name));
  // What was selected before is selected still.
  EXPECT_THAT(section(output, "selected"), ContainsRegex("\\* [0-9]+ \"locker\""));
  EXPECT_THAT(section(output, "off"), ContainsRegex("#0 .*goroutine_probe_stop"));
  EXPECT_THAT(output, Not(HasSubstr("Python Exception")));
  EXPECT_THAT(output, Not(HasSubstr("corrupt stack")));
}

TEST(gdb, lists_and_walks_goroutines) { expect_answers(gdb(self(), stopped(questions))); }

TEST(gdb, finds_them_in_a_core) {
  const scratch here;
  const auto core = here.path("core");
  gdb(self(), stopped({"generate-core-file " + core}));
  expect_answers(gdb(self() + " " + core, questions));
}

TEST(gdb, needs_no_debug_information) {
  const scratch here;
  const auto program = here.path("stripped");
  ASSERT_EQ(output_of("strip --strip-debug -o " + program + " " + self()), "");
  expect_answers(gdb(program, stopped(questions)));
}

TEST(gdb, says_what_is_missing) {
  EXPECT_THAT(gdb("/bin/true", {"info goroutines"}),
              HasSubstr("is this a program with weft, and has it its symbols?"));
}

TEST(gdb, the_process_goes_on_from_where_it_stood) {
  auto commands = stopped({"goroutine locker", "continue"});
  EXPECT_THAT(gdb(self(), commands), HasSubstr("exited normally"));
}

}  // namespace
