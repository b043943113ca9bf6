#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/context.h>
#include <weft/net.h>
#include <weft/scope.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "net/net_test.h"

namespace weft::net {
namespace {

using namespace std::chrono_literals;
using namespace net_test;
using sched::wait_reason;

const auto long_ago = conn::clock::time_point(1ns);

class conn_test : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(networks, conn_test, ::testing::Values("tcp", "tcp6", "unix"),
                         [](const auto& which) { return std::string(which.param); });

TEST_P(conn_test, what_is_written_is_read) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    EXPECT_EQ(client.write("hello").value(), 5U);
    std::array<char, 100> buffer;
    EXPECT_EQ(server.read(buffer).value(), 5U);
    EXPECT_EQ(std::string(buffer.data(), 5), "hello");
    EXPECT_EQ(server.write({buffer.data(), 5}).value(), 5U);
    EXPECT_EQ(read_exactly(client, 5), "hello");
  });
}

TEST_P(conn_test, read_waits_for_bytes) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    wait_group reading;
    reading.go([&] { EXPECT_EQ(read_exactly(server, 5), "hello"); });
    wait_until_parked(wait_reason::io_read, 1);
    EXPECT_TRUE(client.write("hello").has_value());
    reading.wait().value();
  });
}

TEST_P(conn_test, end_of_stream_is_an_error_of_its_own_and_stays) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    EXPECT_TRUE(client.write("bye").has_value());
    EXPECT_TRUE(client.close().has_value());
    EXPECT_EQ(read_all(server), "bye");
    std::array<char, 10> buffer;
    EXPECT_EQ(server.read(buffer).error(), errc::eof);
  });
}

TEST_P(conn_test, empty_buffers_move_nothing) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    EXPECT_EQ(server.read({}).value(), 0U);
    EXPECT_EQ(client.write(std::string_view()).value(), 0U);
    EXPECT_EQ(client.writev({}).value(), 0U);
    EXPECT_EQ(client.try_write({}).value(), 0U);
  });
}

TEST_P(conn_test, large_writes_arrive_whole) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    const auto& sent = flood();
    wait_group writing;
    writing.go([&] {
      EXPECT_EQ(client.write(sent).value(), sent.size());
      EXPECT_TRUE(client.close_write().has_value());
    });
    EXPECT_TRUE(read_all(server) == sent);
    writing.wait().value();
  });
}

TEST_P(conn_test, gathered_writes_arrive_in_order) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    const auto sent = pattern(3'000'000);
    // More pieces than one system call takes, empty ones among them, of very different sizes.
    std::vector<std::span<const char>> pieces;
    std::span<const char> rest(sent);
    for (std::size_t i = 0; !rest.empty(); ++i) {
      const auto size = std::min(rest.size(), i % 5 == 4 ? 100'000 : i % 7);
      pieces.push_back(rest.first(size));
      rest = rest.subspan(size);
    }
    ASSERT_GT(pieces.size(), 100U);
    wait_group writing;
    writing.go([&] {
      EXPECT_EQ(client.writev(pieces).value(), sent.size());
      EXPECT_TRUE(client.close_write().has_value());
    });
    EXPECT_TRUE(read_all(server) == sent);
    writing.wait().value();
  });
}

TEST_P(conn_test, half_closed_connections_go_on_the_other_way) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    EXPECT_TRUE(client.write("question").has_value());
    EXPECT_TRUE(client.close_write().has_value());
    EXPECT_EQ(read_all(server), "question");
    EXPECT_TRUE(server.write("answer").has_value());
    EXPECT_TRUE(server.close().has_value());
    EXPECT_EQ(read_all(client), "answer");
  });
}

TEST_P(conn_test, close_read_ends_reads_that_wait_and_leaves_writing) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    wait_group reading;
    reading.go([&] {
      std::array<char, 10> buffer;
      EXPECT_EQ(server.read(buffer).error(), errc::eof);
    });
    wait_until_parked(wait_reason::io_read, 1);
    EXPECT_TRUE(server.close_read().has_value());
    reading.wait().value();
    std::array<char, 10> buffer;
    EXPECT_EQ(server.read(buffer).error(), errc::eof);
    EXPECT_TRUE(server.write("answer").has_value());
    EXPECT_EQ(read_exactly(client, 6), "answer");
    EXPECT_TRUE(server.close().has_value());
    EXPECT_EQ(server.close_read().error(), errc::closed);
  });
}

