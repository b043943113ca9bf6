#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/context.h>
#include <weft/dump.h>
#include <weft/go.h>
#include <weft/goroutine.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/rwmutex.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "arch/sanitizer.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using sched::wait_reason;
using sync_test::in_weft;
using sync_test::scaled;
using sync_test::wait_until;
using sync_test::wait_until_parked;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

void keep(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

[[gnu::noinline]] void receives_here(const channel<int>& c) {
  const auto value = c.recv();
  keep(&value);
}

[[gnu::noinline]] void locks_here(mutex& m) {
  m.lock();
  m.unlock();
  keep(&m);
}

// went_through: frames of every size, of which dumps must not lose the way.
[[gnu::noinline]] void went_through(int depth, const channel<int>& c) {
  auto* room = static_cast<char*>(__builtin_alloca(static_cast<std::size_t>(depth) * 100 + 16));
  room[0] = 0;
  if (depth > 0) {
    went_through(depth - 1, c);
  } else {
    receives_here(c);
  }
  keep(room);
}

// await_others: before what they use ends.
void await_others() {
  wait_until([] { return goroutine_count() == 1; });
}

json dump_json(bool sizes = false) {
  return json::parse(dump({.format = dump_format::json, .stack_sizes = sizes}));
}

// member_named: the group and the member of that name; null if there is none.
std::pair<json, json> member_named(const json& all, const std::string& name) {
  for (const auto& g : all["groups"]) {
    for (const auto& m : g["members"]) {
      if (m.value("name", "") == name) return {g, m};
    }
  }
  return {};
}

// functions: on the stack of a group, in one text.
std::string functions(const json& group) {
  std::string all;
  for (const auto& f : group["stack"]) all += f["function"].get<std::string>() + "\n";
  return all;
}

TEST(dump, shows_the_stack_of_who_waits) {
  in_weft([] {
    const channel<int> c(0);
    go({.name = "waits"}, [&] { went_through(3, c); });
    wait_until_parked(wait_reason::chan_receive, 1);
    const auto text = dump();
    EXPECT_THAT(text, ContainsRegex("goroutine [0-9]+ \"waits\" \\[chan receive\\]:\n  on 0x"));
    EXPECT_THAT(text, ContainsRegex("receives_here(.|\n)*went_through(.|\n)*went_through(.|\n)*"
                                    "went_through(.|\n)*created by (.|\n)*dump_test.cc:[0-9]+"));
    EXPECT_THAT(text, Not(HasSubstr("weft::sched::")));
    c.close();
    await_others();
  });
}

// Its closures have names that stay mangled.
template <class... Long>
void go_to_receive(const channel<int>& c) {
  go({.name = "waits"}, [&c] {
    receives_here(c);
    keep(&c);  // so that this one has a frame
  });
}

TEST(dump, knows_what_goroutines_began_with_by_long_names_too) {
  in_weft([] {
    const channel<int> c(0);
    using table = std::map<std::string, std::map<std::string, std::vector<std::string>>>;
    go_to_receive<table, std::pair<table, json>, std::map<table, json>, std::vector<json>>(c);
    wait_until_parked(wait_reason::chan_receive, 1);
    const auto all = functions(member_named(dump_json(), "waits").first);
    EXPECT_THAT(all, HasSubstr("receives_here"));
    EXPECT_THAT(all, Not(HasSubstr("invoke_")));
    c.close();
    await_others();
  });
}

TEST(dump, shows_the_callers_own_stack) {
  in_weft([] {
    const auto all = dump_json();
    ASSERT_EQ(all["groups"].size(), 1u);
    EXPECT_EQ(all["groups"][0]["state"], "running");
    EXPECT_THAT(functions(all["groups"][0]), HasSubstr("dump_json"));
  });
}

TEST(dump, says_on_which_thread_runs_who_has_no_stack_to_show) {
  std::atomic<int> thread{0};
  std::atomic<bool> over{false};
  weft::run(
      [&] {
        go({.name = "busy"}, [&] {
          thread = ::gettid();
          while (!over) {
          }
        });
        wait_until([&] { return thread != 0; });
        const auto [group, member] = member_named(dump_json(), "busy");
        EXPECT_EQ(group["state"], "running");
        EXPECT_EQ(member["thread"], thread.load());
        EXPECT_TRUE(group["stack"].empty());
        EXPECT_THAT(dump(), HasSubstr("\"busy\" [running]:\n  on thread " +
                                      std::to_string(thread.load()) + "\n  (no stack shown)\n"));
        over = true;
        await_others();
      },
      {.max_procs = 2});
}

TEST(dump, names_who_could_run) {
  weft::run(
      [] {
        if (sync_test::retaken()) GTEST_SKIP() << "whoever is ready runs at once";
        // Should the first of them run before the dump is done, the others cannot.
        std::atomic<bool> over = false;
        for (int i = 0; i < 8; ++i) {
          go({.name = "unborn"}, [&] {
            while (!over) {
            }
          });
        }
        const auto all = dump_json();
        over = true;
        const auto can_run =
            std::ranges::find(all["groups"], "runnable", [](const json& g) { return g["state"]; });
        ASSERT_NE(can_run, all["groups"].end());
        EXPECT_EQ((*can_run)["members"][0]["name"], "unborn");
        EXPECT_TRUE((*can_run)["stack"].empty());
        await_others();
      },
      {.max_procs = 1});
}

TEST(dump, names_who_holds_a_mutex) {
  in_weft([] {
    mutex m;
    wait_group done;
    const channel<int> c(0);
    done.go([&] {
      set_name("keeper");
      m.lock();
      receives_here(c);
      m.unlock();
    });
    wait_until_parked(wait_reason::chan_receive, 1);
    done.go([&] {
      set_name("locker");
      locks_here(m);
    });
    wait_until_parked(wait_reason::mutex_lock, 1);
    const auto all = dump_json();
    const auto [group, member] = member_named(all, "locker");
    EXPECT_EQ(group["state"], "sync.Mutex.Lock");
    EXPECT_EQ(member["holder"]["name"], "keeper");
    EXPECT_EQ(member["holder"]["number"], member_named(all, "keeper").second["number"]);
    EXPECT_THAT(functions(group), HasSubstr("locks_here"));
    EXPECT_THAT(dump(), ContainsRegex("on 0x[0-9a-f]+ held by goroutine [0-9]+ \"keeper\""));
    c.close();
    done.wait().value();
  });
}

TEST(dump, names_who_writes_under_a_rwmutex) {
  in_weft([] {
    rwmutex m;
    m.lock();
    go({.name = "reader"}, [&] {
      m.lock_shared();
      m.unlock_shared();
    });
    go({.name = "writer"}, [&] {
      m.lock();
      m.unlock();
    });
    wait_until_parked(wait_reason::rwmutex_rlock, 1);
    wait_until_parked(wait_reason::rwmutex_lock, 1);
    const auto all = dump_json();
    EXPECT_EQ(member_named(all, "reader").second["holder"]["number"], 1);
    EXPECT_EQ(member_named(all, "writer").second["holder"]["number"], 1);
    m.unlock();
    await_others();
  });
}

TEST(dump, says_when_a_mutex_is_held_by_no_goroutine) {
  mutex m;
  m.lock();
  weft::run([&] {
    go({.name = "locker"}, [&] { locks_here(m); });
    wait_until_parked(wait_reason::mutex_lock, 1);
    EXPECT_TRUE(member_named(dump_json(), "locker").second["holder"].is_null());
    EXPECT_THAT(dump(), HasSubstr(" held by a thread, or "));
  });
}

TEST(dump, puts_equal_stacks_together) {
  in_weft([] {
    const channel<int> c(0);
    for (int i = 0; i < 50; ++i) go([&] { receives_here(c); });
    for (int i = 0; i < 7; ++i) go([&] { went_through(2, c); });
    wait_until_parked(wait_reason::chan_receive, 57);
    const auto all = dump_json();
    EXPECT_EQ(all["goroutines"], 58);
    ASSERT_EQ(all["groups"].size(), 3u);
    EXPECT_EQ(all["groups"][0]["count"], 50);
    EXPECT_EQ(all["groups"][0]["members"].size(), 50u);
    EXPECT_EQ(all["groups"][1]["count"], 7);
    const auto text = dump();
    EXPECT_THAT(text, HasSubstr("58 goroutines of 3 kinds\n"));
    EXPECT_THAT(text, HasSubstr("\n50 goroutines [chan receive]:\n  goroutine "));
    c.close();
    await_others();
  });
}

TEST(dump, has_names_and_labels_of_any_bytes) {
  in_weft([] {
    const channel<int> c(0);
    go({.name = "quote\" \\ \n \xff \xe2\x82\xac"}, [&] {
      const label room("room", "lobby");
      const label user("us\"er", "\xc3\x28");
      receives_here(c);
    });
    wait_until_parked(wait_reason::chan_receive, 1);
    const auto all = dump_json();
    const auto [group, member] = member_named(all, "quote\" \\ \n \xef\xbf\xbd \xe2\x82\xac");
    ASSERT_FALSE(member.is_null()) << all;
    EXPECT_EQ(member["labels"]["room"], "lobby");
    EXPECT_EQ(member["labels"]["us\"er"], "\xef\xbf\xbd(");
    EXPECT_THAT(dump(), HasSubstr("{room: lobby, "));
    c.close();
    await_others();
  });
}

// every reason that a goroutine can be made to wait for here.
TEST(dump, knows_every_state_by_gos_name) {
  in_weft([] {
    const channel<int> c(0);
    const channel<int> full(0);
    wait_group never;
    never.add(1);
    const auto [ctx, cancel] = with_cancel(context::background());
    go([&] { receives_here(c); });
    go([&] { keep(&full), static_cast<void>(full.send(1)); });
    go([&] { never.wait().value(); });
    go([&] { static_cast<void>(sleep_for(1h, ctx)); });
    go([&] { select(recv(c, [](auto&&) {}), done(ctx, [] {})); });
    for (const auto reason : {wait_reason::chan_receive, wait_reason::chan_send,
                              wait_reason::wait_group, wait_reason::sleep, wait_reason::select})
      wait_until_parked(reason, 1);
    const auto text = dump();
    for (const char* state :
         {"[chan receive]", "[chan send]", "[sync.WaitGroup.Wait]", "[sleep]", "[select]"})
      EXPECT_THAT(text, HasSubstr(state));
    cancel();
    c.close();
    static_cast<void>(full.recv());
    never.done();
    await_others();
  });
}

TEST(dump, tells_how_much_of_their_stacks_goroutines_use) {
  in_weft([] {
    const channel<int> c(0);
    for (int i = 0; i < 3; ++i) {
      go([&] {
        std::array<char, 40'000> room{};
        keep(room.data());
        receives_here(c);
        keep(room.data());
      });
    }
    wait_until_parked(wait_reason::chan_receive, 3);
    const auto all = dump_json(true);
    ASSERT_EQ(all["stacks"].size(), 1u);
    EXPECT_EQ(all["stacks"][0]["count"], 3);
    if (WEFT_ASAN == 0) {  // with it frames are elsewhere
      EXPECT_GE(all["stacks"][0]["used_most"], 40'000);
    }
    EXPECT_GE(all["stacks"][0]["in_memory_most"].get<std::size_t>() + 4096,
              all["stacks"][0]["used_most"].get<std::size_t>());
    EXPECT_THAT(dump({.stack_sizes = true}), HasSubstr("most in memory"));
    c.close();
    await_others();
  });
}

TEST(dump, may_be_taken_from_a_plain_thread_and_without_a_runtime) {
  EXPECT_EQ(dump(), "0 goroutines\n");
  in_weft([] {
    std::string seen;
    std::thread t([&] { seen = dump(); });
    sync_test::join_from_goroutine(t);
    EXPECT_THAT(seen, HasSubstr("1 goroutine\n"));
    EXPECT_THAT(seen, HasSubstr("goroutine 1 ["));
  });
}

// Dumps while goroutines start, wait, wake and end; several at once.
TEST(dump, stands_beside_goroutines_that_come_and_go) {
  std::atomic<bool> over{false};
  weft::run(
      [&] {
        wait_group all;
        std::atomic<int> dumps{0};
        for (int i = 0; i < 2; ++i) {
          all.go([&] {
            while (!over) {
              const auto seen = dump_json();
              EXPECT_GE(seen["goroutines"], 1);
              ++dumps;
              yield();
            }
          });
        }
        std::thread beside([&] {
          while (!over) EXPECT_THAT(dump(), HasSubstr(" created by "));
        });
        for (int round = 0; round < scaled(200) || dumps < 4; ++round) {
          channel<int> c(0);
          mutex m;
          wait_group some;
          for (int i = 0; i < 20; ++i) {
            some.go([&, i] {
              const label mine("round", "some");
              went_through(i % 5, c);
              const std::scoped_lock hold(m);
            });
          }
          yield();
          c.close();
          some.wait().value();
        }
        over = true;
        all.wait().value();
        sync_test::join_from_goroutine(beside);
      },
      {.max_procs = 4});
}

TEST(dump_death, of_a_deadlock_has_the_stacks) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                const channel<int> c(0);
                mutex m;
                go([&] {
                  m.lock();
                  receives_here(c);
                });
                wait_until_parked(wait_reason::chan_receive, 1);
                locks_here(m);
              }),
              testing::ExitedWithCode(2),
              "all goroutines are asleep - deadlock!\n(.|\n)*goroutine 1 \\[sync.Mutex.Lock\\]:\n"
              "  on 0x[0-9a-f]+ held by goroutine 2\n(.|\n)*locks_here(.|\n)*receives_here");
}

