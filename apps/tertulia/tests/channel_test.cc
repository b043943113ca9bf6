// INVITE JOIN KICK MODE NAMES PART TOPIC: every reply and every error.

#include "tests/fixture.h"

namespace tertulia::testing {
namespace {

class channel_test : public server_test {
 protected:
  // ana founds #c, bob comes in.
  void SetUp() override {
    static_cast<void>(ana_.ask("JOIN #c"));
    static_cast<void>(bob_.ask("JOIN #c"));
    static_cast<void>(ana_.settle());
  }

  test_client ana_ = client("ana");
  test_client bob_ = client("bob");
  test_client eve_ = client("eve");
};

TEST_F(channel_test, join) {
  auto c = client("carl");
  EXPECT_EQ(c.ask("JOIN #new"),
            (lines{mask("carl") + " JOIN #new", ":irc.test 353 carl = #new :@carl",
                   ":irc.test 366 carl #new :End of /NAMES list"}));
  run_table(c,
            {
                {"JOIN #new", {}},
                {"JOIN", {":irc.test 461 carl JOIN :Not enough parameters"}},
                {"JOIN :", {":irc.test 461 carl JOIN :Not enough parameters"}},
                {"JOIN ,", {":irc.test 461 carl JOIN :Not enough parameters"}},
                {"JOIN nothash", {":irc.test 403 carl nothash :No such channel"}},
                {"JOIN #", {":irc.test 403 carl # :No such channel"}},
                {"JOIN &local", {":irc.test 403 carl &local :No such channel"}},
                {"JOIN #a,#b",
                 {mask("carl") + " JOIN #a", ":irc.test 353 carl = #a :@carl",
                  ":irc.test 366 carl #a :End of /NAMES list", mask("carl") + " JOIN #b",
                  ":irc.test 353 carl = #b :@carl", ":irc.test 366 carl #b :End of /NAMES list"}},
            });
  EXPECT_THAT(c.ask("JOIN #1,#2,#3,#4,#5,#6"), Contains(mask("carl") + " JOIN #6"));
  EXPECT_THAT(c.ask("JOIN 0"), Contains(mask("carl") + " PART #new"));
  EXPECT_THAT(c.ask("WHOIS carl"), Not(Contains(HasSubstr(" 319 "))));
}

TEST_F(channel_test, a_join_is_seen_by_all_members) {
  static_cast<void>(eve_.ask("JOIN #C"));
  EXPECT_EQ(ana_.settle(), lines{mask("eve") + " JOIN #c"});
  EXPECT_EQ(bob_.settle(), lines{mask("eve") + " JOIN #c"});
}

TEST_F(channel_test, join_is_refused_by_modes) {
  static_cast<void>(ana_.ask("MODE #c +k key"));
  run_table(eve_, {{"JOIN #c", {":irc.test 475 eve #c :Cannot join channel (+k)"}},
                   {"JOIN #c wrong", {":irc.test 475 eve #c :Cannot join channel (+k)"}}});
  EXPECT_THAT(eve_.ask("JOIN #c key"), Contains(mask("eve") + " JOIN #c"));
  static_cast<void>(eve_.ask("PART #c"));
  static_cast<void>(ana_.ask("MODE #c -k+l * 2"));
  run_table(eve_, {{"JOIN #c", {":irc.test 471 eve #c :Cannot join channel (+l)"}}});
  static_cast<void>(ana_.ask("MODE #c -l+b eve!*@*"));
  run_table(eve_, {{"JOIN #c", {":irc.test 474 eve #c :Cannot join channel (+b)"}}});
  static_cast<void>(ana_.ask("MODE #c -b+i eve!*@*"));
  run_table(eve_, {{"JOIN #c", {":irc.test 473 eve #c :Cannot join channel (+i)"}}});
}

TEST_F(channel_test, part) {
  run_table(eve_, {
                      {"PART", {":irc.test 461 eve PART :Not enough parameters"}},
                      {"PART :", {":irc.test 461 eve PART :Not enough parameters"}},
                      {"PART #c", {":irc.test 442 eve #c :You're not on that channel"}},
                      {"PART #none", {":irc.test 403 eve #none :No such channel"}},
                  });
  EXPECT_EQ(bob_.ask("PART #c :so long"), lines{mask("bob") + " PART #c :so long"});
  EXPECT_EQ(ana_.settle(), lines{mask("bob") + " PART #c :so long"});
  EXPECT_EQ(ana_.ask("PART #C"), lines{mask("ana") + " PART #c"});
}

TEST_F(channel_test, quit_is_seen_once_by_those_who_share_channels) {
  for (auto* c : {&ana_, &bob_}) static_cast<void>(c->ask("JOIN #d"));
  static_cast<void>(ana_.settle());
  bob_.send("QUIT :bye");
  EXPECT_EQ(ana_.next(), mask("bob") + " QUIT :Quit: bye");
  EXPECT_EQ(ana_.settle(), lines{});
  EXPECT_EQ(eve_.settle(), lines{});
}

TEST_F(channel_test, a_lost_connection_is_a_quit) {
  bob_.close();
  EXPECT_THAT(ana_.next(), HasSubstr(mask("bob") + " QUIT :"));
}

TEST_F(channel_test, a_rename_is_seen_once_and_ranks_stay) {
  for (auto* c : {&ana_, &bob_}) static_cast<void>(c->ask("JOIN #d"));
  static_cast<void>(bob_.settle());
  static_cast<void>(ana_.settle());
  EXPECT_EQ(ana_.ask("NICK anna"), lines{mask("ana") + " NICK anna"});
  EXPECT_EQ(bob_.settle(), lines{mask("ana") + " NICK anna"});
  EXPECT_THAT(bob_.ask("NAMES #c"), Contains(HasSubstr("@anna")));
  EXPECT_EQ(bob_.ask("KICK #c anna"), lines{":irc.test 482 bob #c :You're not channel operator"});
}

TEST_F(channel_test, topic) {
  run_table(eve_, {{"TOPIC", {":irc.test 461 eve TOPIC :Not enough parameters"}},
                   {"TOPIC #none", {":irc.test 403 eve #none :No such channel"}},
                   {"TOPIC #c", {":irc.test 331 eve #c :No topic is set"}},
                   {"TOPIC #c :mine", {":irc.test 442 eve #c :You're not on that channel"}}});
  run_table(bob_, {{"TOPIC #c :mine", {":irc.test 482 bob #c :You're not channel operator"}}});
  run_table(ana_, {{"TOPIC #c :of the day", {mask("ana") + " TOPIC #c :of the day"}}});
  EXPECT_EQ(bob_.settle(), lines{mask("ana") + " TOPIC #c :of the day"});
  const auto shown = bob_.ask("TOPIC #c");
  ASSERT_EQ(shown.size(), 2U);
  EXPECT_EQ(shown[0], ":irc.test 332 bob #c :of the day");
  EXPECT_THAT(shown[1], HasSubstr(":irc.test 333 bob #c ana!ana@127.0.0.1 "));
  EXPECT_THAT(eve_.ask("JOIN #c"), Contains(":irc.test 332 eve #c :of the day"));
  static_cast<void>(ana_.ask("MODE #c -t"));
  EXPECT_THAT(bob_.ask("TOPIC #c :"), Contains(mask("bob") + " TOPIC #c :"));
  run_table(ana_, {{"MODE #c +s", {mask("bob") + " TOPIC #c :", mask("ana") + " MODE #c +s"}}});
  auto carl = client("carl");
  run_table(carl, {{"TOPIC #c", {":irc.test 442 carl #c :You're not on that channel"}}});
}

TEST_F(channel_test, names) {
  EXPECT_THAT(eve_.ask("NAMES #c"), Contains(HasSubstr(":irc.test 353 eve = #c :")));
  run_table(
      eve_,
      {{"NAMES", {":irc.test 366 eve * :End of /NAMES list"}},
       {"NAMES #none", {":irc.test 366 eve #none :End of /NAMES list"}},
       {"NAMES #1,#2,#3,#4,#5",
        {":irc.test 366 eve #1 :End of /NAMES list", ":irc.test 366 eve #2 :End of /NAMES list",
         ":irc.test 366 eve #3 :End of /NAMES list", ":irc.test 366 eve #4 :End of /NAMES list",
         ":irc.test 407 eve #5 :Too many targets"}}});
  static_cast<void>(bob_.ask("MODE bob +i"));
  EXPECT_EQ(eve_.ask("NAMES #c"),
            (lines{":irc.test 353 eve = #c :@ana", ":irc.test 366 eve #c :End of /NAMES list"}));
  static_cast<void>(ana_.ask("MODE #c +s"));
  run_table(eve_, {{"NAMES #c", {":irc.test 366 eve #c :End of /NAMES list"}}});
  EXPECT_THAT(ana_.ask("NAMES #c"), Contains(HasSubstr(":irc.test 353 ana @ #c :")));
}

TEST_F(channel_test, kick) {
  run_table(eve_, {{"KICK #c", {":irc.test 461 eve KICK :Not enough parameters"}},
                   {"KICK #c :", {":irc.test 461 eve KICK :Not enough parameters"}},
                   {"KICK #none bob", {":irc.test 403 eve #none :No such channel"}},
                   {"KICK #c bob", {":irc.test 442 eve #c :You're not on that channel"}}});
  run_table(bob_, {{"KICK #c ana", {":irc.test 482 bob #c :You're not channel operator"}}});
  run_table(
      ana_,
      {{"KICK #c eve", {":irc.test 441 ana eve #c :They aren't on that channel"}},
       {"KICK #c nobody", {":irc.test 401 ana nobody :No such nick/channel"}},
       {"KICK #c 1,2,3,4,5",
        {":irc.test 401 ana 1 :No such nick/channel", ":irc.test 401 ana 2 :No such nick/channel",
         ":irc.test 401 ana 3 :No such nick/channel", ":irc.test 401 ana 4 :No such nick/channel",
         ":irc.test 407 ana 5 :Too many targets"}},
       {"KICK #c bob :out", {mask("ana") + " KICK #c bob :out"}}});
  EXPECT_EQ(bob_.settle(), lines{mask("ana") + " KICK #c bob :out"});
  run_table(bob_, {{"PART #c", {":irc.test 442 bob #c :You're not on that channel"}}});
  static_cast<void>(bob_.ask("JOIN #c"));
  static_cast<void>(eve_.ask("JOIN #c"));
  static_cast<void>(ana_.settle());
  run_table(ana_, {{"KICK #c bob,eve",
                    {mask("ana") + " KICK #c bob :ana", mask("ana") + " KICK #c eve :ana"}}});
}

TEST_F(channel_test, invite) {
  run_table(eve_, {{"INVITE bob", {":irc.test 461 eve INVITE :Not enough parameters"}},
                   {"INVITE nobody #c", {":irc.test 401 eve nobody :No such nick/channel"}},
                   {"INVITE bob #none", {":irc.test 403 eve #none :No such channel"}},
                   {"INVITE bob #c", {":irc.test 442 eve #c :You're not on that channel"}}});
  static_cast<void>(ana_.ask("MODE #c +i"));
  static_cast<void>(bob_.settle());
  run_table(bob_, {{"INVITE eve #c", {":irc.test 482 bob #c :You're not channel operator"}}});
  static_cast<void>(eve_.ask("AWAY :lunch"));
  run_table(ana_,
            {{"INVITE bob #c", {":irc.test 443 ana bob #c :is already on channel"}},
             {"INVITE eve #c", {":irc.test 341 ana eve #c", ":irc.test 301 ana eve :lunch"}}});
  EXPECT_EQ(eve_.settle(), lines{mask("ana") + " INVITE eve #c"});
  EXPECT_THAT(eve_.ask("JOIN #c"), Contains(mask("eve") + " JOIN #c"));
  static_cast<void>(eve_.ask("PART #c"));
  run_table(eve_, {{"JOIN #c", {":irc.test 473 eve #c :Cannot join channel (+i)"}}});
}

TEST_F(channel_test, only_an_operators_invitation_goes_before_a_ban) {
  static_cast<void>(ana_.ask("MODE #c +b eve!*@*"));
  static_cast<void>(bob_.settle());
  run_table(bob_, {{"INVITE eve #c", {":irc.test 341 bob eve #c"}}});
  run_table(eve_,
            {{"JOIN #c",
              {mask("bob") + " INVITE eve #c", ":irc.test 474 eve #c :Cannot join channel (+b)"}}});
  static_cast<void>(ana_.ask("INVITE eve #c"));
  EXPECT_THAT(eve_.ask("JOIN #c"), Contains(mask("eve") + " JOIN #c"));
}

TEST_F(channel_test, many_mode_changes_are_told_on_several_lines_and_none_is_cut) {
  const std::string nick = "a23456789012345678901234567890";
  static_cast<void>(ana_.ask("NICK " + nick));
  lines masks;
  std::string request = "MODE #c +bbbbbb";
  for (const char c : std::string("uvwxyz")) {
    masks.push_back(std::string(70, c) + "!*@*");
    request += " " + std::string(70, c);
  }
  const std::string start = ":" + nick + "!ana@127.0.0.1 MODE #c ";
  run_table(ana_, {{request,
                    {start + "+bbbbb " + masks[0] + " " + masks[1] + " " + masks[2] + " " +
                         masks[3] + " " + masks[4],
                     start + "+b " + masks[5]}}});
  EXPECT_EQ(bob_.settle().size(), 3U);
  EXPECT_EQ(bob_.ask("MODE #c b").size(), 7U);
}

TEST_F(channel_test, what_is_no_word_is_not_repeated_in_replies) {
  run_table(ana_, {{"MODE #c +o ::a b", {":irc.test 441 ana * #c :They aren't on that channel"}},
                   {"MODE #c +:", {":irc.test 472 ana * :is unknown mode char to me"}},
                   {"MODE #c +\xC3\xA9-\xC3\xA9",
                    {":irc.test 472 ana \xC3\xA9 :is unknown mode char to me"}},
                   {"MODE #c +b ::x", {":irc.test 696 ana #c b * :The mask is not one word"}},
                   {"MODE #c +b :x y", {":irc.test 696 ana #c b * :The mask is not one word"}},
                   {"CAP ::a b", {":irc.test 410 ana * :Invalid CAP command"}},
                   {"TOPIC :", {":irc.test 403 ana * :No such channel"}}});
}

TEST_F(channel_test, modes_are_shown) {
  const auto shown = ana_.ask("MODE #c");
  ASSERT_EQ(shown.size(), 2U);
  EXPECT_EQ(shown[0], ":irc.test 324 ana #c +nt");
  EXPECT_THAT(shown[1], HasSubstr(":irc.test 329 ana #c "));
  static_cast<void>(ana_.ask("MODE #c +kl key 9"));
  EXPECT_THAT(ana_.ask("MODE #c"), Contains(":irc.test 324 ana #c +ntkl key 9"));
  EXPECT_THAT(eve_.ask("MODE #c"), Contains(":irc.test 324 eve #c +ntkl * 9"));
}

TEST_F(channel_test, modes_are_changed_by_operators_only) {
  run_table(eve_, {{"MODE #c +m", {":irc.test 442 eve #c :You're not on that channel"}},
                   {"MODE #none", {":irc.test 403 eve #none :No such channel"}},
                   {"MODE #c b", {":irc.test 368 eve #c :End of channel ban list"}}});
  run_table(bob_, {{"MODE #c +m", {":irc.test 482 bob #c :You're not channel operator"}}});
  const std::string by = mask("ana") + " MODE #c ";
  run_table(
      ana_,
      {{"MODE #c +m", {by + "+m"}},
       {"MODE #c +m", {}},
       {"MODE #c +x", {":irc.test 472 ana x :is unknown mode char to me"}},
       {"MODE #c +o", {":irc.test 461 ana MODE :Not enough parameters"}},
       {"MODE #c +o eve", {":irc.test 441 ana eve #c :They aren't on that channel"}},
       {"MODE #c +k :a b", {":irc.test 525 ana #c :Key is not well-formed"}},
       {"MODE #c +l x", {":irc.test 696 ana #c l * :The limit must be a number from 1 to 1000000"}},
       {"MODE #c +l 0", {":irc.test 696 ana #c l * :The limit must be a number from 1 to 1000000"}},
       {"MODE #c -lk", {}},
       {"MODE #c +vs-mt bob", {by + "+vs-mt bob"}},
       {"MODE #c +o-v bob bob", {by + "+o-v bob bob"}},
       {"MODE #c +b bad", {by + "+b bad!*@*"}},
       {"MODE #c +b bad", {}},
       {"MODE #c -b other", {}},
       {"MODE #c +b-b x y", {by + "+b x!*@*"}},
       {"MODE #c -b BAD!*@*", {by + "-b bad!*@*"}},
       {"MODE #c -o ana", {by + "-o ana"}},
       {"MODE #c -o bob", {":irc.test 482 ana #c :You're not channel operator"}}});
  const auto bans = bob_.ask("MODE #c +b");
  EXPECT_THAT(bans, Contains(HasSubstr(":irc.test 367 bob #c x!*@* ana ")));
  EXPECT_THAT(bans, Contains(":irc.test 368 bob #c :End of channel ban list"));
}

TEST_F(channel_test, own_modes) {
  run_table(ana_, {{"MODE ana", {":irc.test 221 ana +"}},
                   {"MODE", {":irc.test 461 ana MODE :Not enough parameters"}},
                   {"MODE ana +i", {mask("ana") + " MODE ana +i"}},
                   {"MODE ana +i", {}},
                   {"MODE ana", {":irc.test 221 ana +i"}},
                   {"MODE ana -i+x",
                    {mask("ana") + " MODE ana -i", ":irc.test 501 ana :Unknown MODE flag"}},
                   {"MODE bob +i", {":irc.test 502 ana :Cannot change mode for other users"}},
                   {"MODE nobody", {":irc.test 401 ana nobody :No such nick/channel"}}});
}

TEST(channel_limits, bound_channels_and_bans) {
  temp_folder folder;
  server_process server(folder.path(),
                        "limits.channels_per_client_max = 2\nlimits.bans_per_channel_max = 1\n");
  test_client c(server.port(), "ana");
  static_cast<void>(c.ask("JOIN #a,#b"));
  run_table(c, {{"JOIN #c", {":irc.test 405 ana #c :You have joined too many channels"}},
                {"MODE #a +b x", {mask("ana") + " MODE #a +b x!*@*"}},
                {"MODE #a +b y", {":irc.test 478 ana #a b :Channel list is full"}},
                {"MODE #a +b " + std::string(200, 'x'),
                 {":irc.test 696 ana #a b * :The mask is too long"}}});
}

}  // namespace
}  // namespace tertulia::testing
