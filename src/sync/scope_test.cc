#include <weft/channel.h>
#include <weft/scope.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "arch/test_loading.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

struct mine : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// text_thrown: the text of the `mine` that leaves f, or "".
template <class F>
std::string text_thrown(F&& f) {
  try {
    f();
  } catch (const mine& e) {
    return e.what();
  }
  return "";
}

TEST(scope, ends_after_its_goroutines) {
  in_weft([] {
    int results[50] = {};
    {
      scope s;
      for (int i = 0; i < 50; ++i) {
        s.go([&results, i] {
          weft::yield();
          results[i] = 1;
        });
      }
    }
    for (const int r : results) EXPECT_EQ(r, 1);
  });
}

TEST(scope, works_on_a_plain_thread) {
  in_weft([] {
    std::atomic<int> ran{0};
    std::thread outside([&] {
      scope s;
      for (int i = 0; i < 20; ++i) s.go([&] { ++ran; });
      s.join();
      EXPECT_EQ(ran, 20);
      EXPECT_EQ(text_thrown([&] {
                  scope failing;
                  failing.go([] { throw mine("out there"); });
                }),
                "out there");
    });
    join_from_goroutine(outside);
  });
}

TEST(scope, the_first_failure_is_rethrown_and_stops_the_others) {
  in_weft([] {
    std::atomic<int> stopped{0};
    EXPECT_EQ(text_thrown([&] {
                scope s;
                for (int i = 0; i < 5; ++i) {
                  s.go([&] {
                    if (channel<int>(0).recv(s.context()).error() == errc::cancelled) ++stopped;
                  });
                }
                s.go([] {
                  wait_until_parked(wait_reason::chan_receive, 5);
                  throw mine("first");
                });
              }),
              "first");
    EXPECT_EQ(stopped, 5);
  });
}

TEST(scope, later_failures_are_dropped) {
  in_weft([] {
    EXPECT_EQ(text_thrown([&] {
                scope s;
                s.go([&] {
                  static_cast<void>(s.context().wait());
                  throw mine("second");
                });
                s.go([] { throw mine("first"); });
              }),
              "first");
  });
}

TEST(scope, join_rethrows_once) {
  in_weft([] {
    scope s;
    s.go([] { throw mine("once"); });
    EXPECT_EQ(text_thrown([&] { s.join(); }), "once");
    s.join();
    EXPECT_TRUE(s.context().done());
  });
}

TEST(scope, a_join_that_its_limit_ends_throws_nothing) {
  in_weft([] {
    channel<int> leave(0);
    scope s;
    s.go([&] { static_cast<void>(s.context().wait()); });
    s.go([] { throw mine("later"); });
    s.go([&] { static_cast<void>(leave.recv()); });
    EXPECT_EQ(s.join(1ms).error(), errc::timeout);
    leave.close();
    EXPECT_EQ(text_thrown([&] { static_cast<void>(s.join(1h)); }), "later");
    EXPECT_TRUE(s.join(1h));
  });
}

TEST(scope, nested_scopes_fail_from_the_inside_out) {
  in_weft([] {
    std::atomic<int> stopped{0};
    EXPECT_EQ(text_thrown([&] {
                scope outer;
                outer.go([&] {
                  scope inner;
                  inner.go([&] {
                    static_cast<void>(inner.context().wait());
                    ++stopped;
                  });
                  inner.go([] { throw mine("inner"); });
                });
                outer.go([&] {
                  static_cast<void>(outer.context().wait());
                  ++stopped;
                });
              }),
              "inner");
    EXPECT_EQ(stopped, 2);
  });
}

TEST(scope, a_function_that_throws_when_copied_is_not_counted) {
  in_weft([] {
    struct throws_when_copied {
      throws_when_copied() = default;
      throws_when_copied(const throws_when_copied&) { throw mine("no copy"); }
      void operator()() const {}
    };
    const throws_when_copied f;
    scope s;
    EXPECT_EQ(text_thrown([&] { s.go(f); }), "no copy");
    EXPECT_TRUE(s.join());
    wait_group g;
    EXPECT_EQ(text_thrown([&] { g.go(f); }), "no copy");
    EXPECT_TRUE(g.wait());
  });
}

