#include "proto/message.h"

#include <gtest/gtest.h>

#include <string>

namespace tertulia::proto {
namespace {

message parsed(std::string_view line) {
  auto out = parse(line);
  EXPECT_TRUE(out.has_value()) << line;
  return out.value_or(message{});
}

std::string joined(const message& m) {
  std::string out(m.command);
  for (const auto p : m.params()) out.append("|").append(p);
  return out;
}

TEST(message, takes_a_line_apart) {
  struct {
    std::string_view line, parts;
  } cases[] = {
      {"PING", "PING"},
      {"PING a", "PING|a"},
      {"PRIVMSG #c :hello world", "PRIVMSG|#c|hello world"},
      {"PRIVMSG #c ::)", "PRIVMSG|#c|:)"},
      {"PRIVMSG #c :", "PRIVMSG|#c|"},
      {"USER a 0 * :Real Name ", "USER|a|0|*|Real Name "},
      {"JOIN   #a    key  ", "JOIN|#a|key"},
      {"  PING   x", "PING|x"},
      {":me PING x", "PING|x"},
      {"@a=b PING x", "PING|x"},
      {"@a=b   :me   PING   x", "PING|x"},
      {"001 x", "001|x"},
      {"X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 :17",
       "X|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15 16 :17"},
      {"X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 :15 16", "X|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15 16"},
      {"PRIVMSG #\xC3\xA9 :\xE2\x82\xAC", "PRIVMSG|#\xC3\xA9|\xE2\x82\xAC"},
  };
  for (const auto& c : cases) EXPECT_EQ(joined(parsed(c.line)), c.parts) << c.line;
}

TEST(message, keeps_tags_and_source) {
  const message m = parsed("@a=1;+b :nick!u@h PRIVMSG #c :x");
  EXPECT_EQ(m.tags, "a=1;+b");
  EXPECT_EQ(m.source, "nick!u@h");
}

TEST(message, refuses_what_is_no_message) {
  using namespace std::string_view_literals;
  struct {
    std::string_view line;
    parse_error error;
  } cases[] = {
      {"A\0B"sv, parse_error::nul},
      {"PRIVMSG #c :a\rb", parse_error::bare_cr},
      {"PRIVMSG #c :\xFF", parse_error::invalid_utf8},
      {"PRIVMSG #c :\xC3", parse_error::invalid_utf8},
      {"@a=\xFF PING x", parse_error::invalid_utf8},
      {"", parse_error::no_command},
      {"   ", parse_error::no_command},
      {"@a=b", parse_error::no_command},
      {"@a=b ", parse_error::no_command},
      {":source", parse_error::no_command},
      {":source  ", parse_error::no_command},
      {"1 x", parse_error::bad_command},
      {"0001 x", parse_error::bad_command},
      {"PI-NG x", parse_error::bad_command},
      {"\x16\x03\x01", parse_error::bad_command},
  };
  for (const auto& c : cases) {
    const auto out = parse(c.line);
    ASSERT_FALSE(out.has_value()) << c.line;
    EXPECT_EQ(out.error(), c.error) << c.line;
    EXPECT_FALSE(text_of(out.error()).empty());
  }
}

TEST(message, commands_compare_without_case) {
  EXPECT_TRUE(is_command("privMsg", "PRIVMSG"));
  EXPECT_FALSE(is_command("PRIVMS", "PRIVMSG"));
  EXPECT_FALSE(is_command("PRIVMSGS", "PRIVMSG"));
}

TEST(tags, are_taken_one_by_one_and_bad_keys_are_skipped) {
  std::string_view rest = "a=1;b;=x;;a b=1;\x01=2;+example.com/key=v=w;";
  std::string seen;
  while (const auto t = next_tag(rest))
    seen.append(t->key).append("|").append(t->value).append(" ");
  EXPECT_EQ(seen, "a|1 b| +example.com/key|v=w ");
}

TEST(tags, of_a_thousand_of_one_key_the_last_is_relayed) {
  std::string tags, out;
  for (int i = 0; i < 1000; ++i)
    tags += "+a=" + std::to_string(i) + ";+b" + std::to_string(i) + ";";
  append_client_only_tags(out, tags);
  EXPECT_TRUE(out.starts_with("+b0;+b1;"));
  EXPECT_TRUE(out.ends_with(";+b998;+a=999;+b999"));
}

TEST(tags, only_client_tags_are_relayed_once) {
  std::string out = "x;";
  append_client_only_tags(out, "time=1;+a=1;label=x;+b;+a=2;+typing=active");
  EXPECT_EQ(out, "x;+b;+a=2;+typing=active");
  out.clear();
  append_client_only_tags(out, "msgid=1");
  EXPECT_EQ(out, "");
}

TEST(tags, values_survive_escaping) {
  const std::string value = "a; b\\c\r\nd:";
  std::string wire;
  append_escaped(wire, value);
  EXPECT_EQ(wire, "a\\:\\sb\\\\c\\r\\nd:");
  std::string back;
  append_unescaped(back, wire);
  EXPECT_EQ(back, value);
}

TEST(tags, a_lone_backslash_is_dropped) {
  std::string out;
  append_unescaped(out, "a\\bc\\");
  EXPECT_EQ(out, "abc");
}

}  // namespace
}  // namespace tertulia::proto
