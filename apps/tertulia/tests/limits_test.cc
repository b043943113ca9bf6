// Bad input and limits: what clients must not be able to do, and what the server says about it.

#include <arpa/inet.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/fixture.h"

namespace tertulia::testing {
namespace {

using bad_input = server_test;

TEST_F(bad_input, overlong_lines_are_refused_and_the_next_one_counts) {
  auto c = client("ana");
  const std::string too_long = ":irc.test 417 ana :Input line was too long";
  run_table(c, {{"PRIVMSG bob :" + std::string(600, 'x'), {too_long}},
                {"@a=" + std::string(8192, 'x') + " PING x", {too_long}},
                {"@a=" + std::string(4095, 'x') + " PING x", {too_long}},
                {"@a=" + std::string(4090, 'x') + " PING x", {":irc.test PONG irc.test :x"}}});
}

TEST_F(bad_input, a_line_without_end_is_refused_once) {
  auto c = client("ana");
  for (int i = 0; i < 100; ++i) c.send_raw(std::string(1000, 'x'));
  EXPECT_EQ(c.next(), ":irc.test 417 ana :Input line was too long");
  EXPECT_EQ(c.ask("still the same line"), lines{});
}

TEST_F(bad_input, bytes_that_are_no_text_are_refused) {
  using namespace std::string_literals;
  auto c = client("ana");
  const std::string fail = ":irc.test FAIL * ";
  run_table(c, {{"PRIVMSG #c :\xFF", {fail + "INVALID_UTF8 :Line is not valid UTF-8"}},
                {"PRIVMSG #c :a\0b"s, {fail + "INVALID_MESSAGE :NUL byte in line"}},
                {"PRIVMSG #c :a\rQUIT", {fail + "INVALID_MESSAGE :Bare CR in line"}},
                {"{}", {fail + "INVALID_MESSAGE :Malformed command"}},
                {":source", {fail + "INVALID_MESSAGE :Line has no command"}},
                {"", {}}});
}

TEST_F(bad_input, a_bare_lf_ends_a_line) {
  test_client c(server_.port());
  c.send_raw("NICK ana\nUSER ana 0 * :x\n\n\nPING here\n");
  c.expect(" 422 ");
  EXPECT_EQ(c.next(), ":irc.test PONG irc.test :here");
}

TEST_F(bad_input, a_line_may_come_byte_by_byte) {
  auto c = client("ana");
  for (const char b : std::string("PING slowly\r\n")) c.send_raw({&b, 1});
  EXPECT_EQ(c.next(), ":irc.test PONG irc.test :slowly");
}

TEST_F(bad_input, binary_junk_ends_an_unregistered_connection) {
  using namespace std::string_literals;
  for (const std::string& junk :
       {"\x80\x81\n"s, "\0\0\0\n"s, "\x01\x02\x03 x\r\n"s, "{\"a\":1}\n"s}) {
    test_client c(server_.port());
    c.send_raw(junk);
    EXPECT_THAT(c.rest(), ElementsAre(HasSubstr("ERROR :Closing link: (")));
  }
  server_.wait_for_log("event=no_irc");
}

TEST_F(bad_input, tls_is_recognised_and_closed) {
  test_client c(server_.port());
  c.send_raw("\x16\x03\x01\x02\x05\x01");
  EXPECT_THAT(c.rest(), IsEmpty());
  server_.wait_for_log("event=tls_on_plain_port");
}

TEST_F(bad_input, http_is_recognised_and_closed) {
  test_client c(server_.port());
  c.send_raw("POST / HTTP/1.1\r\nHost: x\r\n\r\nNICK evil\r\nUSER evil 0 * :x\r\n");
  EXPECT_THAT(c.rest(), ElementsAre("ERROR :Closing link: (This is IRC, not HTTP)"));
  server_.wait_for_log("event=http_on_irc_port");
}

TEST_F(bad_input, a_half_closed_connection_is_answered_before_it_ends) {
  auto c = client("ana");
  c.send("PING last");
  c.shut_writing();
  EXPECT_THAT(c.rest(), ElementsAre(":irc.test PONG irc.test :last",
                                    "ERROR :Closing link: (Connection closed)"));
}

TEST(silence, is_asked_about_and_then_ended) {
  temp_folder folder;
  server_process server(folder.path(), "limits.ping_interval_s = 1\nlimits.ping_timeout_s = 1\n");
  test_client c(server.port(), "ana");
  EXPECT_EQ(c.next(), "PING :irc.test");
  c.send("PONG irc.test");
  EXPECT_EQ(c.next(), "PING :irc.test");
  EXPECT_THAT(c.rest(), ElementsAre("ERROR :Closing link: (Ping timeout: 2 seconds)"));
}

TEST(send_queue, one_who_reads_nothing_is_cut_off_at_the_hard_mark) {
  temp_folder folder;
  server_process server(folder.path(),
                        "limits.send_queue_soft_bytes = 4096\n"
                        "limits.send_queue_hard_bytes = 65536\n");
  test_client slow(server.port(), "slow");
  test_client ana(server.port(), "ana");
  static_cast<void>(slow.ask("JOIN #c"));
  static_cast<void>(ana.ask("JOIN #c"));
  // The kernel's buffers fill first, then the queue. ana is never held up.
  const std::string text = "NOTICE #c :" + std::string(400, 'x');
  wait_until("slow being cut off", [&] {
    std::string burst;
    for (int i = 0; i < 200; ++i) burst += text + "\r\n";
    ana.send_raw(burst);
    return std::ranges::any_of(ana.settle(), [](const std::string& line) {
      return line == ":slow!slow@127.0.0.1 QUIT :SendQ exceeded";
    });
  });
  // The nick is given back a moment later than the QUIT is said.
  wait_until("slow being gone", [&] { return ana.ask("WHOIS slow").size() == 2U; });
}

TEST(send_queue, one_who_asks_and_does_not_read_is_read_from_no_more) {
  temp_folder folder;
  server_process server(folder.path(),
                        "limits.send_queue_soft_bytes = 4096\n"
                        "limits.send_queue_hard_bytes = 1000000\n"
                        "server.motd = '" +
                            std::string(8000, 'm') + "'\n");
  test_client c(server.port());
  c.send("NICK ana");
  c.send("USER ana 0 * :x");
  c.expect(" 376 ");
  // 40 MB of answers are asked for; without the soft mark the hard one would end this.
  constexpr int asked = 5000;
  std::string burst;
  for (int i = 0; i < asked; ++i) burst += "MOTD\r\n";
  c.send_raw(burst);
  int ends = 0;
  while (ends < asked)
    if (c.next().find(" 376 ") != std::string::npos) ++ends;
  EXPECT_EQ(c.settle(), lines{});
}

TEST(flood_control, slows_down_and_drops_nothing) {
  temp_folder folder;
  server_process server(folder.path(),
                        "limits.loopback_exempt = false\n"
                        "limits.flood_burst_lines = 10\nlimits.flood_lines_per_s = 100\n");
  test_client c(server.port(), "ana");
  std::string burst;
  for (int i = 0; i < 60; ++i) burst += "PING " + std::to_string(i) + "\r\n";
  const auto before = std::chrono::steady_clock::now();
  c.send_raw(burst);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(c.next(), ":irc.test PONG irc.test :" + std::to_string(i));
  // At least what the bucket allows: 60 lines, 10 of them at once, the others 10 ms apart.
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(450));
}

TEST(connections_per_address, are_limited_unless_exempt) {
  temp_folder folder;
  server_process server(folder.path(),
                        "limits.loopback_exempt = false\nlimits.connections_per_address_max = 2\n");
  auto one = std::make_unique<test_client>(server.port());
  test_client two(server.port());
  static_cast<void>(one->ask("PONG"));
  static_cast<void>(two.ask("PONG"));
  test_client three(server.port());
  EXPECT_THAT(three.rest(), ElementsAre("ERROR :Too many connections from your address"));
  one->send("QUIT");
  static_cast<void>(one->rest());
  server.wait_for_log("event=client_gone");
  test_client four(server.port(), "four");
  EXPECT_EQ(four.ask("PING x"), lines{":irc.test PONG irc.test :x"});
}

TEST(clients_max, is_the_end_of_it) {
  temp_folder folder;
  server_process server(folder.path(), "limits.clients_max = 1\n");
  test_client one(server.port(), "one");
  test_client two(server.port());
  EXPECT_THAT(two.rest(), ElementsAre("ERROR :Server is full"));
}

TEST(descriptors, running_out_of_them_does_not_stop_the_server) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP()
      << "UBSan's vptr check looks at memory through a pipe, and takes having no descriptor "
         "for one as a bad object";
#endif
  temp_folder folder;
  server_process server(folder.path());
  test_client ana(server.port(), "ana");
  const rlimit few{64, 64};
  ASSERT_EQ(::prlimit(server.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  std::vector<std::unique_ptr<test_client>> crowd;
  for (int i = 0; i < 80; ++i) crowd.push_back(std::make_unique<test_client>(server.port()));
  // The last ones are closed for want of a descriptor.
  EXPECT_THAT(crowd.back()->rest(), IsEmpty());
  EXPECT_EQ(ana.ask("PING x"), lines{":irc.test PONG irc.test :x"});
  crowd.clear();
  wait_until("room for another client", [&] {
    test_client c(server.port());
    c.send("QUIT");
    return !c.rest().empty();
  });
  server.wait_for_log("event=out_of_descriptors");
  EXPECT_THAT(ana.ask("JOIN #c"), Contains(mask("ana") + " JOIN #c"));
}

}  // namespace
}  // namespace tertulia::testing