TEST_P(conn_test, lent_reads_hand_out_what_is_there) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    const auto sent = pattern(500'000);
    wait_group writing;
    writing.go([&] {
      EXPECT_TRUE(client.write(sent).has_value());
      EXPECT_TRUE(client.close_write().has_value());
    });
    std::string got;
    for (;;) {
      const auto before = got.size();
      const auto n = server.read_lent(
          [&](std::span<const char> bytes) { got.append(bytes.data(), bytes.size()); });
      if (!n) {
        EXPECT_EQ(n.error(), errc::eof);
        break;
      }
      EXPECT_EQ(got.size() - before, *n);
      EXPECT_GT(*n, 0U);
      EXPECT_LE(*n, conn::lend_max);
    }
    EXPECT_TRUE(got == sent);
    writing.wait().value();
  });
}

TEST(conn_lent, waits_without_a_buffer_and_passes_exceptions) {
  in_weft([] {
    auto [client, server] = connect_pair();
    std::atomic<bool> thrown{false};
    wait_group reading;
    reading.go([&] {
      const auto use = [](std::span<const char>) { throw std::runtime_error("use"); };
      EXPECT_THROW(static_cast<void>(server.read_lent(use)), std::runtime_error);
      thrown = true;
      // The turn was given back.
      EXPECT_EQ(read_exactly(server, 1), "y");
    });
    wait_until_parked(wait_reason::io_read, 1);
    EXPECT_TRUE(client.write("x").has_value());
    wait_until([&] { return thrown.load(); });
    EXPECT_TRUE(client.write("y").has_value());
    reading.wait().value();
    const auto none = server.read_lent([](std::span<const char>) {}, 1ns);
    EXPECT_EQ(none.error(), errc::timeout);
  });
}

TEST_P(conn_test, close_ends_waiting_calls_of_both_directions) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    wait_group waiting;
    for (int i = 0; i < 3; ++i) {
      waiting.go([&] {
        std::array<char, 10> buffer;
        EXPECT_EQ(server.read(buffer).error(), errc::closed);
      });
    }
    waiting.go([&] {
      const auto w = server.write(flood());
      ASSERT_FALSE(w.has_value());
      EXPECT_EQ(w.error(), errc::closed);
      EXPECT_GT(w.error().written(), 0U);
    });
    wait_until_parked(wait_reason::io_read, 3);
    wait_until_parked(wait_reason::io_write, 1);
    EXPECT_TRUE(server.close().has_value());
    waiting.wait().value();
    std::array<char, 10> buffer;
    const auto r = server.read(buffer);
    EXPECT_EQ(r.error(), errc::closed);
    EXPECT_NE(r.error().message().find("use of closed network connection"), std::string::npos);
    EXPECT_EQ(server.write("x").error(), errc::closed);
    EXPECT_EQ(server.try_write(std::string_view("x")).error(), errc::closed);
    EXPECT_EQ(server.close_write().error(), errc::closed);
    EXPECT_EQ(server.set_nodelay(true).error(), errc::closed);
    EXPECT_EQ(server.close().error(), errc::closed);
    EXPECT_EQ(server.local_address(), address());
  });
}

TEST_P(conn_test, destroying_ends_waiting_calls) {
  in_weft([] {
    auto pair = connect_pair(GetParam());
    auto shared = std::make_unique<conn>(std::move(pair.server));
    wait_group waiting;
    waiting.go([&c = *shared] {
      std::array<char, 10> buffer;
      EXPECT_EQ(c.read(buffer).error(), errc::closed);
    });
    wait_until_parked(wait_reason::io_read, 1);
    shared.reset();
    waiting.wait().value();
    std::array<char, 10> buffer;
    EXPECT_EQ(pair.client.read(buffer).error(), errc::eof);
  });
}

TEST_P(conn_test, destroying_ends_calls_of_every_kind_and_those_in_line) {
  in_weft([] {
    auto pair = connect_pair(GetParam());
    auto shared = std::make_unique<conn>(std::move(pair.server));
    wait_group waiting;
    conn& c = *shared;
    waiting.go(
        [&c] { EXPECT_EQ(c.read_lent([](std::span<const char>) {}).error(), errc::closed); });
    waiting.go([&c] {
      const std::array<std::span<const char>, 2> pieces{flood(), flood()};
      EXPECT_EQ(c.writev(pieces).error(), errc::closed);
    });
    wait_until_parked(wait_reason::io_read, 1);
    wait_until_parked(wait_reason::io_write, 1);
    for (int i = 0; i < 3; ++i) {
      waiting.go([&c] {
        std::array<char, 10> buffer;
        EXPECT_EQ(c.read(buffer).error(), errc::closed);
      });
      waiting.go([&c] { EXPECT_EQ(c.write("x").error(), errc::closed); });
    }
    wait_until_parked(wait_reason::io_read, 4);
    wait_until_parked(wait_reason::io_write, 4);
    shared.reset();
    waiting.wait().value();
  });
}

