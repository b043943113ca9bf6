#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/context.h>
#include <weft/error.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/test.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace weft::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

outcome with_seed(int seed, const std::function<void()>& f) {
  return simulate(f, {.schedule = "random:" + std::to_string(seed)});
}

// crowd: a bit of everything.
void crowd() {
  const channel<int> numbers(2);
  mutex m;
  int sum = 0;
  wait_group all;
  for (int i = 0; i < 4; ++i) {
    all.go([&, i] {
      for (int j = 0; j < 5; ++j) {
        numbers.send(i * j);
        static_cast<void>(sleep_for(std::chrono::milliseconds(i)));
      }
    });
    all.go([&] {
      for (int j = 0; j < 5; ++j) {
        const auto n = numbers.recv();
        const std::scoped_lock hold(m);
        sum += n.value();
      }
    });
  }
  all.wait().value();
}

TEST(simulate, one_seed_is_one_schedule) {
  std::set<std::uint64_t> hashes;
  for (int i = 0; i < 100; ++i) {
    const auto o = with_seed(7, crowd);
    ASSERT_TRUE(o.ok()) << o.text();
    hashes.insert(o.trace_hash);
  }
  EXPECT_EQ(hashes.size(), 1U);
}

TEST(simulate, other_seeds_are_other_schedules) {
  std::set<std::uint64_t> hashes;
  for (int i = 0; i < 100; ++i) hashes.insert(with_seed(i, crowd).trace_hash);
  EXPECT_GT(hashes.size(), 95U);
}

TEST(simulate, select_and_its_order_are_part_of_it) {
  const auto choices = [](int seed) {
    std::string said;
    const auto o = with_seed(seed, [&] {
      const channel<int> a(20);
      const channel<int> b(20);
      for (int i = 0; i < 20; ++i) {
        a.send(i);
        b.send(i);
      }
      for (int i = 0; i < 20; ++i) {
        select(recv(a, [&](auto) { said += 'a'; }), recv(b, [&](auto) { said += 'b'; }));
      }
    });
    EXPECT_TRUE(o.ok()) << o.text();
    return said;
  };
  EXPECT_EQ(choices(3), choices(3));
  EXPECT_NE(choices(3), choices(4));
}

TEST(simulate, time_moves_when_all_wait) {
  const auto before = std::chrono::steady_clock::now();
  limit::clock::duration slept{};
  const auto o = with_seed(1, [&] {
    const auto start = now();
    static_cast<void>(sleep_for(1h));
    slept = now() - start;
  });
  EXPECT_TRUE(o.ok()) << o.text();
  EXPECT_EQ(slept, 1h);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1h);
}

TEST(simulate, a_timer_may_be_due_while_others_can_go_on) {
  std::set<bool> timeouts;
  for (int seed = 0; seed < 200; ++seed) {
    const auto o = with_seed(seed, [&] {
      const channel<int> c(0);
      go([c] {
        for (int i = 0; i < 10; ++i) yield();
        static_cast<void>(c.send(1, 1s));
      });
      timeouts.insert(!c.recv(1ms).has_value());
    });
    EXPECT_TRUE(o.ok()) << o.text();
  }
  EXPECT_EQ(timeouts.size(), 2U);
}

TEST(simulate, deadlock_names_who_waits) {
  const auto o = with_seed(1, [] {
    mutex a;
    mutex b;
    a.lock();
    go({.name = "other"}, [&] {
      const std::scoped_lock first(b);
      const std::scoped_lock second(a);
    });
    while (b.try_lock()) {
      b.unlock();
      yield();
    }
    b.lock();
  });
  EXPECT_EQ(o.what, verdict::deadlocked);
  EXPECT_THAT(o.why, HasSubstr("goroutine 1 \"main\" [sync.Mutex.Lock]"));
  EXPECT_THAT(o.why, HasSubstr("\"other\" [sync.Mutex.Lock]"));
}

TEST(simulate, leak_names_who_is_left) {
  const auto o = with_seed(1, [] {
    const channel<int> c(0);
    go({.name = "sender"}, [c] { c.send(1); });
    go({.name = "sleeper"}, [] { static_cast<void>(sleep_for(10s)); });
  });
  EXPECT_EQ(o.what, verdict::leaked);
  EXPECT_THAT(o.why, HasSubstr("\"sender\" [chan send]"));
  EXPECT_THAT(o.why, testing::Not(HasSubstr("sleeper")));
  EXPECT_THAT(o.why, testing::Not(HasSubstr("\"main\"")));
}

TEST(simulate, exceptions_fail) {
  const auto in_main = with_seed(1, [] { throw std::runtime_error("no bread"); });
  EXPECT_EQ(in_main.what, verdict::failed);
  EXPECT_EQ(in_main.why, "no bread");
  const auto in_child = with_seed(1, [] {
    const channel<int> c(0);
    go({.name = "baker"}, [] { throw std::runtime_error("no flour"); });
    c.recv();
  });
  EXPECT_EQ(in_child.what, verdict::failed);
  EXPECT_THAT(in_child.why, HasSubstr("\"baker\": no flour"));
}

