// AWAY ISON LIST LUSERS MOTD TIME USERHOST VERSION WHO WHOIS.

#include "tests/fixture.h"

namespace tertulia::testing {
namespace {

class people_test : public server_test {
 protected:
  test_client ana_ = client("ana");
  test_client bob_ = client("bob");
};

TEST_F(people_test, away) {
  run_table(ana_, {{"AWAY :lunch", {":irc.test 306 ana :You have been marked as being away"}},
                   {"AWAY", {":irc.test 305 ana :You are no longer marked as being away"}},
                   {"AWAY :", {":irc.test 305 ana :You are no longer marked as being away"}}});
}

TEST_F(people_test, ison_and_userhost) {
  static_cast<void>(bob_.ask("AWAY :x"));
  run_table(ana_, {{"ISON", {":irc.test 461 ana ISON :Not enough parameters"}},
                   {"ISON BOB nobody ana", {":irc.test 303 ana :bob ana"}},
                   {"ISON :nobody bob", {":irc.test 303 ana :bob"}},
                   {"USERHOST", {":irc.test 461 ana USERHOST :Not enough parameters"}},
                   {"USERHOST ana bob nobody",
                    {":irc.test 302 ana :ana=+ana@127.0.0.1 bob=-bob@127.0.0.1"}}});
}

TEST_F(people_test, whois) {
  static_cast<void>(bob_.ask("JOIN #open"));
  static_cast<void>(bob_.ask("JOIN #secret"));
  static_cast<void>(bob_.ask("MODE #secret +s"));
  static_cast<void>(bob_.ask("AWAY :gone"));
  const auto seen = ana_.ask("WHOIS BOB");
  ASSERT_EQ(seen.size(), 6U);
  EXPECT_EQ(seen[0], ":irc.test 311 ana bob bob 127.0.0.1 * :bob");
  EXPECT_EQ(seen[1], ":irc.test 319 ana bob :@#open");
  EXPECT_EQ(seen[2], ":irc.test 312 ana bob irc.test :Test");
  EXPECT_EQ(seen[3], ":irc.test 301 ana bob :gone");
  EXPECT_THAT(seen[4], HasSubstr(":irc.test 317 ana bob 0 "));
  EXPECT_EQ(seen[5], ":irc.test 318 ana BOB :End of /WHOIS list");
  EXPECT_THAT(bob_.ask("WHOIS irc.test bob"), Contains(":irc.test 319 bob bob :@#open @#secret"));
  run_table(ana_, {{"WHOIS", {":irc.test 431 ana :No nickname given"}},
                   {"WHOIS nobody",
                    {":irc.test 401 ana nobody :No such nick/channel",
                     ":irc.test 318 ana nobody :End of /WHOIS list"}}});
}

TEST_F(people_test, who) {
  static_cast<void>(bob_.ask("JOIN #c"));
  static_cast<void>(bob_.ask("AWAY :x"));
  const std::string bob_in_c = ":irc.test 352 ana #c bob 127.0.0.1 irc.test bob G@ :0 bob";
  run_table(ana_, {{"WHO", {":irc.test 461 ana WHO :Not enough parameters"}},
                   {"WHO #c", {bob_in_c, ":irc.test 315 ana #c :End of WHO list"}},
                   {"WHO #none", {":irc.test 315 ana #none :End of WHO list"}},
                   {"WHO bo*",
                    {":irc.test 352 ana * bob 127.0.0.1 irc.test bob G :0 bob",
                     ":irc.test 315 ana bo* :End of WHO list"}}});
  EXPECT_EQ(ana_.ask("WHO 0").size(), 3U);
  static_cast<void>(bob_.ask("MODE bob +i"));
  run_table(ana_, {{"WHO bo*", {":irc.test 315 ana bo* :End of WHO list"}},
                   {"WHO #c", {":irc.test 315 ana #c :End of WHO list"}}});
  EXPECT_EQ(ana_.ask("WHO bob").size(), 2U);
  static_cast<void>(ana_.ask("JOIN #c"));
  EXPECT_EQ(ana_.ask("WHO bo*").size(), 2U);
  static_cast<void>(ana_.ask("PART #c"));
  static_cast<void>(bob_.ask("MODE #c +s"));
  static_cast<void>(bob_.ask("MODE bob -i"));
  run_table(ana_, {{"WHO #c", {":irc.test 315 ana #c :End of WHO list"}}});
}

TEST_F(people_test, list) {
  static_cast<void>(bob_.ask("JOIN #a,#b"));
  static_cast<void>(bob_.ask("TOPIC #a :things"));
  static_cast<void>(bob_.ask("MODE #b +s"));
  const std::string end = ":irc.test 323 ana :End of LIST";
  run_table(ana_, {{"LIST", {":irc.test 322 ana #a 1 :things", end}},
                   {"LIST #A,#b", {":irc.test 322 ana #a 1 :things", end}},
                   {"LIST #none", {end}},
                   {"LIST #1,#2,#3,#4,#a", {":irc.test 407 ana #a :Too many targets", end}}});
  EXPECT_EQ(bob_.ask("LIST").size(), 3U);
}

TEST_F(people_test, the_server_tells_about_itself) {
  run_table(ana_, {{"MOTD", {":irc.test 422 ana :MOTD File is missing"}},
                   {"MOTD other.test", {":irc.test 402 ana other.test :No such server"}},
                   {"TIME other.test", {":irc.test 402 ana other.test :No such server"}},
                   {"VERSION other.test", {":irc.test 402 ana other.test :No such server"}}});
  EXPECT_THAT(ana_.ask("TIME"), ElementsAre(HasSubstr(":irc.test 391 ana irc.test :20")));
  EXPECT_THAT(ana_.ask("VERSION irc.*"), Contains(HasSubstr(" 351 ana tertulia-")));
  static_cast<void>(bob_.ask("MODE bob +i"));
  test_client late(server_.port());
  static_cast<void>(late.ask("NICK late"));
  static_cast<void>(bob_.ask("JOIN #c"));
  EXPECT_EQ(ana_.ask("LUSERS"),
            (lines{":irc.test 251 ana :There are 1 users and 1 invisible on 1 servers",
                   ":irc.test 253 ana 1 :unregistered connection(s)",
                   ":irc.test 254 ana 1 :channel(s) formed",
                   ":irc.test 255 ana :I have 2 clients and 1 servers",
                   ":irc.test 265 ana 2 2 :Current local users 2, max 2",
                   ":irc.test 266 ana 2 2 :Current global users 2, max 2"}));
  bob_.send("QUIT");
  static_cast<void>(bob_.rest());
  EXPECT_THAT(ana_.ask("LUSERS"),
              Contains(":irc.test 251 ana :There are 1 users and 0 invisible on 1 servers"));
}

TEST(motd, has_the_lines_of_the_configuration) {
  temp_folder folder;
  server_process server(folder.path(), "server.motd = \"\"\"\none\n\ntwo\"\"\"\n");
  test_client c(server.port());
  c.send("NICK ana");
  c.send("USER ana 0 * :x");
  c.expect(" 376 ");
  EXPECT_EQ(c.ask("MOTD"),
            (lines{":irc.test 375 ana :- irc.test Message of the day -", ":irc.test 372 ana :- one",
                   ":irc.test 372 ana :- ", ":irc.test 372 ana :- two",
                   ":irc.test 376 ana :End of /MOTD command"}));
}

}  // namespace
}  // namespace tertulia::testing