TEST_P(conn_test, bytes_that_are_there_win_over_a_cancelled_context) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    std::array<char, 10> buffer;
    const auto [ctx, cancel] = with_cancel(context::background());
    cancel();
    // The poller may have received them ahead: then the socket is not readable any more.
    const auto arrived = [fd = server.native_handle()](std::uint64_t count) {
      tcp_info info{};
      socklen_t size = sizeof info;
      if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        return info.tcpi_bytes_received >= count;
      pollfd one{fd, POLLIN, 0};
      return ::poll(&one, 1, 0) == 1;
    };
    for (std::uint64_t i = 0; i < 100; ++i) {
      EXPECT_EQ(server.read(buffer, 0ms).error(), errc::timeout);
      EXPECT_EQ(server.read(buffer, ctx).error(), errc::cancelled);
      EXPECT_TRUE(client.write("x").has_value());
      while (!arrived(i + 1)) continue;
      if (i % 2 == 0) {
        EXPECT_TRUE(server.read(buffer, ctx).has_value());
      } else {
        EXPECT_TRUE(server.read_lent([](std::span<const char>) {}, ctx).has_value());
      }
    }
  });
}

TEST_P(conn_test, limits_end_reads_and_leave_the_connection_usable) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    std::array<char, 10> buffer;
    const auto late = server.read(buffer, 1ms);
    EXPECT_EQ(late.error(), errc::timeout);
    EXPECT_TRUE(late.error().timeout());
    EXPECT_EQ(server.read(buffer, 0ms).error(), errc::timeout);
    EXPECT_EQ(server.read(buffer, long_ago).error(), errc::timeout);
    EXPECT_TRUE(client.write("x").has_value());
    // What is there is read although the limit has passed.
    wait_until([&] { return server.read(buffer, 0ms).has_value(); });
    EXPECT_TRUE(client.write("z").has_value());
    wait_until([&] { return server.read_lent([](std::span<const char>) {}, 0ms).has_value(); });
    EXPECT_TRUE(client.write("y").has_value());
    EXPECT_EQ(server.read(buffer, 1h).value(), 1U);
  });
}

TEST_P(conn_test, contexts_and_stop_tokens_end_reads) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    const auto [ctx, cancel] = with_cancel(context::background());
    std::stop_source stop;
    wait_group waiting;
    waiting.go([&] {
      std::array<char, 10> buffer;
      EXPECT_EQ(server.read(buffer, ctx).error(), errc::cancelled);
    });
    waiting.go([&] {
      std::array<char, 10> buffer;
      EXPECT_EQ(client.read(buffer, stop.get_token()).error(), errc::cancelled);
    });
    wait_until_parked(wait_reason::io_read, 2);
    cancel();
    stop.request_stop();
    waiting.wait().value();
    EXPECT_TRUE(client.write("x").has_value());
    EXPECT_EQ(read_exactly(server, 1), "x");
  });
}

TEST_P(conn_test, limit_ends_a_write_that_says_how_far_it_came) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    const auto& sent = flood();
    const auto w = client.write(sent, 1ms);
    ASSERT_FALSE(w.has_value());
    EXPECT_EQ(w.error(), errc::timeout);
    EXPECT_GT(w.error().written(), 0U);
    EXPECT_LT(w.error().written(), sent.size());
    EXPECT_TRUE(client.close().has_value());
    EXPECT_TRUE(read_all(server) == sent.substr(0, w.error().written()));
  });
}

TEST_P(conn_test, deadline_that_is_set_reaches_a_waiting_read) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    wait_group waiting;
    waiting.go([&] {
      std::array<char, 10> buffer;
      EXPECT_EQ(server.read(buffer).error(), errc::timeout);
    });
    wait_until_parked(wait_reason::io_read, 1);
    server.set_read_deadline(long_ago);
    waiting.wait().value();
  });
}

TEST_P(conn_test, deadline_that_has_passed_fails_reads_and_can_be_moved_again) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    EXPECT_TRUE(client.write("hello").has_value());
    std::array<char, 10> buffer;
    server.set_deadline(long_ago);
    EXPECT_EQ(server.read(buffer).error(), errc::timeout);
    EXPECT_EQ(server.write("x").error(), errc::timeout);
    EXPECT_EQ(server.try_write(std::string_view("x")).error(), errc::timeout);
    server.set_write_deadline(conn::no_deadline);
    EXPECT_TRUE(server.write("x").has_value());
    EXPECT_EQ(server.read(buffer).error(), errc::timeout);
    server.set_read_deadline(conn::clock::now() + 1h);
    EXPECT_EQ(server.read(buffer).value(), 5U);
    server.set_read_deadline(conn::clock::now() + 1ms);
    EXPECT_EQ(server.read(buffer).error(), errc::timeout);
    EXPECT_EQ(server.read(buffer).error(), errc::timeout);
    server.set_read_deadline(conn::no_deadline);
    EXPECT_TRUE(client.write("again").has_value());
    EXPECT_EQ(read_exactly(server, 5), "again");
  });
}

