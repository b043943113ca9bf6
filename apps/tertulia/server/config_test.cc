#include "server/config.h"

#include <gtest/gtest.h>

#include <string>

#include "server/listen_address.h"

namespace tertulia {
namespace {

TEST(config, nothing_means_the_defaults) {
  const auto parsed = parse_config("");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, config{});
}

TEST(config, the_example_file_holds_the_defaults) {
  const auto loaded = load_config(TERTULIA_EXAMPLE_CONFIG);
  ASSERT_TRUE(loaded) << loaded.error().front().text;
  EXPECT_EQ(*loaded, config{});
}

TEST(config, values_are_taken) {
  const auto parsed = parse_config(
      "[server]\nname = 'a.b'\nlisten = ['0.0.0.0:1', '[::]:0']\nmotd = \"\"\"one\ntwo\"\"\"\n"
      "[limits]\nping_interval_s = 7\nloopback_exempt = false\n"
      "[history]\nrequest_lines_max = 100\n[log]\nlevel = 'debug'\nformat = 'json'\n");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->server.name, "a.b");
  EXPECT_EQ(parsed->server.listen, (std::vector<std::string>{"0.0.0.0:1", "[::]:0"}));
  EXPECT_EQ(parsed->server.motd, "one\ntwo");
  EXPECT_EQ(parsed->limits.ping_interval_s, 7);
  EXPECT_FALSE(parsed->limits.loopback_exempt);
  EXPECT_EQ(parsed->history.request_lines_max, 100);
  EXPECT_EQ(parsed->log.format, "json");
}

TEST(config, each_mistake_is_named_with_its_line) {
  struct {
    const char* toml;
    int line;
    const char* text;
  } cases[] = {
      {"[server]\nnmae = 'x.y'\n", 2, "unknown key server.nmae"},
      {"[sever]\n", 1, "unknown section [sever]"},
      {"x = 1\n", 1, "unknown key x"},
      {"server = 1\n", 1, "server must be a section: [server]"},
      {"[server]\n\nname = 5\n", 3, "server.name must be text in quotes"},
      {"[server]\nname = 'nodot'\n", 2,
       "server.name must look like a host name with a dot in it, at most 63 characters"},
      {"[server]\nnetwork = ''\n", 2,
       "server.network must be 1 to 30 characters without control characters"},
      {"[server]\nlisten = '127.0.0.1:1'\n", 2, "server.listen must be a list of addresses"},
      {"[server]\nlisten = []\n", 2, "server.listen must hold at least one address"},
      {"[server]\nlisten = [1]\n", 2, "server.listen must hold addresses in quotes"},
      {"[server]\nlisten = ['::1:6667']\n", 2,
       "server.listen has \"::1:6667\", which is not host:port ([host]:port for IPv6)"},
      {"[server]\ndata = ''\n", 2, "server.data must not be empty"},
      {"[server]\nmotd = \"\\u0007\"\n", 2, "server.motd must not hold control characters"},
      {"[server]\npassword = \"a\\nb\"\n", 2,
       "server.password must be UTF-8 without control characters, at most 400 bytes: no client "
       "could send it"},
      {"[server]\npassword = 'a'\npassword_file = 'b'\n", 3,
       "server.password and server.password_file exclude each other"},
      {"[limits]\nclients_max = 0\n", 2, "limits.clients_max must lie between 1 and 1000000"},
      {"[limits]\nclients_max = 1.5\n", 2, "limits.clients_max must be a whole number"},
      {"[limits]\nloopback_exempt = 'yes'\n", 2, "limits.loopback_exempt must be true or false"},
      {"[limits]\nsend_queue_soft_bytes = 2048\nsend_queue_hard_bytes = 1024\n", 3,
       "limits.send_queue_soft_bytes must not exceed limits.send_queue_hard_bytes"},
      {"\nlimits.send_queue_hard_bytes = 2048\n", 2,
       "limits.send_queue_soft_bytes must not exceed limits.send_queue_hard_bytes"},
      {"[history]\nrequest_lines_max = 99\n", 2,
       "history.request_lines_max must lie between 100 and 5000"},
      {"[log]\nlevel = 'loud'\n", 2, "log.level must be one of debug info warn error off"},
      {"[log]\nformat = 'xml'\n", 2, "log.format must be one of logfmt json"},
  };
  for (const auto& c : cases) {
    const auto parsed = parse_config(c.toml);
    ASSERT_FALSE(parsed) << c.toml;
    ASSERT_EQ(parsed.error().size(), 1U) << c.toml;
    EXPECT_EQ(parsed.error()[0].line, c.line) << c.toml;
    EXPECT_EQ(parsed.error()[0].text, c.text);
  }
}

TEST(config, all_mistakes_are_reported_in_the_order_of_lines) {
  const auto parsed = parse_config("[log]\nlevel='x'\n[history]\nb=1\njoin_lines=-1\n");
  ASSERT_FALSE(parsed);
  ASSERT_EQ(parsed.error().size(), 3U);
  EXPECT_EQ(parsed.error()[0].line, 2);
  EXPECT_EQ(parsed.error()[1].line, 4);
  EXPECT_EQ(parsed.error()[2].line, 5);
}

TEST(config, what_is_no_toml_is_one_mistake_with_its_line) {
  const auto parsed = parse_config("[server]\nname = \n");
  ASSERT_FALSE(parsed);
  ASSERT_EQ(parsed.error().size(), 1U);
  EXPECT_EQ(parsed.error()[0].line, 2);
}

TEST(config, a_file_that_is_not_there_is_a_mistake) {
  const auto loaded = load_config("/nonexistent/tertuliad.toml");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error()[0].text, "cannot be opened");
}

TEST(listen_address, forms) {
  const auto v6 = parse_listen_address("[::1]:6667");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 6667);
  EXPECT_EQ(parse_listen_address(":0")->host, "");
  for (const char* bad : {"", "a", "a:", "a:x", "a:65536", "::1:5", "[]:5", "[::1:5", "a:-1"})
    EXPECT_FALSE(parse_listen_address(bad)) << bad;
}

}  // namespace
}  // namespace tertulia
