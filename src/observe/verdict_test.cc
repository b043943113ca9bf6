// What dumps say of those that wait.

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

#include <sys/mman.h>

#include <chrono>
#include <functional>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using sched::wait_reason;
using sync_test::wait_until;
using sync_test::wait_until_parked;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

// verdict_of: "proven: why" of the goroutine with that name; "" if it is unknown.
std::string verdict_of(const std::string& name) {
  const auto all = json::parse(dump({.format = dump_format::json}));
  for (const auto& g : all["groups"]) {
    for (const auto& m : g["members"]) {
      if (m.value("name", "") != name) continue;
      if (!m.contains("verdict")) return "";
      return m["verdict"].get<std::string>() + ": " + m["why"].get<std::string>();
    }
  }
  return "no goroutine " + name;
}

TEST(verdict, a_receiver_without_senders_is_proven) {
  weft::run([] {
    std::optional<sender<int>> s;
    {
      const channel<int> c(0);
      s.emplace(c);
      go({.name = "reader"}, [r = receiver<int>(c)] { r.recv(); });
    }
    wait_until_parked(wait_reason::chan_receive, 1);
    EXPECT_EQ(verdict_of("reader"), "");
    s.reset();
    EXPECT_EQ(verdict_of("reader"), "proven: the channel's last sender has gone");
    const auto text = dump();
    EXPECT_THAT(text, HasSubstr("2 goroutines, 1 proven to wait for ever\n"));
    EXPECT_THAT(text, ContainsRegex("\"reader\" \\[chan receive\\]:\n  on 0x[0-9a-f]+\n"
                                    "  proven: the channel's last sender has gone\n"));
  });
}

TEST(verdict, a_sender_without_receivers_is_suspect) {
  weft::run([] {
    for (int i = 0; i < 3; ++i) {
      const channel<int> c(0);
      go([s = sender<int>(c)] { s.send(1); });
    }
    wait_until_parked(wait_reason::chan_send, 3);
    const auto text = dump();
    EXPECT_THAT(text, HasSubstr("4 goroutines of 2 kinds, 3 suspect\n"));
    EXPECT_THAT(text, ContainsRegex("\\[chan send\\] on 0x[0-9a-f]+: suspect: the channel's last "
                                    "receiver has gone: only a close wakes it\n"));
  });
}

TEST(verdict, a_select_is_what_its_cases_are_together) {
  weft::run([] {
    const channel<int> kept(0);
    const auto of = [&](std::size_t nth, const std::function<void()>& f) {
      const auto name = "select " + std::to_string(nth);
      go({.name = name}, f);
      wait_until_parked(wait_reason::select, nth);
      return verdict_of(name);
    };
    const auto dead = [] { return receiver<int>(channel<int>(0)); };
    const auto alone = [] { return sender<int>(channel<int>(0)); };
    EXPECT_EQ(of(1, [&] { select(recv(dead()), recv(dead()), recv(channel<int>())); }),
              "proven: nobody has the other end of any of its channels");
    EXPECT_EQ(of(2, [&] { select(recv(dead()), send(alone(), 1)); }),
              "suspect: nobody has the other ends: only a close wakes it");
    EXPECT_EQ(of(3, [&] { select(recv(dead()), recv(kept)); }), "");
    EXPECT_EQ(of(4, [&] { select(recv(dead()), after(1h, [] {})); }), "");
    const auto [ctx, cancel] = with_cancel({});
    EXPECT_EQ(of(5, [&] { select(recv(dead()), done(ctx)); }), "");
  });
}

TEST(verdict, who_waits_for_nothing_is_proven) {
  weft::run([] {
    go({.name = "nil"}, [] { channel<int>().recv(); });
    go({.name = "nothing"}, [] { select(); });
    wait_until_parked(wait_reason::chan_receive_nil, 1);
    wait_until_parked(wait_reason::select_no_cases, 1);
    EXPECT_EQ(verdict_of("nil"), "proven: it waits for a nil channel");
    EXPECT_EQ(verdict_of("nothing"), "proven: it waits for nothing");
  });
}

TEST(verdict, who_ended_with_a_lock_makes_waiters_suspect) {
  static mutex m;
  weft::run([] {
    const channel<int> start(0);
    // It is there before: it might have the record of the one that has ended.
    go({.name = "locker"}, [start] {
      start.recv();
      m.lock();
    });
    go([] { m.lock(); });
    wait_until([] { return goroutine_count() == 2; });
    start.send(1);
    wait_until_parked(wait_reason::mutex_lock, 1);
    EXPECT_EQ(verdict_of("locker"), "suspect: who has locked it has ended");
    EXPECT_THAT(dump(), HasSubstr(" held by a goroutine that has ended\n"));
  });
}

TEST(verdict, who_waits_for_one_that_will_not_go_on_is_suspect) {
  static mutex first;
  static rwmutex second;
  weft::run([] {
    go({.name = "stuck"}, [] {
      first.lock();
      channel<int>().recv();
    });
    wait_until_parked(wait_reason::chan_receive_nil, 1);
    go({.name = "next"}, [] {
      second.lock();
      first.lock();
    });
    wait_until_parked(wait_reason::mutex_lock, 1);
    go({.name = "last"}, [] { second.lock_shared(); });
    wait_until_parked(wait_reason::rwmutex_rlock, 1);
    const auto expected = "suspect: who has locked it seems never to go on";
    EXPECT_EQ(verdict_of("next"), expected);
    EXPECT_EQ(verdict_of("last"), expected);
  });
}

// What a goroutine that will be dropped waits for may have been main's, and be gone.
template <class Mutex>
void is_not_looked_into(wait_reason reason) {
  weft::run([reason] {
    constexpr std::size_t page = 4096;
    void* memory =
        ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    auto* m = new (memory) Mutex;
    m->lock();
    go({.name = "locker"}, [m] { m->lock(); });
    wait_until_parked(reason, 1);
    m->~Mutex();
    ::munmap(memory, page);
    EXPECT_EQ(verdict_of("locker"), "");
  });
}

TEST(verdict, a_lock_that_is_gone_is_not_looked_into) {
  is_not_looked_into<mutex>(wait_reason::mutex_lock);
  is_not_looked_into<rwmutex>(wait_reason::rwmutex_lock);
}

TEST(verdict, whose_holder_may_go_on_is_unknown) {
  static mutex m;
  weft::run([] {
    go({.name = "sleeper"}, [] {
      m.lock();
      static_cast<void>(channel<int>().recv(1h));
    });
    wait_until_parked(wait_reason::chan_receive_nil, 1);
    go({.name = "locker"}, [] { m.lock(); });
    wait_until_parked(wait_reason::mutex_lock, 1);
    EXPECT_EQ(verdict_of("sleeper"), "");
    EXPECT_EQ(verdict_of("locker"), "");
    EXPECT_THAT(dump(), Not(HasSubstr("suspect")));
  });
}

}  // namespace
}  // namespace weft