TEST_P(conn_test, deadline_that_is_taken_away_lets_a_read_wait_on) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    server.set_read_deadline(conn::clock::now() + 1h);
    wait_group waiting;
    waiting.go([&] { EXPECT_EQ(read_exactly(server, 5), "hello"); });
    for (int i = 0; i < 10; ++i) {
      wait_until_parked(wait_reason::io_read, 1);
      server.set_read_deadline(i % 2 == 0 ? conn::no_deadline : conn::clock::now() + 1h);
    }
    wait_until_parked(wait_reason::io_read, 1);
    EXPECT_TRUE(client.write("hello").has_value());
    waiting.wait().value();
  });
}

TEST_P(conn_test, deadline_ends_a_write_that_says_how_far_it_came) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    wait_group writing;
    std::size_t written = 0;
    writing.go([&] {
      const auto w = client.write(flood());
      ASSERT_FALSE(w.has_value());
      EXPECT_EQ(w.error(), errc::timeout);
      written = w.error().written();
    });
    wait_until_parked(wait_reason::io_write, 1);
    client.set_write_deadline(long_ago);
    writing.wait().value();
    EXPECT_TRUE(client.close_write().has_value());
    EXPECT_EQ(read_all(server).size(), written);
  });
}

TEST_P(conn_test, concurrent_writes_are_not_interleaved) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    constexpr std::size_t size = 300'000;
    constexpr int writers = 8;
    wait_group writing;
    for (int i = 0; i < writers; ++i) {
      writing.go([&, i] {
        const std::string block(size, static_cast<char>('a' + i));
        EXPECT_EQ(client.write(block).value(), size);
      });
    }
    std::string letters;
    for (int i = 0; i < writers; ++i) {
      const auto block = read_exactly(server, size);
      EXPECT_EQ(block, std::string(size, block[0]));
      letters += block[0];
    }
    std::ranges::sort(letters);
    EXPECT_EQ(letters, "abcdefgh");
    writing.wait().value();
  });
}

TEST_P(conn_test, concurrent_reads_take_turns_and_lose_nothing) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    const auto sent = pattern(2'000'000);
    std::atomic<std::size_t> got{0};
    std::atomic<unsigned> sum{0};
    wait_group reading;
    for (int i = 0; i < 8; ++i) {
      reading.go([&] {
        std::array<char, 10'000> buffer;
        while (const auto n = server.read(buffer)) {
          got += *n;
          for (const char c : std::span(buffer).first(*n)) sum += static_cast<unsigned char>(c);
        }
      });
    }
    EXPECT_TRUE(client.write(sent).has_value());
    EXPECT_TRUE(client.close().has_value());
    reading.wait().value();
    unsigned expected = 0;
    for (const char c : sent) expected += static_cast<unsigned char>(c);
    EXPECT_EQ(got, sent.size());
    EXPECT_EQ(sum, expected);
  });
}

TEST_P(conn_test, a_call_can_leave_the_queue_of_a_direction) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    wait_group reading;
    reading.go([&] { EXPECT_EQ(read_exactly(server, 1), "x"); });
    wait_until_parked(wait_reason::io_read, 1);
    std::array<char, 10> buffer;
    EXPECT_EQ(server.read(buffer, 1ms).error(), errc::timeout);
    const auto [ctx, cancel] = with_cancel(context::background());
    reading.go([&] {
      std::array<char, 10> mine;
      EXPECT_EQ(server.read(mine, ctx).error(), errc::cancelled);
    });
    wait_until_parked(wait_reason::io_read, 2);
    cancel();
    wait_until_parked(wait_reason::io_read, 1);
    EXPECT_TRUE(client.write("x").has_value());
    reading.wait().value();
  });
}

TEST_P(conn_test, try_write_takes_what_fits_and_never_waits) {
  in_weft([] {
    auto [client, server] = connect_pair(GetParam());
    const auto block = pattern(1'000'000);
    std::size_t sent = 0;
    for (;;) {
      const auto n = client.try_write(block);
      ASSERT_TRUE(n.has_value());
      sent += *n;
      if (*n < block.size()) break;
    }
    EXPECT_GT(sent, 0U);
    wait_group writing;
    writing.go([&] {
      EXPECT_TRUE(client.write(flood()).has_value());
      EXPECT_TRUE(client.close_write().has_value());
    });
    wait_until_parked(wait_reason::io_write, 1);
    // Another write is under way.
    EXPECT_EQ(client.try_write(block).value(), 0U);
    EXPECT_EQ(read_all(server).size(), sent + flood().size());
    writing.wait().value();
    EXPECT_EQ(server.try_write(std::string_view("?")).value(), 1U);
    EXPECT_EQ(read_exactly(client, 1), "?");
  });
}