TEST(scope, a_goroutine_that_it_did_not_start_only_inherits_its_context) {
  in_weft([] {
    context seen;
    channel<int> started(0);
    channel<int> ended(0);
    {
      scope s;
      s.go([&] {
        go([&, started, ended] {
          seen = context::current();
          started.send(1);
          EXPECT_TRUE(seen.wait());
          ended.send(1);
        });
      });
      EXPECT_TRUE(started.recv());
      EXPECT_FALSE(seen.done());
    }
    EXPECT_TRUE(seen.done());
    EXPECT_TRUE(ended.recv());
  });
}

TEST(scope, without_a_runtime_starts_nothing_and_ends) {
  on_thread([] {
    scope s;
    EXPECT_THROW(s.go([] {}), misuse_error);
    EXPECT_TRUE(s.join());
  });
}

TEST(scope, the_exception_of_the_block_wins) {
  in_weft([] {
    std::atomic<bool> stopped{false};
    EXPECT_EQ(text_thrown([&] {
                scope s;
                s.go([&] {
                  static_cast<void>(s.context().wait());
                  stopped = true;
                  throw mine("the goroutine's");
                });
                throw mine("the block's");
              }),
              "the block's");
    EXPECT_TRUE(stopped);
  });
}

TEST(scope, may_be_used_while_an_exception_unwinds) {
  in_weft([] {
    struct cleans_up {
      ~cleans_up() {
        EXPECT_EQ(text_thrown([] {
                    scope s;
                    s.go([] { throw mine("inner"); });
                  }),
                  "inner");
      }
    };
    EXPECT_EQ(text_thrown([] {
                const cleans_up c;
                throw mine("outer");
              }),
              "outer");
  });
}

TEST(scope, its_goroutines_may_start_more_while_it_is_joined) {
  in_weft([] {
    std::atomic<int> ran{0};
    {
      scope s;
      s.go([&] {
        wait_until_parked(wait_reason::scope_join, 1);
        for (int i = 0; i < 10; ++i) {
          s.go([&] {
            ++ran;
            s.go([&] { ++ran; });
          });
        }
      });
    }
    EXPECT_EQ(ran, 20);
  });
}

TEST(scope, its_goroutines_and_theirs_inherit_its_context) {
  in_weft([] {
    EXPECT_EQ(context::current(), context());
    scope s;
    channel<int> all(3);
    s.go([&] {
      EXPECT_EQ(context::current(), s.context());
      go([&, all] {
        EXPECT_TRUE(context::current().wait());
        all.send(1);
      });
      s.go([&] {
        const scope inner;
        EXPECT_NE(inner.context(), s.context());
        EXPECT_TRUE(inner.context().wait());
        all.send(1);
      });
      all.send(1);
    });
    EXPECT_EQ(context::current(), context());
    s.cancel();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(all.recv());
  });
}

TEST(scope, ends_with_the_context_it_was_given) {
  in_weft([] {
    auto [ctx, cancel] = with_cancel({});
    scope s(ctx);
    s.go([&] { EXPECT_EQ(sleep_for(1h, s.context()).error(), errc::cancelled); });
    wait_until_parked(wait_reason::sleep, 1);
    EXPECT_EQ(s.wait(1ms).error(), errc::timeout);
    cancel();
    EXPECT_TRUE(s.wait());
    EXPECT_FALSE(context::current().done());
  });
}

TEST(scope, what_a_function_holds_is_gone_when_it_is_joined) {
  in_weft([] {
    const auto shared = std::make_shared<int>(1);
    {
      scope s;
      for (int i = 0; i < 20; ++i) s.go({.name = "holder"}, [shared] { weft::yield(); });
    }
    EXPECT_EQ(shared.use_count(), 1);
  });
}

TEST(scope, many_scopes_with_failures_leave_nothing_behind) {
  in_weft([] {
    for (int i = 0; i < scaled(1000); ++i) {
      const auto text = text_thrown([i] {
        scope outer;
        for (int n = 0; n < 4; ++n) {
          outer.go([i, n] {
            scope inner;
            inner.go([i, n] {
              weft::yield();
              if ((i + n) % 3 == 0) throw mine("deep");
            });
            static_cast<void>(inner.context().wait(1us));
          });
        }
      });
      EXPECT_EQ(text, "deep");
    }
  });
}

