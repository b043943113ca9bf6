// CAP NICK PASS PING PONG QUIT USER, and what may be said before registration.

#include "tests/fixture.h"

namespace tertulia::testing {
namespace {

using registration = server_test;

TEST_F(registration, a_client_is_welcomed) {
  test_client c(server_.port());
  c.send("NICK ana");
  c.send("USER ana 0 * :Ana B.");
  EXPECT_EQ(c.next(), ":irc.test 001 ana :Welcome to Test, ana!ana@127.0.0.1");
  EXPECT_THAT(c.next(), HasSubstr(" 002 ana :Your host is irc.test, running tertulia-"));
  EXPECT_THAT(c.next(), HasSubstr(" 003 ana :This server was started "));
  EXPECT_THAT(c.next(), HasSubstr(" 004 ana irc.test tertulia-"));
  const std::string isupport = c.next() + c.next();
  for (const char* token :
       {" CASEMAPPING=ascii ", " CHANTYPES=# ", " CHATHISTORY=500 ", " UTF8ONLY ",
        " MSGREFTYPES=msgid,timestamp ", " NICKLEN=30 ", " PREFIX=(ov)@+ "})
    EXPECT_THAT(isupport, HasSubstr(token));
  EXPECT_EQ(c.next(), ":irc.test 251 ana :There are 1 users and 0 invisible on 1 servers");
  EXPECT_EQ(c.next(), ":irc.test 254 ana 0 :channel(s) formed");
  EXPECT_EQ(c.next(), ":irc.test 255 ana :I have 1 clients and 1 servers");
  EXPECT_EQ(c.next(), ":irc.test 265 ana 1 1 :Current local users 1, max 1");
  EXPECT_EQ(c.next(), ":irc.test 266 ana 1 1 :Current global users 1, max 1");
  EXPECT_EQ(c.next(), ":irc.test 422 ana :MOTD File is missing");
}

TEST_F(registration, nothing_else_is_done_before_it) {
  test_client c(server_.port());
  run_table(c, {
                   {"JOIN #c", {":irc.test 451 * :You have not registered"}},
                   {"PRIVMSG ana :hi", {":irc.test 451 * :You have not registered"}},
                   {"NONSENSE", {":irc.test 451 * :You have not registered"}},
                   {"NICK", {":irc.test 431 * :No nickname given"}},
                   {"NICK 1a", {":irc.test 432 * 1a :Erroneous nickname"}},
                   {"NICK :a b", {":irc.test 432 * * :Erroneous nickname"}},
                   {"USER ana", {":irc.test 461 * USER :Not enough parameters"}},
                   {"PING", {":irc.test 409 * :No origin specified"}},
                   {"PONG x", {}},
                   {"PASS any", {}},
                   {"PASS", {":irc.test 461 * PASS :Not enough parameters"}},
                   {"NICK ana", {}},
               });
}

TEST_F(registration, nicks_are_unique_without_regard_to_case) {
  auto ana = client("ana");
  auto bob = client("bob");
  run_table(bob, {
                     {"NICK ANA", {":irc.test 433 bob ANA :Nickname is already in use"}},
                     {"NICK", {":irc.test 431 bob :No nickname given"}},
                     {"NICK #x", {":irc.test 432 bob #x :Erroneous nickname"}},
                     {"NICK bob", {}},
                     {"NICK Bob", {":bob!bob@127.0.0.1 NICK Bob"}},
                     {"NICK carl", {":Bob!bob@127.0.0.1 NICK carl"}},
                 });
  run_table(ana, {{"NICK bob", {mask("ana") + " NICK bob"}}});
}

TEST_F(registration, a_nick_is_free_again_when_its_client_is_gone) {
  {
    auto ana = client("ana");
    ana.send("QUIT");
    EXPECT_THAT(ana.rest(), ElementsAre("ERROR :Closing link: (Quit)"));
  }
  auto again = client("ana");
  run_table(again, {{"USER a 0 * :x", {":irc.test 462 ana :You may not reregister"}},
                    {"PASS x", {":irc.test 462 ana :You may not reregister"}}});
}

TEST_F(registration, quit_before_it_is_answered_and_closed) {
  test_client c(server_.port());
  c.send("QUIT :not today");
  EXPECT_THAT(c.rest(), ElementsAre("ERROR :Closing link: (Quit: not today)"));
}

TEST_F(registration, capabilities_are_negotiated) {
  test_client c(server_.port());
  const std::string all = "message-tags server-time batch echo-message draft/chathistory";
  run_table(c, {
                   {"CAP LS 302", {":irc.test CAP * LS :" + all}},
                   {"CAP LS", {":irc.test CAP * LS :" + all}},
                   {"CAP LIST", {":irc.test CAP * LIST :"}},
                   {"CAP REQ :batch nonsense", {":irc.test CAP * NAK :batch nonsense"}},
                   {"CAP REQ :batch echo-message", {":irc.test CAP * ACK :batch echo-message"}},
                   {"CAP REQ :-batch", {":irc.test CAP * ACK :-batch"}},
                   {"CAP LIST", {":irc.test CAP * LIST :echo-message"}},
                   {"CAP HOW", {":irc.test 410 * HOW :Invalid CAP command"}},
                   {"CAP", {":irc.test 461 * CAP :Not enough parameters"}},
                   {"NICK ana", {}},
                   {"USER ana 0 * :Ana", {}},
               });
  c.send("CAP END");
  c.expect(" 422 ana ");
  run_table(c, {{"CAP REQ server-time", {":irc.test CAP ana ACK :server-time"}}});
}

TEST_F(registration, unknown_commands_are_named) {
  auto c = client("ana");
  run_table(c, {{"NONSENSE a b", {":irc.test 421 ana NONSENSE :Unknown command"}},
                {"ping x", {":irc.test PONG irc.test :x"}},
                {"PING", {":irc.test 409 ana :No origin specified"}},
                {"PONG", {}}});
}

class password_test : public ::testing::Test {
 protected:
  temp_folder folder_;
  server_process server_{folder_.path(), "server.password = 's3cret'\n"};
};

TEST_F(password_test, the_right_one_lets_in_wherever_it_stands) {
  test_client c(server_.port());
  c.send("CAP LS 302");
  c.send("NICK ana");
  c.send("PASS s3cret");
  EXPECT_THAT(c.next(), HasSubstr(" CAP * LS :"));
  c.send("USER ana 0 * :Ana");
  c.send("CAP END");
  c.expect(" 001 ana ");
}

TEST_F(password_test, nothing_is_answered_before_it) {
  test_client c(server_.port());
  c.send("CAP LS 302");
  c.send("NICK");
  c.send("NONSENSE");
  c.send("PING x");
  c.send("USER ana 0 * :Ana");
  EXPECT_THAT(c.rest(), ElementsAre(":irc.test 464 * :Password required",
                                    "ERROR :Closing link: (Password required)"));
}

TEST_F(password_test, a_wrong_one_ends_the_connection) {
  for (const char* wrong : {"s3cre", "s3crett", "S3CRET", ""}) {
    test_client c(server_.port());
    c.send("CAP LS 302");
    c.send("PASS :" + std::string(wrong));
    EXPECT_THAT(c.rest(), ElementsAre(":irc.test 464 * :Password incorrect",
                                      "ERROR :Closing link: (Password incorrect)"));
  }
}

TEST_F(password_test, endless_lines_before_it_end_the_connection) {
  test_client c(server_.port());
  for (int i = 0; i < 17; ++i) c.send("PING x");
  EXPECT_THAT(c.rest(), Contains("ERROR :Closing link: (Password required)"));
}

TEST(registration_time, ends_the_connection) {
  temp_folder folder;
  server_process server(folder.path(), "limits.registration_timeout_s = 1\n");
  test_client silent(server.port());
  test_client talking(server.port());
  talking.send("NICK ana");
  EXPECT_THAT(silent.rest(), ElementsAre("ERROR :Closing link: (Registration timeout)"));
  EXPECT_THAT(talking.rest(), ElementsAre("ERROR :Closing link: (Registration timeout)"));
}

TEST(registration_time, ends_also_for_one_who_never_stops_sending) {
  temp_folder folder;
  server_process server(folder.path(), "limits.registration_timeout_s = 1\n");
  test_client c(server.port());
  const auto talker = never_stops_sending(c, "PONG x\r\n");
  server.wait_for_log("reason=\"Registration timeout\"");
}

}  // namespace
}  // namespace tertulia::testing