TEST(conn_errors, name_operation_address_and_reason) {
  in_weft([] {
    auto [client, server] = connect_pair();
    const auto where = client.remote_address().to_string();
    const linger hard{1, 0};
    ::setsockopt(server.native_handle(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    EXPECT_TRUE(server.close().has_value());
    std::array<char, 10> buffer;
    const auto r = client.read(buffer);
    EXPECT_EQ(r.error(), std::errc::connection_reset);
    EXPECT_EQ(r.error().message(), "read tcp " + where + ": connection reset by peer");
    const auto w = client.write("x");
    EXPECT_EQ(w.error(), std::errc::broken_pipe);
    EXPECT_EQ(w.error().message(), "write tcp " + where + ": broken pipe");
    const std::error_code plain = w.error();
    EXPECT_EQ(plain, std::errc::broken_pipe);
  });
}

TEST(conn_options, nodelay_and_keepalive_are_set_on_both_ends) {
  in_weft([] {
    auto [client, server] = connect_pair();
    const auto value = [](const conn& c, int level, int name) {
      int v = -1;
      socklen_t size = sizeof v;
      EXPECT_EQ(::getsockopt(c.native_handle(), level, name, &v, &size), 0);
      return v;
    };
    for (const conn* c : {&client, &server}) {
      EXPECT_EQ(value(*c, IPPROTO_TCP, TCP_NODELAY), 1);
      EXPECT_EQ(value(*c, SOL_SOCKET, SO_KEEPALIVE), 1);
      EXPECT_EQ(value(*c, IPPROTO_TCP, TCP_KEEPIDLE), 15);
      EXPECT_EQ(value(*c, IPPROTO_TCP, TCP_KEEPINTVL), 15);
      EXPECT_EQ(value(*c, IPPROTO_TCP, TCP_KEEPCNT), 9);
    }
    EXPECT_TRUE(client.set_nodelay(false).has_value());
    EXPECT_EQ(value(client, IPPROTO_TCP, TCP_NODELAY), 0);
  });
}

TEST(conn_addresses, both_ends_agree) {
  in_weft([] {
    for (const char* network : {"tcp4", "tcp6"}) {
      auto [client, server] = connect_pair(network);
      EXPECT_EQ(client.local_address(), server.remote_address());
      EXPECT_EQ(client.remote_address(), server.local_address());
      EXPECT_TRUE(server.remote_address().is_loopback());
      EXPECT_NE(server.remote_address().port(), 0);
    }
  });
}

TEST(conn_empty, every_call_says_closed) {
  conn none;
  std::array<char, 10> buffer;
  EXPECT_EQ(none.read(buffer).error(), errc::closed);
  EXPECT_EQ(none.read_lent([](std::span<const char>) {}).error(), errc::closed);
  EXPECT_EQ(none.write("x").error(), errc::closed);
  EXPECT_EQ(none.writev({}).error(), errc::closed);
  EXPECT_EQ(none.try_write(std::string_view("x")).error(), errc::closed);
  EXPECT_EQ(none.close_write().error(), errc::closed);
  EXPECT_EQ(none.close_read().error(), errc::closed);
  EXPECT_EQ(none.close().error(), errc::closed);
  EXPECT_EQ(none.set_nodelay(true).error(), errc::closed);
  EXPECT_EQ(none.native_handle(), -1);
  EXPECT_EQ(none.remote_address(), address());
  EXPECT_EQ(none.local_address(), address());
  none.set_deadline(long_ago);
}

TEST(conn_threads, plain_threads_use_connections_while_a_runtime_runs) {
  in_weft([] {
    auto pair = connect_pair();
    std::atomic<bool> timed_out{false};
    std::thread other([&] {
      EXPECT_EQ(read_exactly(pair.server, 5), "hello");
      EXPECT_TRUE(pair.server.write("world").has_value());
      std::array<char, 10> buffer;
      EXPECT_EQ(pair.server.read(buffer, 1ms).error(), errc::timeout);
      timed_out = true;
      EXPECT_EQ(pair.server.read(buffer).error(), errc::closed);
    });
    EXPECT_TRUE(pair.client.write("hello").has_value());
    EXPECT_EQ(read_exactly(pair.client, 5), "world");
    wait_until([&] { return timed_out.load(); });
    EXPECT_TRUE(pair.server.close().has_value());
    sync_test::join_from_goroutine(other);
  });
}

TEST(conn_runtime, outlives_its_runtime_and_can_be_closed_then) {
  std::optional<connected> pair;
  in_weft([&] { pair = connect_pair(); });
  EXPECT_TRUE(pair->client.close().has_value());
  EXPECT_EQ(pair->client.close().error(), errc::closed);
}

// -- in a scope --

TEST(conn_scope, input_and_output_end_with_it) {
  in_weft([] {
    auto pair = connect_pair("unix");
    auto l = listen("tcp", "127.0.0.1:0").value();
    std::array<char, 10> buffer;
    scope s;
    s.go([&] { EXPECT_EQ(pair.client.read(buffer).error(), errc::cancelled); });
    s.go([&] { EXPECT_EQ(pair.client.read_lent([](auto) {}).error(), errc::cancelled); });
    s.go([&] {
      const std::string much(10 << 20, 'x');
      EXPECT_EQ(pair.client.write(much, 1h).error(), errc::cancelled);
    });
    s.go([&] { EXPECT_EQ(l.accept().error(), errc::cancelled); });
    wait_until_parked(wait_reason::io_read, 2);
    wait_until_parked(wait_reason::io_write, 1);
    wait_until_parked(wait_reason::io_accept, 1);
    s.cancel();
    static_cast<void>(s.join());
  });
}

TEST(conn_scope, its_deadline_is_theirs) {
  in_weft([] {
    auto pair = connect_pair("unix");
    std::array<char, 10> buffer;
    scope s(1ms);
    s.go([&] { EXPECT_EQ(pair.client.read(buffer, 1h).error(), errc::timeout); });
  });
}

TEST(conn_scope, a_shield_keeps_its_end_out) {
  in_weft([] {
    auto pair = connect_pair("unix");
    std::array<char, 10> buffer;
    scope s;
    s.cancel();
    s.go([&] {
      const shield clean_up;
      EXPECT_EQ(pair.client.read(buffer).value(), 1U);
    });
    wait_until_parked(wait_reason::io_read, 1);
    EXPECT_TRUE(pair.server.write("x"));
  });
}

// ends: whether the stream to `c` ends, asked of the kernel: no runtime is running any more. The
// patience is there to fail, not to wait for: io_uring may let go of the other end a moment late.
bool ends(const conn& c, int patience_ms = 10'000) {
  pollfd one{c.native_handle(), POLLIN, 0};
  char byte = 0;
  return ::poll(&one, 1, patience_ms) == 1 && ::recv(c.native_handle(), &byte, 1, 0) == 0;
}

// leave_reading: starts `n` goroutines that wait to read from `c`, and will never end.
void leave_reading(conn& c, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    go([&c] {
      std::array<char, 10> buffer;
      static_cast<void>(c.read(buffer));
    });
  }
  wait_until_parked(wait_reason::io_read, n);
}

TEST(conn_runtime, goroutines_that_never_ended_do_not_keep_a_descriptor) {
  std::optional<connected> pair;
  weft::run([&] {
    pair = connect_pair("unix");
    leave_reading(pair->server, 3);
  });
  EXPECT_FALSE(ends(pair->client, 0));
  EXPECT_TRUE(pair->server.close().has_value());
  EXPECT_TRUE(ends(pair->client));
}

TEST(conn_runtime, close_at_its_end_frees_what_a_woken_reader_never_left) {
  std::optional<connected> pair;
  weft::run(
      [&] {
        pair = connect_pair("unix");
        leave_reading(pair->server, 2);
        EXPECT_TRUE(pair->server.close().has_value());
      },
      {.max_procs = 1});
  EXPECT_TRUE(ends(pair->client));
}

TEST(conn_runtime, later_ones_get_an_error_at_once) {
  std::optional<connected> pair;
  listener l;
  in_weft([&] {
    pair = connect_pair();
    l = listen("tcp", "127.0.0.1:0").value();
  });
  const auto fails = [&] {
    std::array<char, 10> buffer;
    const auto r = pair->server.read(buffer);
    EXPECT_EQ(r.error(), errc::wrong_runtime);
    EXPECT_EQ(r.error().message(), "read tcp " + pair->server.remote_address().to_string() +
                                       ": belongs to another runtime, or to one that has ended");
    EXPECT_EQ(pair->server.read_lent([](std::span<const char>) {}).error(), errc::wrong_runtime);
    EXPECT_EQ(pair->server.write("x").error(), errc::wrong_runtime);
    EXPECT_EQ(pair->server.writev({}).error(), errc::wrong_runtime);
    EXPECT_EQ(pair->server.try_write(std::string_view("x")).error(), errc::wrong_runtime);
    EXPECT_EQ(l.accept().error(), errc::wrong_runtime);
    pair->server.set_deadline(long_ago);
  };
  in_weft(fails);
  on_thread(fails);
  in_weft([&] {
    EXPECT_TRUE(pair->server.close().has_value());
    EXPECT_TRUE(l.close().has_value());
  });
  EXPECT_TRUE(ends(pair->client));
}

TEST(conn_runtime, end_reaches_threads_that_wait) {
  std::optional<connected> pair;
  std::vector<std::thread> threads;
  std::atomic<int> reading{0};
  in_weft([&] {
    pair = connect_pair();
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        std::array<char, 10> buffer;
        ++reading;
        EXPECT_EQ(pair->server.read(buffer).error(), errc::wrong_runtime);
      });
    }
    wait_until([&] { return reading == 3; });
  });
  for (auto& t : threads) t.join();
  EXPECT_TRUE(pair->server.close().has_value());
  EXPECT_TRUE(ends(pair->client));
}

