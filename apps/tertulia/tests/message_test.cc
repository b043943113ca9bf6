// NOTICE PRIVMSG TAGMSG: to channels and to people, and the order in which everything is seen.

#include <thread>

#include "tests/fixture.h"

namespace tertulia::testing {
namespace {

class message_test : public server_test {
 protected:
  void SetUp() override {
    static_cast<void>(ana_.ask("JOIN #c"));
    static_cast<void>(bob_.ask("JOIN #c"));
    static_cast<void>(ana_.settle());
  }

  test_client ana_ = client("ana");
  test_client bob_ = client("bob");
};

TEST_F(message_test, members_see_what_is_said_and_its_sender_does_not) {
  EXPECT_EQ(ana_.ask("PRIVMSG #C :hello"), lines{});
  EXPECT_EQ(ana_.ask("NOTICE #c :note"), lines{});
  EXPECT_EQ(bob_.settle(),
            (lines{mask("ana") + " PRIVMSG #c :hello", mask("ana") + " NOTICE #c :note"}));
}

TEST_F(message_test, errors_of_privmsg) {
  auto eve = client("eve");
  run_table(
      eve,
      {{"PRIVMSG", {":irc.test 411 eve :No recipient given (PRIVMSG)"}},
       {"PRIVMSG #c", {":irc.test 412 eve :No text to send"}},
       {"PRIVMSG #c :", {":irc.test 412 eve :No text to send"}},
       {"PRIVMSG #none :x", {":irc.test 403 eve #none :No such channel"}},
       {"PRIVMSG nobody :x", {":irc.test 401 eve nobody :No such nick/channel"}},
       {"PRIVMSG #c :x", {":irc.test 404 eve #c :Cannot send to channel (+n)"}},
       {"PRIVMSG a,b,c,d,e :x",
        {":irc.test 401 eve a :No such nick/channel", ":irc.test 401 eve b :No such nick/channel",
         ":irc.test 401 eve c :No such nick/channel", ":irc.test 401 eve d :No such nick/channel",
         ":irc.test 407 eve e :Too many targets"}}});
  static_cast<void>(ana_.ask("MODE #c -n+m"));
  run_table(eve, {{"PRIVMSG #c :x", {":irc.test 404 eve #c :Cannot send to channel (+m)"}}});
  static_cast<void>(ana_.ask("MODE #c -m+b eve!*@*"));
  run_table(eve, {{"PRIVMSG #c :x", {":irc.test 404 eve #c :Cannot send to channel (+b)"}}});
  static_cast<void>(ana_.ask("MODE #c -b eve!*@*"));
  static_cast<void>(bob_.settle());
  run_table(eve, {{"PRIVMSG #c :from outside", {}}});
  EXPECT_EQ(bob_.settle(), lines{mask("eve") + " PRIVMSG #c :from outside"});
}

TEST_F(message_test, notices_are_never_answered) {
  auto eve = client("eve");
  run_table(eve, {{"NOTICE", {}},
                  {"NOTICE #c", {}},
                  {"NOTICE #none :x", {}},
                  {"NOTICE nobody :x", {}},
                  {"NOTICE #c :x", {}}});
}

TEST_F(message_test, moderated_channels_hear_those_with_a_rank) {
  static_cast<void>(ana_.ask("MODE #c +m"));
  static_cast<void>(bob_.settle());
  run_table(bob_, {{"PRIVMSG #c :x", {":irc.test 404 bob #c :Cannot send to channel (+m)"}}});
  static_cast<void>(ana_.ask("MODE #c +v bob"));
  static_cast<void>(bob_.settle());
  run_table(bob_, {{"PRIVMSG #c :now", {}}});
  EXPECT_EQ(ana_.settle(), lines{mask("bob") + " PRIVMSG #c :now"});
}

TEST_F(message_test, people_are_spoken_to_and_say_when_they_are_away) {
  run_table(ana_, {{"PRIVMSG BOB :psst", {}}});
  EXPECT_EQ(bob_.settle(), lines{mask("ana") + " PRIVMSG bob :psst"});
  static_cast<void>(bob_.ask("AWAY :lunch"));
  run_table(ana_,
            {{"PRIVMSG bob :psst", {":irc.test 301 ana bob :lunch"}}, {"NOTICE bob :psst", {}}});
}

TEST_F(message_test, tags_and_echoes_go_to_those_who_asked) {
  auto carl = client("carl", "message-tags server-time echo-message");
  static_cast<void>(carl.ask("JOIN #c"));
  static_cast<void>(ana_.settle());
  const auto echo = carl.ask("@+typing=done;label=x PRIVMSG #c :hi");
  ASSERT_EQ(echo.size(), 1U);
  EXPECT_EQ(without_tags(echo[0]), mask("carl") + " PRIVMSG #c :hi");
  EXPECT_EQ(tag_of(echo[0], "+typing"), "done");
  EXPECT_EQ(tag_of(echo[0], "label"), "");
  EXPECT_NE(tag_of(echo[0], "msgid"), "");
  EXPECT_EQ(tag_of(echo[0], "time").size(), 24U);
  EXPECT_EQ(ana_.settle(), lines{mask("carl") + " PRIVMSG #c :hi"});
  const auto direct = carl.ask("PRIVMSG ana :you");
  ASSERT_EQ(direct.size(), 1U);
  EXPECT_EQ(without_tags(direct[0]), mask("carl") + " PRIVMSG ana :you");
  EXPECT_NE(tag_of(direct[0], "msgid"), "");
}

TEST_F(message_test, tagmsg_reaches_only_those_with_tags) {
  auto carl = client("carl", "message-tags");
  auto dora = client("dora", "message-tags");
  for (auto* c : {&carl, &dora}) static_cast<void>(c->ask("JOIN #c"));
  static_cast<void>(carl.settle());
  static_cast<void>(ana_.settle());
  EXPECT_EQ(carl.ask("@+typing=active TAGMSG #c"), lines{});
  const auto seen = dora.settle();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(without_tags(seen[0]), mask("carl") + " TAGMSG #c");
  EXPECT_EQ(tag_of(seen[0], "+typing"), "active");
  EXPECT_EQ(ana_.settle(), lines{});
  run_table(carl, {{"TAGMSG", {":irc.test 411 carl :No recipient given (TAGMSG)"}},
                   {"TAGMSG #none", {":irc.test 403 carl #none :No such channel"}},
                   {"TAGMSG nobody", {":irc.test 401 carl nobody :No such nick/channel"}},
                   {"TAGMSG ana", {}}});
  run_table(ana_, {{"TAGMSG #c", {":irc.test 421 ana TAGMSG :Unknown command"}}});
}

TEST_F(message_test, a_line_is_refused_rather_than_cut) {
  const std::string longest(510 - (mask("ana") + " PRIVMSG #c :").size(), 'x');
  run_table(ana_,
            {{"PRIVMSG #c :" + longest, {}},
             {"PRIVMSG #c :" + longest + "x", {":irc.test 417 ana :Input line was too long"}}});
  EXPECT_EQ(bob_.settle(), lines{mask("ana") + " PRIVMSG #c :" + longest});
}

TEST_F(message_test, pong_comes_after_the_echoes_of_what_was_said_before) {
  auto carl = client("carl", "echo-message");
  static_cast<void>(carl.ask("JOIN #c,#d"));
  std::string burst;
  for (int i = 0; i < 200; ++i)
    burst += "PRIVMSG " + std::string(i % 3 == 0 ? "#d" : "#c") + " :" + std::to_string(i) + "\r\n";
  carl.send_raw(burst + "PRIVMSG #none :x\r\nPING end\r\n");
  for (int i = 0; i < 200; ++i)
    ASSERT_THAT(carl.next(), ::testing::EndsWith(" :" + std::to_string(i)));
  EXPECT_EQ(carl.next(), ":irc.test 403 carl #none :No such channel");
  EXPECT_EQ(carl.next(), ":irc.test PONG irc.test :end");
}

TEST_F(message_test, a_refused_line_is_answered_after_the_echoes_of_those_before) {
  auto carl = client("carl", "echo-message");
  static_cast<void>(carl.ask("JOIN #c"));
  carl.send_raw("PRIVMSG #c :1\r\n" + std::string(600, 'x') + "\r\nPRIVMSG #c :2\r\n\xFF\r\n");
  EXPECT_THAT(carl.settle(),
              ElementsAre(mask("carl") + " PRIVMSG #c :1", HasSubstr(" 417 carl "),
                          mask("carl") + " PRIVMSG #c :2", HasSubstr(" FAIL * INVALID_UTF8 ")));
}

TEST_F(message_test, all_members_see_one_order) {
  constexpr int senders = 6, each = 60;
  std::vector<test_client> talkers;
  for (int i = 0; i < senders; ++i) {
    talkers.push_back(client("t" + std::to_string(i), "echo-message"));
    static_cast<void>(talkers.back().ask("JOIN #c"));
  }
  static_cast<void>(ana_.settle());
  static_cast<void>(bob_.settle());
  for (auto& t : talkers) static_cast<void>(t.settle());
  std::vector<lines> seen(senders);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < senders; ++i)
      threads.emplace_back([&, i] {
        auto& t = talkers[static_cast<std::size_t>(i)];
        for (int n = 0; n < each; ++n)
          t.send("PRIVMSG #c :" + std::to_string(i) + "." + std::to_string(n));
        for (int n = 0; n < senders * each; ++n)
          seen[static_cast<std::size_t>(i)].push_back(t.next());
      });
  }
  const auto by_bystander = ana_.settle();
  EXPECT_EQ(by_bystander.size(), static_cast<std::size_t>(senders * each));
  for (const auto& s : seen) EXPECT_EQ(s, by_bystander);
  EXPECT_EQ(bob_.settle(), by_bystander);
}

}  // namespace
}  // namespace tertulia::testing
