// What the server writes: lines, timestamps, msgids, capabilities, ISUPPORT.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "proto/caps.h"
#include "proto/isupport.h"
#include "proto/limits.h"
#include "proto/line_writer.h"
#include "proto/msgid.h"
#include "proto/timestamp.h"

namespace tertulia::proto {
namespace {

TEST(line_writer, puts_a_line_together) {
  std::string out = "before";
  line_writer(out)
      .tag("time", "x y")
      .tag("empty", "")
      .raw_tags("+a=\\s")
      .source("n!u@h")
      .command("PRIVMSG")
      .param("#c")
      .text("hi there")
      .end();
  EXPECT_EQ(out, "before@time=x\\sy;empty;+a=\\s :n!u@h PRIVMSG #c :hi there\r\n");
  out.clear();
  line_writer(out).raw_tags("").source("s").command(5).param("n").param(-12LL).end();
  EXPECT_EQ(out, ":s 005 n -12\r\n");
}

TEST(line_writer, cuts_the_body_between_code_points) {
  std::string text(body_size_max - 4, 'a');
  text += "\xE2\x82\xAC";
  std::string out;
  line_writer(out).tag("t", std::string(600, 't')).command("X").text(text).end();
  const std::string body = out.substr(out.find(' ') + 1);
  EXPECT_EQ(body.size(), body_size_max - 1 + 2);
  EXPECT_TRUE(body.ends_with("a\r\n"));
}

TEST(timestamp, formats_and_parses_milliseconds) {
  EXPECT_EQ(format_timestamp(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_timestamp(1'700'000'000'123), "2023-11-14T22:13:20.123Z");
  for (const std::int64_t ms : {0LL, 951'782'400'001LL, 1'700'000'000'123LL, 4'102'444'799'999LL})
    EXPECT_EQ(parse_timestamp(format_timestamp(ms)), ms);
  EXPECT_EQ(parse_timestamp("2016-12-31T23:59:60.500Z"),
            parse_timestamp("2017-01-01T00:00:00.500Z"));
}

TEST(timestamp, refuses_every_other_form) {
  for (const char* bad :
       {"", "*", "2023-11-14T22:13:20Z", "2023-11-14 22:13:20.123Z", "2023-13-14T22:13:20.123Z",
        "2023-02-29T22:13:20.123Z", "2023-11-14T24:13:20.123Z", "2023-11-14T22:60:20.123Z",
        "2023-11-14T22:13:61.123Z", "2023-11-14T22:13:20.12xZ", "-023-11-14T22:13:20.123Z"})
    EXPECT_EQ(parse_timestamp(bad), std::nullopt) << bad;
}

TEST(msgid, survives_the_way_out_and_back) {
  const line_id id{7, 123456789, 1'700'000'000'123};
  EXPECT_EQ(format_msgid(id), "7-21i3v9-loyw3v5n");
  EXPECT_EQ(parse_msgid(format_msgid(id)), id);
  for (const char* bad : {"", "7", "7-1", "7-1-", "7-1-2-3", "-7-1-2", "07-1-2", "A-1-2", "7--2",
                          "7-1-2 ", "99999999999999999999-1-2"})
    EXPECT_EQ(parse_msgid(bad), std::nullopt) << bad;
}

TEST(caps, requests_are_all_or_nothing) {
  cap_set none;
  const auto two = apply_request("server-time  batch", none);
  ASSERT_TRUE(two);
  EXPECT_TRUE(two->has(cap::server_time) && two->has(cap::batch) && !two->has(cap::echo_message));
  const auto one = apply_request("-batch", *two);
  ASSERT_TRUE(one);
  EXPECT_FALSE(one->has(cap::batch));
  EXPECT_FALSE(apply_request("server-time nonsense", none));
  EXPECT_FALSE(apply_request("Server-Time", none));
  EXPECT_EQ(apply_request("", *two), two);
}

TEST(caps, lists_are_split_at_the_limit) {
  EXPECT_EQ(
      name_lists(all_caps(), 500),
      std::vector<std::string>{"message-tags server-time batch echo-message draft/chathistory"});
  EXPECT_EQ(name_lists(all_caps(), 24).size(), 3U);
  EXPECT_EQ(name_lists(cap_set{}, 500), std::vector<std::string>{""});
}

TEST(isupport, tokens_are_unique_and_fit_their_lines) {
  const auto tokens = isupport_tokens({"my net=1", 50, 60, 4, 6, 500});
  std::set<std::string> keys;
  for (const auto& t : tokens) {
    EXPECT_TRUE(keys.insert(t.substr(0, t.find('='))).second) << t;
    EXPECT_EQ(t.find(' '), t.npos) << t;
  }
  EXPECT_TRUE(keys.contains("CHATHISTORY") && keys.contains("UTF8ONLY"));
  EXPECT_NE(std::ranges::find(tokens, "NETWORK=my\\x20net\\x3D1"), tokens.end());
}

}  // namespace
}  // namespace tertulia::proto