TEST(conn_runtime, another_one_may_close_but_not_wait) {
  in_weft([] {
    auto pair = connect_pair();
    wait_group reading;
    reading.go([&] {
      std::array<char, 10> buffer;
      EXPECT_EQ(pair.server.read(buffer).error(), errc::closed);
    });
    wait_until_parked(wait_reason::io_read, 1);
    std::thread other([&] {
      in_weft([&] {
        std::array<char, 10> buffer;
        EXPECT_EQ(pair.client.read(buffer).error(), errc::wrong_runtime);
        EXPECT_EQ(pair.client.write("x").error(), errc::wrong_runtime);
        EXPECT_TRUE(pair.server.close().has_value());
      });
    });
    reading.wait().value();
    sync_test::join_from_goroutine(other);
  });
}

TEST(conn_runtime, serves_threads_also_while_others_run) {
  std::thread([] {
    in_weft([] {
      std::thread([] {
        std::atomic<bool> done{false};
        std::optional<connected> pair;
        std::atomic<bool> open{false};
        std::thread user([&] {
          while (!open) std::this_thread::yield();
          std::array<char, 10> buffer;
          EXPECT_EQ(pair->server.read(buffer, 1ms).error(), errc::timeout);
          std::thread writer(
              [&] { EXPECT_EQ(::send(pair->client.native_handle(), "x", 1, 0), 1); });
          EXPECT_TRUE(pair->server.read(buffer).has_value());
          writer.join();
          done = true;
        });
        in_weft([&] {
          pair = connect_pair();
          open = true;
          weft::blocking([&] { user.join(); });
          EXPECT_TRUE(done);
        });
      }).join();
    });
  }).join();
}

