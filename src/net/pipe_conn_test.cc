#include <weft/context.h>
#include <weft/copy.h>
#include <weft/net.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include "net/net_test.h"

namespace weft::net {
namespace {

using namespace std::chrono_literals;
using namespace net_test;
using sched::wait_reason;

static_assert(reader<pipe_conn> && writer<pipe_conn>);

const auto long_ago = pipe_conn::clock::time_point(1ns);

std::string read_to_end(pipe_conn& c) {
  std::string all;
  std::array<char, 10'000> buffer;
  for (;;) {
    const auto n = c.read(buffer);
    if (!n) {
      EXPECT_TRUE(n.error().eof()) << n.error().message();
      return all;
    }
    all.append(buffer.data(), *n);
  }
}

TEST(pipe_conn, what_is_written_is_read_whoever_comes_first) {
  in_weft([] {
    auto [left, right] = pipe();
    wait_group going;
    going.go([&] { EXPECT_EQ(left.write("hello").value(), 5U); });
    wait_until_parked(wait_reason::io_write, 1);
    std::array<char, 3> buffer;
    EXPECT_EQ(right.read(buffer).value(), 3U);
    EXPECT_EQ(std::string(buffer.data(), 3), "hel");
    EXPECT_EQ(right.read(buffer).value(), 2U);
    going.wait().value();
    going.go([&] { EXPECT_EQ(right.read(buffer).value(), 2U); });
    wait_until_parked(wait_reason::io_read, 1);
    // A reader that waits is there at once: no limit is too short for it.
    EXPECT_EQ(left.write("ab", 0ms).value(), 2U);
    going.wait().value();
    EXPECT_EQ(left.write(std::string_view()).value(), 0U);
    EXPECT_EQ(right.read({}).value(), 0U);
  });
}

TEST(pipe_conn, large_writes_arrive_whole_and_in_turn) {
  in_weft([] {
    auto [left, right] = pipe();
    constexpr std::size_t size = 100'000;
    wait_group writing;
    for (int i = 0; i < 4; ++i) {
      writing.go([&, i] {
        const std::string block(size, static_cast<char>('a' + i));
        EXPECT_EQ(left.write(block).value(), size);
      });
    }
    std::string letters;
    for (int i = 0; i < 4; ++i) {
      std::string block(size, '\0');
      EXPECT_EQ(weft::read_exactly(right, block).value(), size);
      EXPECT_EQ(block, std::string(size, block[0]));
    }
    writing.wait().value();
  });
}

TEST(pipe_conn, limit_ends_a_write_that_says_how_far_it_came) {
  in_weft([] {
    auto [left, right] = pipe();
    EXPECT_EQ(left.write("hello", 1ms).error(), errc::timeout);
    const auto [ctx, cancel] = with_cancel(context::background());
    wait_group writing;
    writing.go([&] {
      const auto n = left.write("hello", ctx);
      EXPECT_EQ(n.error(), errc::cancelled);
      EXPECT_EQ(n.error().written(), 2U);
    });
    wait_until_parked(wait_reason::io_write, 1);
    std::array<char, 2> buffer;
    EXPECT_EQ(right.read(buffer).value(), 2U);
    cancel();
    writing.wait().value();
    // What was not taken is not offered any more.
    EXPECT_EQ(right.read(buffer, 0ms).error(), errc::timeout);
  });
}

TEST(pipe_conn, deadlines_reach_calls_that_wait_and_can_be_moved) {
  in_weft([] {
    auto [left, right] = pipe();
    wait_group waiting;
    waiting.go([&] {
      std::array<char, 10> buffer;
      EXPECT_EQ(right.read(buffer).error(), errc::timeout);
    });
    waiting.go([&] { EXPECT_EQ(right.write("x").error(), errc::timeout); });
    wait_until_parked(wait_reason::io_read, 1);
    wait_until_parked(wait_reason::io_write, 1);
    right.set_deadline(pipe_conn::clock::now() + 1h);
    wait_until_parked(wait_reason::io_read, 1);
    right.set_deadline(long_ago);
    waiting.wait().value();
    std::array<char, 10> buffer;
    waiting.go([&] { EXPECT_TRUE(left.write("there").has_value()); });
    wait_until_parked(wait_reason::io_write, 1);
    EXPECT_EQ(right.read(buffer).error(), errc::timeout);
    right.set_deadline(pipe_conn::no_deadline);
    EXPECT_EQ(right.read(buffer).value(), 5U);
    waiting.wait().value();
  });
}

TEST(pipe_conn, close_ends_calls_of_both_ends_each_with_its_own_error) {
  in_weft([] {
    auto [left, right] = pipe();
    wait_group waiting;
    std::array<char, 10> buffer;
    waiting.go([&] { EXPECT_EQ(left.read(buffer).error(), errc::closed); });
    waiting.go([&] { EXPECT_EQ(left.write("x").error(), errc::closed); });
    wait_until_parked(wait_reason::io_read, 1);
    wait_until_parked(wait_reason::io_write, 1);
    EXPECT_TRUE(left.close().has_value());
    waiting.wait().value();
    EXPECT_EQ(right.read(buffer).error(), errc::eof);
    EXPECT_EQ(right.write("x").error(), std::errc::broken_pipe);
    EXPECT_EQ(left.read(buffer).error(), errc::closed);
    EXPECT_EQ(left.write("x").error().message(), "write pipe: closed");
    EXPECT_EQ(left.close().error(), errc::closed);
    EXPECT_TRUE(right.close().has_value());
  });
}

TEST(pipe_conn, half_close_leaves_the_other_way) {
  in_weft([] {
    auto [left, right] = pipe();
    wait_group going;
    going.go([&] {
      EXPECT_TRUE(left.write("question").has_value());
      EXPECT_TRUE(left.close_write().has_value());
      EXPECT_EQ(read_to_end(left), "answer");
    });
    EXPECT_EQ(read_to_end(right), "question");
    EXPECT_TRUE(right.write("answer").has_value());
    {
      const auto gone = std::move(right);
    }
    going.wait().value();
    EXPECT_TRUE(left.close_read().has_value());
    std::array<char, 10> buffer;
    EXPECT_EQ(left.read(buffer).error(), errc::eof);
  });
}

TEST(pipe_conn, lent_reads_gathered_writes_and_copy_fit) {
  in_weft([] {
    auto [left, right] = pipe();
    auto [back, end] = pipe();
    const auto sent = pattern(50'000);
    wait_group going;
    going.go([&] {
      const std::array<std::span<const char>, 2> pieces{std::span(sent).first(7),
                                                        std::span(sent).subspan(7)};
      EXPECT_EQ(left.writev(pieces).value(), sent.size());
      EXPECT_TRUE(left.close().has_value());
    });
    going.go([&] {
      EXPECT_EQ(weft::copy(back, right).value(), sent.size());
      EXPECT_TRUE(back.close().has_value());
    });
    std::string got;
    while (end.read_lent([&](std::span<const char> b) { got.append(b.data(), b.size()); })) {
    }
    EXPECT_TRUE(got == sent);
    going.wait().value();
  });
}

TEST(pipe_conn, plain_threads_use_it_without_a_runtime) {
  auto [left, right] = pipe();
  std::thread writing([&] {
    EXPECT_TRUE(left.write(flood().substr(0, 100'000)).has_value());
    EXPECT_TRUE(left.close().has_value());
  });
  EXPECT_TRUE(read_to_end(right) == flood().substr(0, 100'000));
  writing.join();
}

TEST(pipe_conn, empty_one_says_closed) {
  pipe_conn none;
  std::array<char, 10> buffer;
  EXPECT_EQ(none.read(buffer).error(), errc::closed);
  EXPECT_EQ(none.write("x").error(), errc::closed);
  EXPECT_EQ(none.close().error(), errc::closed);
  EXPECT_EQ(none.close_read().error(), errc::closed);
  EXPECT_EQ(none.close_write().error(), errc::closed);
  none.set_deadline(long_ago);
}

TEST(pipe_conn_stress, limits_deadlines_and_readers_against_a_stream) {
  // Every byte that a write says was taken is read once, in order.
  in_weft([] {
    auto [left, right] = pipe();
    const auto sent = pattern(static_cast<std::size_t>(sync_test::scaled(400'000)));
    wait_group writing;
    writing.go([&] {
      std::span<const char> rest(sent);
      while (!rest.empty()) {
        const auto n = left.write(rest.first(std::min<std::size_t>(rest.size(), 9'000)), 10us);
        rest = rest.subspan(n ? *n : n.error().written());
      }
      EXPECT_TRUE(left.close().has_value());
    });
    std::string got;
    std::array<char, 1'000> buffer;
    for (int i = 0;; ++i) {
      if (i % 7 == 0) right.set_read_deadline(pipe_conn::clock::now() + 20us);
      const auto n = right.read(buffer, 10us);
      if (n) {
        got.append(buffer.data(), *n);
      } else if (n.error().timeout()) {
        right.set_read_deadline(pipe_conn::no_deadline);
      } else {
        EXPECT_TRUE(n.error().eof());
        break;
      }
    }
    EXPECT_TRUE(got == sent);
    writing.wait().value();
  });
}

}  // namespace
}  // namespace weft::net
