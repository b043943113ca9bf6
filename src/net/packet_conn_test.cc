#include <sys/socket.h>
#include <sys/stat.h>
#include <weft/context.h>
#include <weft/net.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/net_test.h"

namespace weft::net {
namespace {

using namespace std::chrono_literals;
using namespace net_test;
using sched::wait_reason;

const auto long_ago = packet_conn::clock::time_point(1ns);

// where: a fresh place on `network`.
std::string where(std::string_view network) {
  static std::atomic<int> next{0};
  if (network == "unixgram") {
    return "@weft-packet-test-" + std::to_string(::getpid()) + "-" + std::to_string(++next);
  }
  return network == "udp6" ? "[::1]:0" : "127.0.0.1:0";
}

struct talking {
  packet_conn server;
  packet_conn client;  // dialled to it
};

talking connect_packets(const char* network) {
  talking both;
  both.server = listen_packet(network, where(network)).value();
  dial_packet_options options;
  if (std::string_view(network) == "unixgram") {
    options.local = address::unix_socket(where(network)).value();
  }
  both.client = dial_packet(network, both.server.local_address().to_string(), options).value();
  return both;
}

std::string text_of(std::span<const char> buffer, std::size_t size) {
  return {buffer.data(), size};
}

class packet_test : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(networks, packet_test, ::testing::Values("udp4", "udp6", "unixgram"),
                         [](const auto& which) { return std::string(which.param); });

TEST_P(packet_test, packets_go_both_ways_and_say_whose_they_are) {
  in_weft([] {
    auto [server, client] = connect_packets(GetParam());
    EXPECT_EQ(client.write("question").value(), 8U);
    std::array<char, 100> buffer;
    const auto got = server.read_from(buffer).value();
    EXPECT_EQ(text_of(buffer, got.size), "question");
    EXPECT_EQ(got.from, client.local_address());
    EXPECT_EQ(server.write_to(std::string_view("answer"), got.from).value(), 6U);
    EXPECT_EQ(client.read(buffer).value(), 6U);
    EXPECT_EQ(client.remote_address(), server.local_address());
    EXPECT_EQ(server.remote_address(), address());
  });
}

TEST_P(packet_test, each_read_takes_one_packet_and_an_empty_one_is_no_end) {
  in_weft([] {
    auto [server, client] = connect_packets(GetParam());
    for (const std::string_view text : {"one", "", "three"}) {
      EXPECT_EQ(client.write(text).value(), text.size());
    }
    std::array<char, 100> buffer;
    EXPECT_EQ(server.read_from(buffer).value().size, 3U);
    EXPECT_EQ(server.read(buffer).value(), 0U);
    EXPECT_EQ(server.read(buffer).value(), 5U);
  });
}

TEST_P(packet_test, what_did_not_fit_is_told) {
  in_weft([] {
    auto [server, client] = connect_packets(GetParam());
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.write("0123456789").has_value());
    std::array<char, 4> small;
    const auto got = server.read_from(small).value();
    EXPECT_EQ(text_of(small, got.size), "0123");
    EXPECT_EQ(got.whole_size, 10U);
    EXPECT_TRUE(got.truncated());
    EXPECT_EQ(server.read(small).error(), std::errc::message_size);
    const auto none = server.read_from({}).value();
    EXPECT_EQ(none.size, 0U);
    EXPECT_EQ(none.whole_size, 10U);
    EXPECT_EQ(server.read_from(small, 0ms).error(), errc::timeout);
  });
}

TEST_P(packet_test, read_waits_and_limits_deadlines_and_close_end_it) {
  in_weft([] {
    auto [server, client] = connect_packets(GetParam());
    std::array<char, 100> buffer;
    EXPECT_EQ(server.read_from(buffer, 1ms).error(), errc::timeout);
    const auto [ctx, cancel] = with_cancel(context::background());
    wait_group reading;
    reading.go([&] {
      std::array<char, 100> mine;
      EXPECT_EQ(server.read_from(mine, ctx).error(), errc::cancelled);
    });
    wait_until_parked(wait_reason::io_read, 1);
    cancel();
    reading.wait().value();
    reading.go([&] {
      std::array<char, 100> mine;
      EXPECT_EQ(server.read_from(mine).error(), errc::timeout);
    });
    wait_until_parked(wait_reason::io_read, 1);
    server.set_read_deadline(long_ago);
    reading.wait().value();
    EXPECT_TRUE(client.write("x").has_value());
    EXPECT_EQ(server.read_from(buffer).error(), errc::timeout);
    server.set_deadline(conn::no_deadline);
    EXPECT_EQ(server.read_from(buffer).value().size, 1U);
    for (int i = 0; i < 3; ++i) {
      reading.go([&] {
        std::array<char, 100> mine;
        EXPECT_EQ(server.read_from(mine).error(), errc::closed);
      });
    }
    wait_until_parked(wait_reason::io_read, 3);
    EXPECT_TRUE(server.close().has_value());
    reading.wait().value();
    EXPECT_EQ(server.close().error(), errc::closed);
    EXPECT_EQ(server.write_to(std::string_view("x"), client.local_address()).error(), errc::closed);
  });
}

TEST_P(packet_test, destroying_ends_waiting_calls) {
  in_weft([] {
    auto both = connect_packets(GetParam());
    auto shared = std::make_unique<packet_conn>(std::move(both.server));
    wait_group reading;
    reading.go([&c = *shared] {
      std::array<char, 10> buffer;
      EXPECT_EQ(c.read(buffer).error(), errc::closed);
    });
    wait_until_parked(wait_reason::io_read, 1);
    shared.reset();
    reading.wait().value();
  });
}

TEST_P(packet_test, dialled_ones_have_one_peer_and_others_none) {
  in_weft([] {
    auto [server, client] = connect_packets(GetParam());
    EXPECT_EQ(client.write_to(std::string_view("x"), server.local_address()).error(),
              std::errc::already_connected);
    EXPECT_FALSE(server.write("x").has_value());
    // A packet from somebody else does not reach a socket that was dialled.
    auto stranger = listen_packet(GetParam(), where(GetParam())).value();
    if (std::string_view(GetParam()) != "unixgram") {
      EXPECT_TRUE(stranger.write_to(std::string_view("x"), client.local_address()).has_value());
    }
    EXPECT_TRUE(server.write_to(std::string_view("mine"), client.local_address()).has_value());
    std::array<char, 10> buffer;
    EXPECT_EQ(client.read(buffer).value(), 4U);
  });
}

TEST_P(packet_test, errors_name_operation_address_and_reason) {
  in_weft([] {
    const std::string network = GetParam();
    auto [server, client] = connect_packets(GetParam());
    const std::string word = network == "unixgram" ? "unixgram" : "udp";
    const auto there = server.local_address().to_string();
    const std::string huge(1'000'000, 'x');
    const auto mine = client.write(huge);
    EXPECT_EQ(mine.error().message(), "write " + word + " " + there + ": message too long");
    EXPECT_EQ(mine.error().written(), 0U);
    const auto to = client.local_address();
    EXPECT_EQ(server.write_to(huge, to).error().message(),
              "write " + word + " " + to.to_string() + ": message too long");
    std::array<char, 10> buffer;
    EXPECT_EQ(server.read_from(buffer, 0ms).error().message(),
              "read " + word + " " + there + ": deadline exceeded");
  });
}

TEST_P(packet_test, plain_threads_use_it_while_a_runtime_runs) {
  in_weft([] {
    auto both = connect_packets(GetParam());
    std::thread other([&] {
      std::array<char, 10> buffer;
      const auto got = both.server.read_from(buffer).value();
      EXPECT_TRUE(both.server.write_to({buffer.data(), got.size}, got.from).has_value());
    });
    EXPECT_TRUE(both.client.write("ping").has_value());
    std::array<char, 10> buffer;
    EXPECT_EQ(both.client.read(buffer).value(), 4U);
    sync_test::join_from_goroutine(other);
  });
}

TEST(packet_udp, dual_socket_talks_to_both_families_and_ip4_reads_as_ip4) {
  in_weft([] {
    auto server = listen_packet("udp", ":0").value();
    const auto port = std::to_string(server.local_address().port());
    std::array<char, 10> buffer;
    for (const char* host : {"127.0.0.1:", "[::1]:"}) {
      auto client = dial_packet("udp", host + port).value();
      EXPECT_TRUE(client.write("x").has_value());
      const auto got = server.read_from(buffer).value();
      EXPECT_EQ(got.from, client.local_address());
      EXPECT_TRUE(server.write_to(std::string_view("yz"), got.from).has_value());
      EXPECT_EQ(client.read(buffer).value(), 2U);
    }
  });
}

TEST(packet_udp, refusal_by_the_other_end_shows_at_the_next_call) {
  in_weft([] {
    std::string there;
    {
      auto gone = listen_packet("udp4", "127.0.0.1:0").value();
      there = gone.local_address().to_string();
    }
    auto client = dial_packet("udp", there).value();
    EXPECT_TRUE(client.write("x").has_value());
    std::array<char, 10> buffer;
    const auto got = client.read(buffer);
    EXPECT_EQ(got.error().message(), "read udp " + there + ": connection refused");
  });
}

TEST(packet_udp, broadcast_is_allowed_and_ports_can_be_shared) {
  in_weft([] {
    auto first = listen_packet("udp4", "127.0.0.1:0", {.reuse_port = true}).value();
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(first.native_handle(), SOL_SOCKET, SO_BROADCAST, &value, &size), 0);
    EXPECT_EQ(value, 1);
    const auto there = first.local_address().to_string();
    EXPECT_TRUE(listen_packet("udp4", there, {.reuse_port = true}).has_value());
    EXPECT_EQ(listen_packet("udp4", there).error().message(),
              "listen udp " + there + ": address already in use");
  });
}