TEST(conn_runtime, goroutine_that_outlasts_it_sends_nothing) {
  struct shared {
    std::optional<connected> pair;
    std::atomic<bool> go_on{false};
    std::atomic<bool> sent{false};
    std::atomic<int> thread{0};
  };
  // Stays: the thread ends without a word that would order its last look before our destructor.
  static auto& kept = *new std::vector<std::unique_ptr<shared>>();
  shared& s = *kept.emplace_back(std::make_unique<shared>());
  weft::run(
      [&s] {
        s.pair = connect_pair();
        go([&s] {
          s.thread = ::gettid();
          while (!s.go_on) continue;  // a call of the program, as far as weft can tell
          static_cast<void>(s.pair->server.try_write(std::string_view("x")));
          s.sent = true;
        });
        wait_until([&s] { return s.thread != 0; });
      },
      {.max_procs = 2});
  s.go_on = true;
  const auto task = "/proc/self/task/" + std::to_string(s.thread);
  while (::access(task.c_str(), F_OK) == 0) std::this_thread::yield();
  EXPECT_FALSE(s.sent);
  EXPECT_TRUE(s.pair->server.close().has_value());
  EXPECT_TRUE(ends(s.pair->client));
  EXPECT_TRUE(s.pair->client.close().has_value());
}

TEST(conn_runtime, is_needed_to_open_one) {
  EXPECT_THROW(static_cast<void>(dial("tcp", "127.0.0.1:1")), misuse_error);
  EXPECT_THROW(static_cast<void>(listen("tcp", "127.0.0.1:0")), misuse_error);
}

TEST(conn_stress, deadlines_cancels_and_closes_against_traffic) {
  in_weft([] {
    const int rounds = scaled(300);
    for (int round = 0; round < rounds; ++round) {
      auto pair = connect_pair(round % 2 == 0 ? "tcp" : "unix");
      const auto [ctx, cancel] = with_cancel(context::background());
      wait_group busy;
      std::atomic<std::size_t> got{0};
      std::atomic<std::size_t> sent{0};
      for (int i = 0; i < 2; ++i) {
        busy.go([&, i] {
          std::array<char, 1000> buffer;
          for (;;) {
            const auto n = pair.server.read(buffer, i == 0 ? limit() : limit(ctx));
            if (n) {
              got += *n;
            } else if (n.error().timeout()) {
              yield();  // a deadline in the past fails without waiting
            } else {
              EXPECT_TRUE(n.error().closed() || n.error().cancelled() || n.error().eof())
                  << n.error().message();
              return;
            }
          }
        });
      }
      busy.go([&] {
        for (int i = 0; i < 50; ++i) {
          const auto w = pair.client.write(pattern(777));
          if (!w) return;
          sent += *w;
        }
      });
      busy.go([&] {
        for (int i = 0; i < 20; ++i) {
          pair.server.set_read_deadline(i % 2 == 0 ? long_ago : conn::no_deadline);
          yield();
        }
        cancel();
        pair.server.set_read_deadline(conn::no_deadline);
        if (round % 3 == 0) {
          EXPECT_TRUE(pair.server.close().has_value());
        } else {
          wait_until([&] { return sent == 50 * 777; });
          EXPECT_TRUE(pair.client.close().has_value());
        }
      });
      busy.wait().value();
      EXPECT_LE(got, sent);
    }
  });
}