TEST(simulate, what_does_not_end_is_ended) {
  const auto o = simulate(
      [] {
        go([] {
          for (;;) yield();
        });
        for (;;) yield();
      },
      {.steps_max = 1000});
  EXPECT_EQ(o.what, verdict::endless);
}

TEST(simulate, wait_returns_when_all_others_wait) {
  const auto o = with_seed(5, [] {
    const channel<int> c(0);
    int stage = 0;
    go([&] {
      stage = 1;
      c.recv();
      stage = 2;
      static_cast<void>(sleep_for(1s));
      stage = 3;
    });
    wait();
    if (stage != 1) throw std::runtime_error("not at the channel");
    c.send(1);
    wait();
    if (stage != 2) throw std::runtime_error("not asleep");
    static_cast<void>(sleep_for(1s));
    wait();
    if (stage != 3) throw std::runtime_error("not at the end");
  });
  EXPECT_TRUE(o.ok()) << o.text();
}

TEST(simulate, contexts_and_scopes_have_its_time) {
  const auto o = with_seed(2, [] {
    const auto start = now();
    scope s(5s);
    s.go([&] { static_cast<void>(sleep_for(1h, s.context())); });
    static_cast<void>(s.join());
    if (now() - start != 5s) throw std::runtime_error("not after 5 s");
  });
  EXPECT_TRUE(o.ok()) << o.text();
}

TEST(simulate, exact_decides_nothing) {
  std::string order;
  const auto o = simulate(
      [&] {
        for (const char c : {'a', 'b', 'c'}) {
          go([&order, c] {
            order += c;
            yield();
            order += c;
          });
        }
        static_cast<void>(sleep_for(1s));
      },
      {.schedule = "exact:"});
  EXPECT_TRUE(o.ok()) << o.text();
  EXPECT_EQ(order, "abcabc");
}

// -- WEFT_SEED --

TEST(seeded_probe, crowd) {
  weft::run([] {
    for (int i = 0; i < 5; ++i) crowd();
  });
}

std::string report_of(const std::string& seed) {
  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  FILE* pipe = ::popen(("WEFT_REPORT=1 WEFT_SEED=" + seed + " " + self +
                        " --gtest_filter=seeded_probe.* 2>&1 >/dev/null")
                           .c_str(),
                       "r");
  EXPECT_NE(pipe, nullptr);
  std::string said;
  std::array<char, 512> chunk{};
  while (const std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe))
    said.append(chunk.data(), n);
  ::pclose(pipe);
  return said;
}

TEST(seed, is_one_schedule_of_a_program_wherever_its_memory_lies) {
  const auto first = report_of("7");
  EXPECT_THAT(first, HasSubstr("decisions, hash"));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(report_of("7"), first);
  EXPECT_NE(report_of("8"), first);
}

TEST(seed, must_be_a_number) {
  for (const char* bad : {"x", "-1", "1x", "99999999999999999999"})
    EXPECT_THAT(report_of(bad), HasSubstr("WEFT_SEED: want a number")) << bad;
}

TEST(simulate, misuse_is_told) {
  weft::run([] { EXPECT_THROW(static_cast<void>(simulate([] {})), misuse_error); });
  EXPECT_THROW(wait(), misuse_error);
  for (const char* bad : {"", "random", "random:x", "pct:1", "exact:1.x", "luck:1"})
    EXPECT_THROW(static_cast<void>(simulate([] {}, {.schedule = bad})), std::invalid_argument)
        << bad;
}

TEST(simulate, many_one_after_the_other_leave_nothing) {
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(with_seed(i, crowd).ok());
}

// -- explore --

// lost_update: a check and an act, with an operation in between.
void lost_update() {
  mutex m;
  int balance = 1;
  wait_group both;
  for (int i = 0; i < 2; ++i) {
    both.go([&] {
      bool enough = false;
      {
        const std::scoped_lock hold(m);
        enough = balance >= 1;
      }
      if (!enough) return;
      const std::scoped_lock hold(m);
      --balance;
    });
  }
  both.wait().value();
  if (balance < 0) throw std::runtime_error("overdrawn");
}

TEST(explore, finds_what_needs_a_certain_order) {
  const auto found = explore(lost_update);
  EXPECT_EQ(found.what, verdict::failed) << found.text();
  EXPECT_EQ(found.why, "overdrawn");
  EXPECT_THAT(found.trace, HasSubstr("goes on"));
  const auto again = simulate(lost_update, {.schedule = found.schedule});
  EXPECT_EQ(again.what, verdict::failed);
  EXPECT_EQ(again.trace_hash, found.trace_hash);
}

TEST(explore, finds_a_lock_order) {
  const auto found = explore([] {
    mutex a;
    mutex b;
    wait_group both;
    both.go([&] {
      const std::scoped_lock first(a);
      const std::scoped_lock second(b);
    });
    both.go([&] {
      const std::scoped_lock first(b);
      const std::scoped_lock second(a);
    });
    both.wait().value();
  });
  EXPECT_EQ(found.what, verdict::deadlocked) << found.text();
}

TEST(explore, finds_nothing_where_nothing_is) {
  const auto none = explore(crowd, {.schedules = 300});
  EXPECT_TRUE(none.ok()) << none.text();
  EXPECT_EQ(none.schedules, 300U);
}

}  // namespace
}  // namespace weft::test