TEST(packet_unix, file_comes_and_goes_with_the_socket) {
  in_weft([] {
    const socket_path path;
    const socket_path mine;
    auto server = listen_packet("unixgram", path.text(), {.unix_mode = 0600}).value();
    struct stat s{};
    EXPECT_EQ(::stat(path.text().c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 0777, 0600U);
    EXPECT_EQ(listen_packet("unixgram", path.text()).error(), std::errc::address_in_use);
    {
      auto client =
          dial_packet("unixgram", path.text(), {.local = address::unix_socket(mine.text()).value()})
              .value();
      EXPECT_TRUE(mine.exists());
      EXPECT_TRUE(client.write("x").has_value());
      std::array<char, 10> buffer;
      EXPECT_EQ(server.read_from(buffer).value().from.to_string(), mine.text());
    }
    EXPECT_FALSE(mine.exists());
    EXPECT_TRUE(server.close().has_value());
    EXPECT_FALSE(path.exists());
    EXPECT_EQ(dial_packet("unixgram", path.text()).error(), std::errc::no_such_file_or_directory);
  });
}

TEST(packet_unix, that_no_runtime_can_hold_leaves_no_file) {
  const socket_path path;
  EXPECT_THROW(static_cast<void>(listen_packet("unixgram", path.text())), misuse_error);
  EXPECT_FALSE(path.exists());
}

TEST(packet_unix, sender_without_a_name_is_from_nowhere) {
  in_weft([] {
    auto server = listen_packet("unixgram", where("unixgram")).value();
    auto client = dial_packet("unixgram", server.local_address().to_string()).value();
    EXPECT_TRUE(client.write("x").has_value());
    std::array<char, 10> buffer;
    EXPECT_EQ(server.read_from(buffer).value().from, address());
  });
}

TEST(packet_unix, full_queue_makes_writers_wait_also_those_nobody_wakes) {
  in_weft([] {
    auto [server, client] = connect_packets("unixgram");
    auto free_sender = listen_packet("unixgram", where("unixgram")).value();
    int sent = 0;
    while (client.write("x", 0ms)) ++sent;
    EXPECT_EQ(free_sender.write_to(std::string_view("y"), server.local_address(), 1ms).error(),
              errc::timeout);
    wait_group writing;
    writing.go([&] { EXPECT_TRUE(client.write("x").has_value()); });
    writing.go([&] {
      EXPECT_TRUE(free_sender.write_to(std::string_view("y"), server.local_address()).has_value());
    });
    wait_until_parked(wait_reason::io_write, 2);
    std::array<char, 10> buffer;
    for (int i = 0; i < sent + 2; ++i) EXPECT_EQ(server.read(buffer).value(), 1U);
    writing.wait().value();
  });
}

TEST(packet_empty, every_call_says_closed) {
  packet_conn none;
  std::array<char, 10> buffer;
  EXPECT_EQ(none.read_from(buffer).error(), errc::closed);
  EXPECT_EQ(none.read(buffer).error(), errc::closed);
  EXPECT_EQ(none.write("x").error(), errc::closed);
  EXPECT_EQ(none.write_to(std::string_view("x"), address()).error(), errc::closed);
  EXPECT_EQ(none.close().error(), errc::closed);
  EXPECT_EQ(none.local_address(), address());
  EXPECT_EQ(none.remote_address(), address());
  EXPECT_EQ(none.native_handle(), -1);
  none.set_deadline(long_ago);
}

TEST(packet_words, networks_of_streams_are_refused_and_the_other_way_round) {
  in_weft([] {
    EXPECT_EQ(listen_packet("tcp", ":0").error(), errc::unknown_network);
    EXPECT_EQ(dial_packet("unix", "@x").error(), errc::unknown_network);
    EXPECT_EQ(dial("udp", "127.0.0.1:1").error(), errc::unknown_network);
    EXPECT_EQ(listen("unixgram", "@x").error(), errc::unknown_network);
    EXPECT_EQ(dial_packet("udp6", "127.0.0.1:1").error(), errc::bad_address);
  });
}

TEST(packet_stress, many_writers_lose_nothing_to_each_other) {
  // Unix datagrams are neither lost nor overtaken, so each packet must arrive whole.
  in_weft([] {
    auto [server, client] = connect_packets("unixgram");
    constexpr int writers = 4;
    const int each = scaled(1'000);
    wait_group writing;
    for (int i = 0; i < writers; ++i) {
      writing.go([&, i] {
        const std::string bytes(static_cast<std::size_t>(i + 1) * 100, static_cast<char>('a' + i));
        for (int k = 0; k < each; ++k) EXPECT_EQ(client.write(bytes).value(), bytes.size());
      });
    }
    std::array<int, writers> seen{};
    std::array<char, 1000> buffer;
    for (int k = 0; k < writers * each; ++k) {
      const auto n = server.read(buffer).value();
      const auto who = static_cast<std::size_t>(buffer[0] - 'a');
      ASSERT_EQ(n, (who + 1) * 100);
      EXPECT_EQ(std::ranges::count(std::span(buffer).first(n), buffer[0]), std::ptrdiff_t(n));
      ++seen[who];
    }
    for (const int n : seen) EXPECT_EQ(n, each);
    writing.wait().value();
  });
}

TEST(unixpacket, connection_keeps_packets_apart) {
  in_weft([] {
    auto [client, server] = connect_pair("unixpacket");
    EXPECT_TRUE(client.write("one").has_value());
    const std::array<std::span<const char>, 2> pieces{std::span<const char>("tw", 2),
                                                      std::span<const char>("o", 1)};
    EXPECT_EQ(client.writev(pieces).value(), 3U);
    EXPECT_TRUE(client.write("0123456789").has_value());
    EXPECT_TRUE(client.write("last").has_value());
    std::array<char, 4> buffer;
    EXPECT_EQ(server.read(buffer).value(), 3U);
    EXPECT_EQ(text_of(buffer, 3), "one");
    EXPECT_EQ(server.read(buffer).value(), 3U);
    EXPECT_EQ(text_of(buffer, 3), "two");
    EXPECT_EQ(server.read(buffer).error(), std::errc::message_size);
    EXPECT_EQ(server
                  .read_lent([](std::span<const char> bytes) {
                    EXPECT_EQ(text_of(bytes, bytes.size()), "last");
                  })
                  .value(),
              4U);
    EXPECT_TRUE(client.close().has_value());
    EXPECT_EQ(server.read(buffer).error(), errc::eof);
  });
}

TEST(unixpacket, too_many_pieces_for_one_packet_send_none) {
  in_weft([] {
    auto [client, server] = connect_pair("unixpacket");
    const std::vector<std::span<const char>> pieces(65, std::span<const char>("x", 1));
    EXPECT_EQ(client.writev(pieces).error(), std::errc::message_size);
    EXPECT_EQ(client.writev(std::span(pieces).first(64)).value(), 64U);
    std::array<char, 100> buffer;
    EXPECT_EQ(server.read(buffer).value(), 64U);
  });
}

}  // namespace
}  // namespace weft::net