// use_until_error: reads, writes or accepts until that fails, and says how.
template <class F>
error use_until_error(F&& use) {
  for (;;) {
    const auto done = use();
    if (!done) return done.error();
  }
}

TEST(conn_stress, close_reaches_threads_and_goroutines_wherever_they_stand) {
  in_weft([] {
    const int rounds = scaled(200);
    for (int round = 0; round < rounds; ++round) {
      auto pair = connect_pair(round % 2 == 0 ? "tcp" : "unix");
      auto l = listen("tcp", "127.0.0.1:0").value();
      std::array<std::function<error()>, 4> uses{
          [&] {
            return use_until_error([&] {
              std::array<char, 100> buffer;
              return pair.server.read(buffer);
            });
          },
          [&] {
            return use_until_error(
                [&] { return pair.server.read_lent([](std::span<const char>) {}); });
          },
          [&] { return use_until_error([&] { return pair.server.write(pattern(10'000)); }); },
          [&] { return use_until_error([&] { return l.accept(); }); }};
      wait_group done;
      std::vector<std::thread> threads;
      std::atomic<int> begun{0};
      for (const auto& use : uses) {
        const auto ends_closed = [&] {
          ++begun;
          EXPECT_EQ(use(), errc::closed);
        };
        done.go(ends_closed);
        threads.emplace_back(ends_closed);
      }
      static_cast<void>(pair.client.try_write(pattern(1'000)));
      wait_until([&] { return begun > round % 8; });
      for (int i = 0; i < round % 7; ++i) yield();
      EXPECT_TRUE(pair.server.close().has_value());
      EXPECT_TRUE(l.close().has_value());
      done.wait().value();
      for (auto& t : threads) sync_test::join_from_goroutine(t);
    }
  });
}

TEST(conn_runtime, the_network_goes_on_while_the_only_processor_computes) {
  const auto work = [] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    std::atomic<bool> heard{false};
    go([&] {
      auto c = l.accept().value();
      std::array<char, 10> buffer;
      EXPECT_EQ(c.read(buffer).value(), 5U);
      heard = true;
    });
    yield();
    std::thread client([where = l.local_address(), s = sched::current_scheduler()] {
      sync_test::wait_until_monitor_sleeps(*s);
      auto c = dial("tcp", where.to_string()).value();
      EXPECT_TRUE(c.write("hello"));
    });
    while (!heard.load()) {
    }
    client.join();
  };
  weft::run(work, {.max_procs = 1});
}

TEST(conn_stress, end_of_the_runtime_reaches_threads_wherever_they_stand) {
  const int rounds = scaled(200);
  int freed = 0;
  for (int round = 0; round < rounds; ++round) {
    std::optional<connected> pair;
    listener l;
    std::vector<std::thread> threads;
    std::atomic<int> begun{0};
    const auto start = [&](auto use) {
      threads.emplace_back([&begun, use] {
        ++begun;
        const auto why = use_until_error(use);
        EXPECT_EQ(why, errc::wrong_runtime) << why.message();
      });
    };
    weft::run([&] {
      pair = connect_pair(round % 2 == 0 ? "tcp" : "unix");
      l = listen("tcp", "127.0.0.1:0").value();
      for (int i = 0; i < 2; ++i) {
        start([&] {
          std::array<char, 100> buffer;
          return pair->server.read(buffer);
        });
        start([&] { return pair->server.write(pattern(10'000)); });
        start([&] { return l.accept(); });
        go([&] { static_cast<void>(pair->server.read_lent([](std::span<const char>) {})); });
        go([&] { static_cast<void>(l.accept()); });
      }
      static_cast<void>(pair->client.try_write(pattern(1'000)));
      wait_until([&] { return begun > round % 6; });
      for (int i = 0; i < round % 5; ++i) yield();
    });
    for (auto& t : threads) t.join();
    const int fd = pair->server.native_handle();
    EXPECT_TRUE(pair->server.close().has_value());
    if (::fcntl(fd, F_GETFD) < 0) ++freed;
  }
  // Not where a machine did not come back in time, which might have stood in a call.
  EXPECT_GT(freed, 0);
}

}  // namespace
}  // namespace weft::net
