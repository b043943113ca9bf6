#include <fcntl.h>
#include <unistd.h>
#include <weft/buffered.h>
#include <weft/context.h>
#include <weft/copy.h>
#include <weft/net.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "net/net_test.h"
#include "net/unique_fd.h"

namespace weft::net {
namespace {

using namespace std::chrono_literals;
using namespace net_test;
using sched::wait_reason;

const auto long_ago = conn::clock::time_point(1ns);

// file: a regular one, as a file class looks to copy.
class file {
 public:
  explicit file(int flags = 0) {
    std::array<char, 32> path{"/tmp/weft-copy-test-XXXXXX"};
    fd_ = unique_fd(::mkostemp(path.data(), flags));
    ::unlink(path.data());
  }
  explicit file(const std::string& content) : file() {
    EXPECT_EQ(::pwrite(fd_.get(), content.data(), content.size(), 0), ssize_t(content.size()));
  }
  [[nodiscard]] int native_handle() const { return fd_.get(); }
  result<std::size_t> read(std::span<char> buffer, const limit& = {}) {
    const auto n = ::read(fd_.get(), buffer.data(), buffer.size());
    if (n == 0) return std::unexpected(errc::eof);
    return static_cast<std::size_t>(n);
  }
  write_result write(std::span<const char> bytes, const limit& = {}) {
    return static_cast<std::size_t>(::write(fd_.get(), bytes.data(), bytes.size()));
  }
  [[nodiscard]] std::string content() const {
    std::string all(static_cast<std::size_t>(::lseek(fd_.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(fd_.get(), all.data(), all.size(), 0), ssize_t(all.size()));
    return all;
  }

 private:
  unique_fd fd_;
};
static_assert(reader<file> && writer<file>);
static_assert(reader<conn> && writer<conn> && reader<poll_fd> && writer<poll_fd>);
static_assert(reader<packet_conn> && writer<packet_conn>);

// endless: never has to wait.
struct endless {
  result<std::size_t> read(std::span<char> buffer, const limit&) {
    std::ranges::fill(buffer, 'x');
    return buffer.size();
  }
};
struct swallowing {
  write_result write(std::span<const char> bytes, const limit&) { return bytes.size(); }
};

std::pair<poll_fd, poll_fd> make_pipe() {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {poll_fd::open(ends[0]).value(), poll_fd::open(ends[1]).value()};
}

template <class W, class R>
bool in_kernel(W& to, R& from) {
  using weft::detail::copy_access;
  const auto done =
      weft::detail::copy_in_kernel(copy_access::of(to), copy_access::of(from), limit(long_ago));
  return done.has_value();
}

class copy_test : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(networks, copy_test, ::testing::Values("tcp", "unix"),
                         [](const auto& which) { return std::string(which.param); });

TEST_P(copy_test, connection_to_connection_carries_everything_to_the_end) {
  in_weft([] {
    auto left = connect_pair(GetParam());
    auto right = connect_pair(GetParam());
    const auto& sent = flood();
    wait_group going;
    going.go([&] {
      EXPECT_TRUE(left.client.write(sent).has_value());
      EXPECT_TRUE(left.client.close_write().has_value());
    });
    going.go([&] {
      EXPECT_EQ(weft::copy(right.client, left.server).value(), sent.size());
      EXPECT_TRUE(right.client.close_write().has_value());
    });
    EXPECT_TRUE(read_all(right.server) == sent);
    going.wait().value();
    EXPECT_TRUE(in_kernel(right.client, left.server));
  });
}

TEST_P(copy_test, what_came_before_the_copy_comes_first) {
  in_weft([] {
    for (std::size_t head = 1; head <= 4; ++head) {
      auto left = connect_pair(GetParam());
      auto right = connect_pair(GetParam());
      const auto& sent = flood();
      wait_group going;
      going.go([&] {
        std::array<char, 4> first;
        // Who waits for the first bytes has the poller receive what follows.
        const auto size = left.server.read(std::span(first).first(head)).value();
        EXPECT_EQ(weft::copy(right.client, left.server).value(), sent.size() - size);
        EXPECT_TRUE(right.client.close_write().has_value());
      });
      wait_until_parked(wait_reason::io_read, 1);
      going.go([&] {
        const std::string_view all(sent);
        for (std::size_t done = 0; done < 10'000; done += 1'000)
          EXPECT_TRUE(left.client.write(all.substr(done, 1'000)).has_value());
        EXPECT_TRUE(left.client.write(all.substr(10'000)).has_value());
        EXPECT_TRUE(left.client.close_write().has_value());
      });
      const auto got = read_all(right.server);
      going.wait().value();
      EXPECT_TRUE(std::string_view(sent).ends_with(got));
      EXPECT_GE(got.size(), sent.size() - head);
    }
  });
}

TEST_P(copy_test, file_to_connection_and_back_from_where_the_file_stands) {
  in_weft([] {
    auto pair = connect_pair(GetParam());
    const auto& sent = flood();
    file from(sent);
    file to;
    ASSERT_EQ(::lseek(from.native_handle(), 5, SEEK_SET), 5);
    ASSERT_EQ(to.write(std::string_view("head")).value(), 4U);
    wait_group going;
    going.go([&] {
      EXPECT_EQ(weft::copy(pair.client, from).value(), sent.size() - 5);
      EXPECT_TRUE(pair.client.close_write().has_value());
    });
    EXPECT_EQ(weft::copy(to, pair.server).value(), sent.size() - 5);
    going.wait().value();
    EXPECT_TRUE(to.content() == "head" + sent.substr(5));
    EXPECT_TRUE(in_kernel(pair.client, from));
    EXPECT_TRUE(in_kernel(to, pair.server));
  });
}

TEST_P(copy_test, pipe_to_connection_and_back) {
  in_weft([] {
    auto pair = connect_pair(GetParam());
    auto [out_of_first, into_first] = make_pipe();
    auto [out_of_second, into_second] = make_pipe();
    const auto sent = pattern(1'000'000);
    wait_group going;
    going.go([&] {
      EXPECT_TRUE(into_first.write(sent).has_value());
      EXPECT_TRUE(into_first.close().has_value());
    });
    going.go([&] {
      EXPECT_EQ(weft::copy(pair.client, out_of_first).value(), sent.size());
      EXPECT_TRUE(pair.client.close_write().has_value());
    });
    going.go([&] {
      EXPECT_EQ(weft::copy(into_second, pair.server).value(), sent.size());
      EXPECT_TRUE(into_second.close().has_value());
    });
    std::string got(sent.size(), '\0');
    EXPECT_EQ(weft::read_exactly(out_of_second, got).value(), sent.size());
    EXPECT_TRUE(got == sent);
    going.wait().value();
    EXPECT_TRUE(in_kernel(pair.client, out_of_second));
  });
}

TEST_P(copy_test, limits_deadlines_and_close_end_it_and_say_how_far_it_came) {
  in_weft([] {
    auto left = connect_pair(GetParam());
    auto right = connect_pair(GetParam());
    EXPECT_TRUE(left.client.write("abc").has_value());
    const auto late = weft::copy(right.client, left.server, 20ms);
    EXPECT_EQ(late.error(), errc::timeout);
    EXPECT_EQ(late.error().copied(), 3U);
    const auto [ctx, cancel] = with_cancel(context::background());
    wait_group copying;
    copying.go(
        [&] { EXPECT_EQ(weft::copy(right.client, left.server, ctx).error(), errc::cancelled); });
    wait_until_parked(wait_reason::io_read, 1);
    cancel();
    copying.wait().value();
    copying.go([&] { EXPECT_EQ(weft::copy(right.client, left.server).error(), errc::timeout); });
    wait_until_parked(wait_reason::io_read, 1);
    left.server.set_read_deadline(long_ago);
    copying.wait().value();
    left.server.set_read_deadline(conn::no_deadline);
    copying.go([&] { EXPECT_EQ(weft::copy(right.client, left.server).error(), errc::closed); });
    wait_until_parked(wait_reason::io_read, 1);
    EXPECT_TRUE(left.server.close().has_value());
    copying.wait().value();
    EXPECT_EQ(read_exactly(right.server, 3), "abc");
  });
}

TEST_P(copy_test, full_destination_holds_it_up_and_close_there_ends_it) {
  in_weft([] {
    auto left = connect_pair(GetParam());
    auto right = connect_pair(GetParam());
    wait_group going;
    going.go([&] { EXPECT_FALSE(left.client.write(flood()).has_value()); });
    going.go([&] {
      const auto n = weft::copy(right.client, left.server);
      EXPECT_EQ(n.error(), errc::closed);
      EXPECT_GT(n.error().copied(), 0U);
    });
    wait_until_parked(wait_reason::io_write, 2);
    EXPECT_TRUE(right.client.close().has_value());
    wait_until_parked(wait_reason::io_write, 1);
    EXPECT_TRUE(left.client.close().has_value());
    going.wait().value();
  });
}

TEST_P(copy_test, destination_that_nobody_reads_is_an_error_and_no_signal) {
  in_weft([] {
    auto left = connect_pair(GetParam());
    auto right = connect_pair(GetParam());
    EXPECT_TRUE(right.server.close().has_value());
    const auto& sent = flood();
    wait_group writing;
    writing.go([&] { static_cast<void>(left.client.write(sent)); });
    const auto n = weft::copy(right.client, left.server);
    ASSERT_FALSE(n.has_value());
    EXPECT_TRUE(n.error() == std::errc::broken_pipe || n.error() == std::errc::connection_reset)
        << n.error().message();
    file from(sent);
    EXPECT_EQ(weft::copy(right.client, from).error(), std::errc::broken_pipe);
    EXPECT_TRUE(left.server.close().has_value());
    writing.wait().value();
  });
}

TEST(copy, limit_that_has_passed_ends_it_also_where_nothing_ever_waits) {
  in_weft([] {
    endless from;
    swallowing to;
    const auto [ctx, cancel] = with_cancel(context::background());
    cancel();
    const auto n = weft::copy(to, from, ctx);
    EXPECT_EQ(n.error(), errc::cancelled);
    EXPECT_GT(n.error().copied(), 0U);
    EXPECT_EQ(weft::copy(to, from, long_ago).error(), errc::timeout);
  });
}

TEST(copy, what_the_kernel_cannot_move_goes_through_a_buffer) {
  in_weft([] {
    auto left = connect_pair();
    auto packets = connect_pair("unixpacket");
    file appending(O_APPEND);
    EXPECT_FALSE(in_kernel(packets.client, left.server));
    EXPECT_FALSE(in_kernel(appending, left.server));
    EXPECT_TRUE(left.client.write("hello").has_value());
    EXPECT_TRUE(left.client.close().has_value());
    buffered_reader ahead(left.server);
    EXPECT_EQ(ahead.peek(1).value()[0], 'h');
    EXPECT_EQ(weft::copy(appending, ahead).value(), 5U);
    EXPECT_EQ(appending.content(), "hello");
    file back(std::string("again"));
    EXPECT_EQ(weft::copy(packets.client, back).value(), 5U);
    EXPECT_EQ(read_exactly(packets.server, 5), "again");
  });
}

}  // namespace
}  // namespace weft::net
