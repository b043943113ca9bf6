// What clients ask with many parameters: CHATHISTORY and MODE.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/chathistory.h"
#include "proto/modes.h"

namespace tertulia::proto {
namespace {

using words = std::vector<std::string_view>;
using ref = history_ref::kind;

const std::string stamp = "timestamp=2026-11-22T16:30:00.123Z";

TEST(chathistory, requests_are_understood) {
  const auto latest = parse_history(words{"latest", "#c", "*", "50"});
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->command, history_command::latest);
  EXPECT_EQ(latest->target, "#c");
  EXPECT_EQ(latest->first.what, ref::none);
  EXPECT_EQ(latest->limit, 50);

  const auto between = parse_history(words{"BETWEEN", "#c", "msgid=1-2-3", stamp, "9999999999"});
  ASSERT_TRUE(between);
  EXPECT_EQ(between->first.id, (line_id{1, 2, 3}));
  EXPECT_EQ(between->second.what, ref::timestamp);
  EXPECT_EQ(between->limit, INT32_MAX);

  const auto targets = parse_history(words{"TARGETS", stamp, stamp, "5"});
  ASSERT_TRUE(targets);
  EXPECT_EQ(targets->target, "");
}

TEST(chathistory, mistakes_are_named) {
  struct {
    words params;
    std::string_view code, context, text;
  } cases[] = {
      {{}, "INVALID_PARAMS", "", "Insufficient parameters"},
      {{"NEWEST", "#c"}, "INVALID_PARAMS", "", "Unknown command"},
      {{"LATEST", "#c", "*"}, "INVALID_PARAMS", "", "Insufficient parameters"},
      {{"BETWEEN", "#c", stamp, "5"}, "INVALID_PARAMS", "", "Insufficient parameters"},
      {{"BEFORE", "#c", "*", "5"}, "INVALID_MSGREFTYPE", "*", "Unknown type of message reference"},
      {{"BEFORE", "#c", "seq=1", "5"},
       "INVALID_MSGREFTYPE",
       "seq=1",
       "Unknown type of message reference"},
      {{"BEFORE", "#c", "timestamp=x", "5"}, "INVALID_PARAMS", "timestamp=x", "Invalid timestamp"},
      {{"BEFORE", "#c", "msgid=x", "5"}, "INVALID_PARAMS", "msgid=x", "Unknown msgid"},
      {{"LATEST", "#c", "*", "0"}, "INVALID_PARAMS", "0", "Invalid limit"},
      {{"LATEST", "#c", "*", "-99999999999"}, "INVALID_PARAMS", "-99999999999", "Invalid limit"},
      {{"LATEST", "#c", "*", "5x"}, "INVALID_PARAMS", "5x", "Invalid limit"},
      {{"TARGETS", "msgid=1-2-3", stamp, "5"},
       "INVALID_PARAMS",
       "msgid=1-2-3",
       "TARGETS takes timestamps"},
  };
  for (const auto& c : cases) {
    const auto out = parse_history(c.params);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, c.code);
    EXPECT_EQ(out.error().context, c.context);
    EXPECT_EQ(out.error().text, c.text);
  }
}

// written: "+o=ana -i ..." for comparison.
std::string written(const mode_request& r) {
  std::string out;
  for (const auto& c : r.changes) {
    out += c.adds ? '+' : '-';
    out += c.letter;
    if (!c.param.empty()) out.append("=").append(c.param);
    out += ' ';
  }
  if (r.wants_bans) out += "bans ";
  for (const auto letter : r.unknown) out.append("?").append(letter).append(" ");
  if (r.lacks_param) out += "lacks ";
  return out;
}

TEST(modes, requests_are_taken_apart) {
  struct {
    words params;
    std::string_view out;
  } cases[] = {
      {{}, ""},
      {{"+ov-b", "a", "b", "m!*@*"}, "+o=a +v=b -b=m!*@* "},
      {{"im-n+t"}, "+i +m -n +t "},
      {{"b"}, "bans "},
      {{"+b"}, "bans "},
      {{"+k", "key"}, "+k=key "},
      {{"-k", "key"}, "-k=key "},
      {{"-k"}, "-k "},
      {{"+l", "5"}, "+l=5 "},
      {{"-l"}, "-l "},
      {{"-lk", "key"}, "-l -k=key "},
      {{"+l"}, "lacks "},
      {{"+o"}, "lacks "},
      {{"-o"}, "lacks "},
      {{"+xi"}, "+i ?x "},
      {{"+xé-éx€i"}, "-i ?x ?é ?€ "},
      {{"+ooooooo", "1", "2", "3", "4", "5", "6", "7"}, "+o=1 +o=2 +o=3 +o=4 +o=5 +o=6 "},
  };
  for (const auto& c : cases) EXPECT_EQ(written(parse_modes(c.params)), c.out);
}

}  // namespace
}  // namespace tertulia::proto