// -- children that return errors --

TEST(scope_error, a_child_that_returns_one_has_failed) {
  in_weft([] {
    std::atomic<bool> stopped{false};
    scope s;
    s.go([&] {
      static_cast<void>(s.context().wait());
      stopped = true;
    });
    s.go([]() -> result<int> { return std::unexpected(error(errc::no_such_host, "child")); });
    const auto joined = s.join();
    EXPECT_EQ(joined.error(), errc::no_such_host);
    EXPECT_STREQ(joined.error().op(), "child");
    EXPECT_TRUE(stopped);
    EXPECT_TRUE(s.join());
  });
}

TEST(scope_error, is_why_the_context_is_done) {
  in_weft([] {
    scope s;
    s.go([]() -> result<void> { return std::unexpected(error(errc::eof, "child")); });
    s.context().wait().value();
    EXPECT_EQ(s.context().cause()->op(), std::string("child"));
    EXPECT_FALSE(s.join());
  });
}

TEST(scope_error, the_destructor_throws_what_nobody_joined_for) {
  in_weft([] {
    EXPECT_THROW(
        {
          scope s;
          s.go([]() -> std::expected<void, std::error_code> {
            return std::unexpected(std::make_error_code(std::errc::io_error));
          });
        },
        scope_error);
    EXPECT_THROW(
        {
          scope s;
          s.go([]() -> std::expected<void, std::string> { return std::unexpected("text"); });
        },
        std::bad_expected_access<std::string>);
  });
}

// -- tasks --

TEST(task, gives_what_its_goroutine_returned_once) {
  in_weft([] {
    scope s;
    auto number = s.spawn([] { return 7; });
    auto nothing = s.spawn([] {});
    auto owned = s.spawn([] { return std::make_unique<int>(8); });
    EXPECT_EQ(number.get().value(), 7);
    EXPECT_TRUE(nothing.get());
    EXPECT_EQ(*owned.get().value(), 8);
    EXPECT_THROW(static_cast<void>(number.get()), misuse_error);
  });
}

TEST(task, a_limit_ends_the_wait_and_takes_nothing) {
  in_weft([] {
    channel<int> leave(0);
    scope s;
    auto slow = s.spawn([&] { return leave.recv().value(); });
    EXPECT_EQ(slow.get(1ms).error(), errc::timeout);
    leave.send(5);
    EXPECT_EQ(slow.get().value(), 5);
  });
}

TEST(task, fails_its_scope_and_rethrows) {
  in_weft([] {
    scope s;
    auto bad = s.spawn([]() -> int { throw mine("bad"); });
    EXPECT_EQ(text_thrown([&] { static_cast<void>(bad.get()); }), "bad");
    EXPECT_EQ(text_thrown([&] { static_cast<void>(s.join()); }), "bad");

    scope t;
    auto refused = t.spawn([]() -> result<int> { return std::unexpected(error(errc::eof)); });
    EXPECT_EQ(refused.get().value().error(), errc::eof);
    EXPECT_EQ(t.join().error(), errc::eof);
  });
}

TEST(task, outlives_its_scope) {
  in_weft([] {
    auto later = [] {
      scope s;
      return s.spawn([] { return 9; });
    }();
    EXPECT_EQ(later.get().value(), 9);
  });
}

// -- deadlines, values, shields --

TEST(scope, is_done_at_its_deadline) {
  in_weft([] {
    scope s(1ms);
    s.go([] {
      EXPECT_TRUE(context::current().wait());
      EXPECT_EQ(context::current().err(), errc::timeout);
    });
  });
}

TEST(scope, its_goroutines_see_the_values_of_its_context) {
  in_weft([] {
    static const context_key<int> key;
    scope s(with_value(context(), key, 4));
    s.go([] {
      EXPECT_EQ(*context::current().value(key), 4);
      scope inner;
      inner.go([] { EXPECT_EQ(*context::current().value(key), 4); });
    });
  });
}

