#include <cxxabi.h>
#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/error_group.h>
#include <weft/goroutine.h>
#include <weft/once.h>
#include <weft/scope.h>
#include <weft/singleflight.h>
#include <weft/wait_group.h>

#include <ostream>
#include <streambuf>
#include <string>
#include <thread>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using sync_test::in_weft;
using sync_test::on_thread;
using sync_test::scaled;

// note: says when it is destroyed.
struct note {
  std::string& to;
  char what;
  ~note() { to += what; }
};

TEST(goexit, destructors_run_the_youngest_first_and_nothing_follows) {
  std::string said;
  in_weft([&] {
    wait_group all;
    all.go([&] {
      const note outer{said, 'a'};
      [&] {
        const note inner{said, 'b'};
        goexit();
      }();
      said += '!';
    });
    all.wait().value();
  });
  EXPECT_EQ(said, "ba");
}

TEST(goexit, destructors_may_wait_and_go_on_elsewhere) {
  in_weft([] {
    channel<int> met(0);
    wait_group all;
    for (int i = 0; i < scaled(200); ++i) {
      all.go([met] {
        struct sender {
          channel<int> to;
          ~sender() {
            yield();
            to.send(1);
          }
        } const at_end{met};
        const sender again{met};
        goexit();
      });
    }
    int n = 0;
    for (int i = 0; i < 2 * scaled(200); ++i) n += met.recv().value();
    all.wait().value();
    EXPECT_EQ(n, 2 * scaled(200));
  });
}

TEST(goexit, what_the_goroutine_held_is_destroyed) {
  auto held = std::make_shared<int>(1);
  in_weft([&] { go([held] { goexit(); }); });
  EXPECT_EQ(held.use_count(), 1);
}

__attribute__((no_sanitize("null"))) void exit_through_handlers(std::string& said) {
  const note last{said, '.'};
  try {
    try {
      goexit();
    } catch (const std::exception&) {
      said += '!';
    } catch (abi::__forced_unwind&) {
      said += 'f';
      throw;
    }
  } catch (...) {
    said += 'c';
    throw;
  }
}

TEST(goexit, passes_handlers_that_rethrow_and_those_of_other_types) {
  std::string said;
  in_weft([&] {
    wait_group all;
    all.go([&] { exit_through_handlers(said); });
    all.wait().value();
  });
  EXPECT_EQ(said, "fc.");
}

TEST(goexit, works_inside_a_catch_block) {
  int after = 0;
  in_weft([&] {
    wait_group all;
    all.go([] {
      try {
        throw std::runtime_error("first");
      } catch (const std::exception&) {
        goexit();
      }
    });
    all.wait().value();
    try {
      throw 7;
    } catch (int n) {
      after = n;
    }
  });
  EXPECT_EQ(after, 7);
}

// leaving_buffer: a stream's buffer whose owner leaves in the middle.
struct leaving_buffer : std::streambuf {
  int_type overflow(int_type) override { goexit(); }
};

TEST(goexit, passes_through_streams_which_stop_exceptions) {
  std::string said;
  in_weft([&] {
    wait_group all;
    all.go([&] {
      const note last{said, '.'};
      leaving_buffer buffer;
      std::ostream out(&buffer);
      out << 12;
      said += '!';
    });
    all.wait().value();
  });
  EXPECT_EQ(said, ".");
}

TEST(goexit, in_a_scope_counts_as_ended_not_failed) {
  in_weft([] {
    scope both;
    channel<int> go_on(0);
    bool cancelled = true;
    both.go([&] {
      go_on.recv().value();
      cancelled = both.context().done();
    });
    wait_group left;
    left.go([&] {
      scope inner;
      inner.go([] { goexit(); });
      EXPECT_TRUE(inner.join());
      EXPECT_FALSE(inner.context().done());
    });
    left.wait().value();
    both.go([] { goexit(); });
    go_on.send(1);
    EXPECT_TRUE(both.join());
    EXPECT_FALSE(cancelled);
  });
}

TEST(goexit, ten_thousand_leave_nothing_behind) {
  in_weft([] {
    wait_group all;
    for (int i = 0; i < scaled(10'000); ++i) all.go([] { goexit(); });
    all.wait().value();
  });
}

TEST(goexit, on_a_plain_thread_ends_the_thread) {
  std::string said;
  on_thread([&] {
    const note last{said, '.'};
    goexit();
    said += '!';
  });
  EXPECT_EQ(said, ".");
}

TEST(goexit, of_main_lets_the_others_go_on) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                go([] {
                  for (int i = 0; i < 100; ++i) yield();
                  std::_Exit(7);
                });
                goexit();
              }),
              testing::ExitedWithCode(7), "");
}

TEST(goexit, of_main_with_nobody_left_dies_with_gos_text) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                go([] { yield(); });
                goexit();
              }),
              testing::ExitedWithCode(2),
              "fatal error: no goroutines \\(main called runtime.Goexit\\) - deadlock!");
}

TEST(goexit, of_main_with_sleepers_left_is_the_ordinary_deadlock) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                go([] { static_cast<void>(channel<int>(0).recv()); });
                goexit();
              }),
              testing::ExitedWithCode(2), "fatal error: all goroutines are asleep - deadlock!");
}

TEST(goexit, within_a_once_is_told_to_those_who_call_later) {
  in_weft([&] {
    once_func func([] { goexit(); });
    once_value value([]() -> int { goexit(); });
    wait_group all;
    all.go([&] { static_cast<void>(func()); });
    all.go([&] { static_cast<void>(value()); });
    all.wait().value();
    EXPECT_THROW(static_cast<void>(func()), misuse_error);
    EXPECT_THROW(static_cast<void>(value()), misuse_error);
  });
}

TEST(goexit, within_a_singleflight_is_told_to_those_who_wait) {
  in_weft([&] {
    singleflight<int, int> loads;
    channel<int> begun(0);
    channel<int> end(0);
    wait_group all;
    all.go([&] {
      static_cast<void>(loads.call(1, [&]() -> int {
        begun.send(1);
        static_cast<void>(end.recv());
        goexit();
      }));
    });
    static_cast<void>(begun.recv());
    bool threw = false;
    all.go([&] {
      try {
        static_cast<void>(loads.call(1, [] { return 2; }));
      } catch (const misuse_error&) {
        threw = true;
      }
    });
    sync_test::wait_until_parked(sched::wait_reason::latch, 1);
    end.close();
    all.wait().value();
    EXPECT_TRUE(threw);
    EXPECT_EQ(loads.call(1, [] { return 3; }).value.value(), 3);
  });
}

TEST(goexit, in_an_error_group_gives_its_place_to_the_next) {
  in_weft([&] {
    error_group all;
    all.set_limit(1);
    int ran = 0;
    for (int i = 0; i < 3; ++i) {
      all.go([&] {
        ++ran;
        goexit();
      });
    }
    EXPECT_TRUE(all.wait().has_value());
    EXPECT_EQ(ran, 3);
  });
}

TEST(goexit, that_is_swallowed_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                try {
                  goexit();
                } catch (...) {
                }
              }),
              testing::ExitedWithCode(2), "goexit: caught and not rethrown");
}

TEST(goexit, an_exception_from_a_wait_groups_goroutine_is_still_a_panic) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                wait_group all;
                all.go([] { throw std::runtime_error("lost"); });
                all.wait().value();
                std::_Exit(0);
              }),
              testing::ExitedWithCode(2), "panic: lost");
}

}  // namespace
}  // namespace weft