TEST(dump_death, on_sigquit_has_the_stacks) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::main([] {
                const channel<int> c(0);
                go({.name = "waits"}, [&] { receives_here(c); });
                wait_until_parked(wait_reason::chan_receive, 1);
                std::raise(SIGQUIT);
                static_cast<void>(sleep_for(1min));
              }),
              testing::ExitedWithCode(2),
              "SIGQUIT: quit\n(.|\n)*\"waits\" \\[chan receive\\]:(.|\n)*receives_here");
}

TEST(dump_death, on_sigquit_to_a_child_ends_the_child_alone) {
  if (WEFT_TSAN != 0) GTEST_SKIP() << "ThreadSanitizer calls handlers later";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::main([] {
                const pid_t child = ::fork();
                if (child == 0) {
                  std::raise(SIGQUIT);
                  ::_exit(3);
                }
                int status = 0;
                if (::waitpid(child, &status, 0) != child) return 4;
                return WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT ? 7 : 5;
              }),
              testing::ExitedWithCode(7), "");
}

// threads_that_block: how many threads of this process block that signal.
int threads_that_block(int number) {
  int found = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      const auto mask = std::stoull(line.substr(7), nullptr, 16);
      found += static_cast<int>(mask >> (number - 1) & 1);
    }
  }
  return found;
}

TEST(dump_death, on_sigquit_comes_from_a_thread_that_takes_no_signals) {
  if (WEFT_TSAN != 0) GTEST_SKIP() << "ThreadSanitizer has a thread that takes none, too";
  const char* poller = std::getenv("WEFT_POLLER");
  if (poller != nullptr && std::string_view(poller) == "io_uring")
    GTEST_SKIP() << "the poller over io_uring has a thread that takes none, too";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::main([] {
                wait_until([] { return threads_that_block(SIGUSR1) == 1; });
                return threads_that_block(SIGSEGV) == 0 ? 7 : 5;
              }),
              testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace weft