TEST(shield, keeps_a_cancellation_out_while_it_stands) {
  in_weft([] {
    static const context_key<int> key;
    scope s(with_value(context(), key, 4));
    s.go([&] {
      s.cancel();
      const auto before = context::current();
      {
        const shield clean_up;
        EXPECT_FALSE(context::current().done());
        EXPECT_EQ(*context::current().value(key), 4);
        scope inner;
        inner.go([] { EXPECT_FALSE(context::current().done()); });
      }
      EXPECT_EQ(context::current(), before);
      EXPECT_TRUE(context::current().done());
    });
  });
  on_thread([] { const shield nothing; });
}

// -- traces --

[[gnu::noinline]] void throw_from_here() { throw mine("traced"); }

// passes_through: whether a frame of `trace` lies in `function`, which is short.
bool passes_through(const std::string& trace, void (*function)()) {
  const auto begin = reinterpret_cast<std::uintptr_t>(function);
  for (std::size_t at = trace.find("[0x"); at != std::string::npos;
       at = trace.find("[0x", at + 1)) {
    const auto frame = std::stoull(trace.substr(at + 1), nullptr, 16);
    if (frame > begin && frame < begin + 1000) return true;
  }
  return false;
}

TEST(scope_trace, tells_where_the_exception_was_thrown_and_by_whom) {
  in_weft([] {
    scope s;
    EXPECT_EQ(s.failure_trace(), "");
    s.go({.name = "thrower"}, [] { throw_from_here(); });
    EXPECT_EQ(text_thrown([&] { static_cast<void>(s.join()); }), "traced");
    const auto trace = s.failure_trace();
    EXPECT_NE(trace.find("\"thrower\" [failed]:"), std::string::npos) << trace;
    EXPECT_TRUE(passes_through(trace, throw_from_here)) << trace;
    EXPECT_NE(trace.find("scope_test.cc"), std::string::npos) << trace;
  });
}

TEST(scope_trace, is_the_first_one_through_nested_scopes) {
  in_weft([] {
    scope outer;
    outer.go({.name = "middle"}, [] {
      try {
        throw mine("caught, and not noted");
      } catch (const mine&) {
      }
      scope inner;
      inner.go({.name = "deep"}, [] { throw_from_here(); });
    });
    EXPECT_EQ(text_thrown([&] { static_cast<void>(outer.join()); }), "traced");
    const auto trace = outer.failure_trace();
    EXPECT_NE(trace.find("\"deep\""), std::string::npos) << trace;
    EXPECT_TRUE(passes_through(trace, throw_from_here)) << trace;
  });
}

TEST(scope_trace, of_an_error_is_empty) {
  in_weft([] {
    scope s;
    s.go([]() -> result<void> { return std::unexpected(error(errc::eof)); });
    EXPECT_EQ(s.join().error(), errc::eof);
    EXPECT_EQ(s.failure_trace(), "");
  });
}

TEST(scope_trace, waits_for_nobody_who_loads_a_library) {
  in_weft([] {
    scope s;
    s.go([] { throw_from_here(); });
    EXPECT_EQ(text_thrown([&] { static_cast<void>(s.join()); }), "traced");
    have_spare_machines();
    const arch_test::loading now;
    EXPECT_TRUE(passes_through(s.failure_trace(), throw_from_here)) << s.failure_trace();
  });
}

// loads: as it is told, and no earlier: to start a thread waits for the linker, too.
struct loads : std::exception {
  [[nodiscard]] const char* what() const noexcept override {
    static const arch_test::loading now;
    return "traced";
  }
};

TEST(scope_trace_death, a_panic_waits_for_nobody_who_loads_a_library) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                scope s;
                s.go({.name = "thrower"}, [] { throw loads(); });
              }),
              testing::ExitedWithCode(2),
              "panic: traced\n\ngoroutine 1 .running.:\n.*\\(\\+0x[0-9a-f]+\\) .0x(.|\n)*"
              "\"thrower\" .failed.:\n.*\\(\\+0x[0-9a-f]+\\) .0x");
}

TEST(scope_trace_death, a_panic_shows_the_childs_stack) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                scope s;
                s.go({.name = "thrower"}, [] { throw_from_here(); });
              }),
              testing::ExitedWithCode(2),
              "panic: traced(.|\n)*goroutine 1 (.|\n)*from goroutine [0-9]+ \"thrower\" .failed.");
}

}  // namespace
}  // namespace weft
