// What was said is there again: CHATHISTORY, the last lines on joining, restarts, kill -9.

#include <signal.h>

#include <set>

#include "server/sqlite.h"
#include "tests/fixture.h"

namespace tertulia::testing {
namespace {

constexpr const char* all_caps = "message-tags server-time batch echo-message draft/chathistory";

// texts: what was said, of lines; without the frame of their batch.
lines texts(const lines& all) {
  lines out;
  for (const auto& line : all) {
    const std::string plain = without_tags(line);
    if (plain.find(" PRIVMSG ") == plain.npos && plain.find(" NOTICE ") == plain.npos) continue;
    out.push_back(plain.substr(plain.find(" :", 1) + 2));
  }
  return out;
}

lines numbers(int first, int last) {
  lines out;
  for (int i = first; i <= last; ++i) out.push_back(std::to_string(i));
  return out;
}

class chathistory_test : public server_test {
 protected:
  // ana says "1" to "20" in #c; their names and times are kept.
  void SetUp() override {
    static_cast<void>(ana_.ask("JOIN #c"));
    for (int i = 1; i <= 20; ++i) {
      const auto echo = ana_.ask("PRIVMSG #c :" + std::to_string(i));
      ASSERT_EQ(echo.size(), 1U);
      ids_.push_back("msgid=" + tag_of(echo[0], "msgid"));
      times_.push_back(tag_of(echo[0], "time"));
    }
  }
  // id: of the n-th line, counted from 1.
  [[nodiscard]] const std::string& id(int n) const { return ids_[static_cast<std::size_t>(n - 1)]; }

  lines said(const std::string& request) { return texts(ana_.ask("CHATHISTORY " + request)); }

  lines ids_, times_;
  test_client ana_ = client("ana", all_caps);
};

TEST_F(chathistory_test, selects_by_msgid) {
  EXPECT_EQ(said("LATEST #c * 5"), numbers(16, 20));
  EXPECT_EQ(said("LATEST #C * 100"), numbers(1, 20));
  EXPECT_EQ(said("LATEST #c " + id(17) + " 5"), numbers(18, 20));
  EXPECT_EQ(said("LATEST #c " + id(2) + " 5"), numbers(16, 20));
  EXPECT_EQ(said("BEFORE #c " + id(5) + " 3"), numbers(2, 4));
  EXPECT_EQ(said("BEFORE #c " + id(1) + " 3"), lines{});
  EXPECT_EQ(said("AFTER #c " + id(5) + " 3"), numbers(6, 8));
  EXPECT_EQ(said("AFTER #c " + id(20) + " 3"), lines{});
  EXPECT_EQ(said("AROUND #c " + id(10) + " 5"), numbers(8, 12));
  EXPECT_EQ(said("AROUND #c " + id(10) + " 1"), numbers(10, 10));
  EXPECT_EQ(said("AROUND #c " + id(1) + " 5"), numbers(1, 5));
  EXPECT_EQ(said("AROUND #c " + id(20) + " 5"), numbers(16, 20));
  EXPECT_EQ(said("BETWEEN #c " + id(5) + " " + id(9) + " 10"), numbers(6, 8));
  EXPECT_EQ(said("BETWEEN #c " + id(5) + " " + id(15) + " 2"), numbers(6, 7));
  EXPECT_EQ(said("BETWEEN #c " + id(15) + " " + id(5) + " 2"), numbers(13, 14));
}

TEST_F(chathistory_test, selects_by_time) {
  const std::string first = "timestamp=" + times_.front();
  const std::string long_ago = "timestamp=2020-01-01T00:00:00.000Z";
  const std::string far_off = "timestamp=2099-01-01T00:00:00.000Z";
  EXPECT_EQ(said("BEFORE #c " + first + " 5"), lines{});
  EXPECT_EQ(said("BEFORE #c " + far_off + " 3"), numbers(18, 20));
  EXPECT_EQ(said("AFTER #c " + long_ago + " 3"), numbers(1, 3));
  EXPECT_EQ(said("AFTER #c " + far_off + " 3"), lines{});
  EXPECT_EQ(said("BETWEEN #c " + long_ago + " " + far_off + " 4"), numbers(1, 4));
  EXPECT_EQ(said("BETWEEN #c " + far_off + " " + long_ago + " 4"), numbers(17, 20));
  EXPECT_EQ(said("BETWEEN #c " + id(18) + " " + far_off + " 4"), numbers(19, 20));
}

TEST_F(chathistory_test, comes_as_a_batch_with_names_and_times) {
  const auto got = ana_.ask("CHATHISTORY LATEST #c * 2");
  ASSERT_EQ(got.size(), 4U);
  EXPECT_THAT(without_tags(got[0]), HasSubstr(" BATCH +h chathistory #c"));
  for (std::size_t i : {1U, 2U}) {
    EXPECT_EQ(tag_of(got[i], "batch"), "h");
    EXPECT_EQ("msgid=" + tag_of(got[i], "msgid"), id(18 + static_cast<int>(i)));
    EXPECT_EQ(tag_of(got[i], "time"), times_[17 + i]);
  }
  EXPECT_EQ(without_tags(got[3]), ":irc.test BATCH -h");
  EXPECT_EQ(bare(ana_.ask("CHATHISTORY AFTER #c " + id(20) + " 9")),
            (lines{":irc.test BATCH +h chathistory #c", ":irc.test BATCH -h"}));
}

TEST_F(chathistory_test, serves_as_many_lines_as_promised) {
  std::string burst;
  for (int i = 21; i <= 520; ++i) burst += "PRIVMSG #c :" + std::to_string(i) + "\r\n";
  ana_.send_raw(burst);
  static_cast<void>(ana_.settle());
  EXPECT_EQ(said("LATEST #c * 500"), numbers(21, 520));
  EXPECT_EQ(said("LATEST #c * 9999"), numbers(21, 520));
}

TEST_F(chathistory_test, mistakes_are_named) {
  const std::string fail = ":irc.test FAIL CHATHISTORY ";
  run_table(ana_,
            {{"CHATHISTORY", {fail + "INVALID_PARAMS * :Insufficient parameters"}},
             {"CHATHISTORY OLDEST #c * 1", {fail + "INVALID_PARAMS OLDEST :Unknown command"}},
             {"CHATHISTORY LATEST #c *", {fail + "INVALID_PARAMS LATEST :Insufficient parameters"}},
             {"CHATHISTORY LATEST #c * x", {fail + "INVALID_PARAMS LATEST x :Invalid limit"}},
             {"CHATHISTORY BEFORE #c seq=1 5",
              {fail + "INVALID_MSGREFTYPE BEFORE seq=1 :Unknown type of message reference"}},
             {"CHATHISTORY BEFORE #c msgid=zz-zz-zz 5",
              {fail + "INVALID_PARAMS BEFORE msgid=zz-zz-zz :Unknown msgid"}},
             {"CHATHISTORY LATEST #none * 5",
              {fail + "INVALID_TARGET LATEST #none :Messages could not be retrieved"}},
             {"CHATHISTORY LATEST ana * 5",
              {fail + "INVALID_TARGET LATEST ana :Messages could not be retrieved"}}});
}

TEST_F(chathistory_test, is_for_members_who_asked_for_the_capability) {
  auto eve = client("eve", all_caps);
  run_table(eve, {{"CHATHISTORY LATEST #c * 5",
                   {":irc.test FAIL CHATHISTORY INVALID_TARGET LATEST #c :Messages could not be "
                    "retrieved"}}});
  auto bob = client("bob");
  run_table(bob,
            {{"CHATHISTORY LATEST #c * 5", {":irc.test 421 bob CHATHISTORY :Unknown command"}}});
}

TEST_F(chathistory_test, targets_are_the_channels_one_is_in) {
  static_cast<void>(ana_.ask("JOIN #quiet,#d"));
  static_cast<void>(ana_.ask("PRIVMSG #d :x"));
  const std::string span = "timestamp=2020-01-01T00:00:00.000Z timestamp=2099-01-01T00:00:00.000Z";
  const auto got = bare(ana_.ask("CHATHISTORY TARGETS " + span + " 10"));
  ASSERT_EQ(got.size(), 4U);
  EXPECT_EQ(got[0], ":irc.test BATCH +h draft/chathistory-targets");
  EXPECT_EQ(got[1], ":irc.test CHATHISTORY TARGETS #c " + times_.back());
  EXPECT_THAT(got[2], HasSubstr(":irc.test CHATHISTORY TARGETS #d "));
  EXPECT_EQ(bare(ana_.ask("CHATHISTORY TARGETS " + span + " 1"))[1], got[1]);
}

TEST_F(chathistory_test, direct_messages_and_requests_between_programs_are_not_kept) {
  static_cast<void>(ana_.ask("PRIVMSG ana :secret"));
  static_cast<void>(ana_.ask("PRIVMSG #c :\x01VERSION\x01"));
  static_cast<void>(
      ana_.ask("PRIVMSG #c :\x01"
               "ACTION waves\x01"));
  EXPECT_EQ(said("LATEST #c * 2"), (lines{"20",
                                          "\x01"
                                          "ACTION waves\x01"}));
}

TEST_F(chathistory_test, those_who_cannot_ask_are_shown_the_last_lines_on_joining) {
  auto timed = client("timed", "server-time");
  const auto got = timed.ask("JOIN #c");
  EXPECT_EQ(texts(got), numbers(1, 20));
  EXPECT_EQ(tag_of(got.back(), "time"), times_.back());
  auto plain = client("plain");
  const auto dated = texts(plain.ask("JOIN #c"));
  ASSERT_EQ(dated.size(), 20U);
  EXPECT_EQ(dated[0], "[" + times_[0].substr(0, 10) + " " + times_[0].substr(11, 5) + "] 1");
  auto asking = client("asking", all_caps);
  EXPECT_EQ(texts(asking.ask("JOIN #c")), lines{});
}

TEST_F(chathistory_test, a_dated_line_that_grows_too_long_comes_in_two) {
  const std::string longest(510 - (mask("ana") + " PRIVMSG #c :").size(), 'x');
  static_cast<void>(ana_.ask("PRIVMSG #c :" + longest));
  auto plain = client("plain");
  const auto dated = texts(plain.ask("JOIN #c"));
  ASSERT_EQ(dated.size(), 22U);
  EXPECT_EQ((dated[20] + dated[21]).substr(19), longest);
}

TEST_F(chathistory_test, what_was_said_behind_closed_doors_stays_there) {
  static_cast<void>(ana_.ask("MODE #c +i"));
  static_cast<void>(ana_.ask("PART #c"));
  auto eve = client("eve", all_caps);
  EXPECT_THAT(bare(eve.ask("JOIN #c")), Contains(mask("eve") + " JOIN #c"));
  EXPECT_EQ(texts(eve.ask("CHATHISTORY LATEST #c * 50")), lines{});
  EXPECT_EQ(texts(eve.ask("CHATHISTORY BEFORE #c " + id(10) + " 50")), lines{});
  EXPECT_THAT(bare(eve.ask("MODE #c")), Contains(":irc.test 324 eve #c +nt"));
}

TEST(restart, keeps_lines_and_settings) {
  temp_folder folder;
  {
    server_process server(folder.path());
    test_client ana(server.port(), "ana", "echo-message");
    static_cast<void>(ana.ask("JOIN #C"));
    static_cast<void>(ana.ask("TOPIC #c :kept"));
    static_cast<void>(ana.ask("MODE #c +kb key bad!*@*"));
    static_cast<void>(ana.ask("PRIVMSG #c :before"));
    EXPECT_EQ(server.end(SIGTERM), 0);
    EXPECT_THAT(ana.rest(), Contains("ERROR :Server shutting down"));
  }
  server_process server(folder.path());
  test_client bob(server.port(), "bob");
  const auto joined = bob.ask("JOIN #c key");
  EXPECT_THAT(joined, Contains(mask("bob") + " JOIN #C"));
  EXPECT_THAT(joined, Contains(":irc.test 332 bob #C :kept"));
  EXPECT_THAT(joined, Contains(HasSubstr(mask("ana") + " PRIVMSG #C :[")));
  EXPECT_THAT(bob.ask("MODE #c b"), Contains(HasSubstr("367 bob #C bad!*@* ana ")));
  EXPECT_THAT(bob.ask("MODE #c"), Contains(":irc.test 324 bob #C +ntk key"));
}

// kill_in_mid_sentence: clients talk as fast as they can; the server is killed; every line that any
// of them had seen its echo of has to be in the history of the next server, in the same order.
TEST(kill, minus_nine_loses_nothing_that_was_echoed) {
  temp_folder folder;
  lines echoed;
  for (int round = 0; round < 3; ++round) {
    server_process server(folder.path());
    test_client ana(server.port(), "ana", all_caps);
    static_cast<void>(ana.ask("JOIN #c"));
    const auto kept = texts(ana.ask("CHATHISTORY LATEST #c * 500"));
    // What was echoed comes first and whole; lines that were kept but not yet echoed may follow
    // each round's.
    std::size_t at = 0;
    for (const auto& line : kept)
      if (at < echoed.size() && line == echoed[at]) ++at;
    EXPECT_EQ(at, echoed.size()) << "round " << round;
    std::string burst;
    for (int i = 0; i < 150; ++i)
      burst += "PRIVMSG #c :" + std::to_string(round) + "." + std::to_string(i) + "\r\n";
    ana.send_raw(burst);
    for (int i = 0; i < 40; ++i) echoed.push_back(texts({ana.next()}).at(0));
    EXPECT_EQ(server.end(SIGKILL), 128 + SIGKILL);
    for (const auto& line : texts(ana.rest())) echoed.push_back(line);
  }
  server_process server(folder.path());
  test_client ana(server.port(), "ana", all_caps);
  static_cast<void>(ana.ask("JOIN #c"));
  const auto kept = texts(ana.ask("CHATHISTORY LATEST #c * 500"));
  EXPECT_EQ(std::set<std::string>(kept.begin(), kept.end()).size(), kept.size());
  std::size_t at = 0;
  for (const auto& line : kept)
    if (at < echoed.size() && line == echoed[at]) ++at;
  EXPECT_EQ(at, echoed.size());
}

// change_database: what another program does to the file while the server runs.
void change_database(const temp_folder& folder, const char* sql) {
  auto db = database::open(folder.path() + "/data/history.db", database::access::read_write);
  ASSERT_TRUE(db);
  const auto done = db->execute(sql);
  ASSERT_TRUE(done) << done.error().text;
}

TEST(broken_history, is_said_and_the_server_lives) {
  temp_folder folder;
  server_process server(folder.path());
  test_client ana(server.port(), "ana", all_caps);
  static_cast<void>(ana.ask("JOIN #c"));
  static_cast<void>(ana.ask("PRIVMSG #c :before"));
  change_database(folder, "ALTER TABLE lines RENAME TO x; ALTER TABLE channels RENAME TO y");
  const std::string fail = ":irc.test FAIL ";
  const std::string span = "timestamp=2020-01-01T00:00:00.000Z timestamp=2099-01-01T00:00:00.000Z";
  run_table(ana,
            {{"PRIVMSG #c :x",
              {":irc.test 404 ana #c :Cannot send to channel (the history cannot be written)"}},
             {"TOPIC #c :x", {fail + "TOPIC NOT_STORED #c :The topic could not be stored"}},
             {"MODE #c +m", {fail + "MODE NOT_STORED #c :The change could not be stored"}},
             {"MODE #c", {":irc.test 324 ana #c +nt", bare(ana.ask("MODE #c")).at(1)}},
             {"JOIN #d", {":irc.test 437 ana #d :Channel is temporarily unavailable"}},
             {"CHATHISTORY BEFORE #c timestamp=2099-01-01T00:00:00.000Z 5",
              {fail + "CHATHISTORY MESSAGE_ERROR BEFORE #c :Messages could not be retrieved"}},
             {"CHATHISTORY TARGETS " + span + " 5",
              {fail + "CHATHISTORY MESSAGE_ERROR TARGETS :Messages could not be retrieved"}}});
  change_database(folder, "ALTER TABLE x RENAME TO lines; ALTER TABLE y RENAME TO channels");
  EXPECT_THAT(texts(ana.ask("PRIVMSG #c :after")), ElementsAre("after"));
  EXPECT_EQ(texts(ana.ask("CHATHISTORY LATEST #c * 5")), (lines{"before", "after"}));
}

// Lines may have 4 kB of tags: what many of them come to is not put before a client at once.
TEST(long_history, does_not_cut_off_the_one_who_asks) {
  temp_folder folder;
  server_process server(folder.path(),
                        "history.join_lines = 1000\n"
                        "limits.send_queue_soft_bytes = 4096\n"
                        "limits.send_queue_hard_bytes = 100000\n"
                        "history.request_lines_max = 5000\n");
  test_client ana(server.port(), "ana", "echo-message");
  static_cast<void>(ana.ask("JOIN #c"));
  constexpr int count = 2000;
  for (int i = 0; i < count; i += 20) {
    std::string burst;
    for (int k = i; k < i + 20; ++k)
      burst += "@+a=" + std::string(4000, 'x') + " PRIVMSG #c :" + std::to_string(k) + "\r\n";
    ana.send_raw(burst);
    static_cast<void>(ana.settle());
  }
  test_client bob(server.port(), "bob", all_caps);
  static_cast<void>(bob.ask("JOIN #c"));
  EXPECT_EQ(texts(bob.ask("CHATHISTORY LATEST #c * 5000")), numbers(0, count - 1));
  EXPECT_EQ(texts(bob.ask("CHATHISTORY AROUND #c timestamp=2099-01-01T00:00:00.000Z 3")),
            numbers(count - 3, count - 1));
  // On joining there is no request that could be answered slowly: it is the newest that fit.
  test_client eve(server.port(), "eve", "message-tags server-time batch");
  const auto shown = texts(eve.ask("JOIN #c"));
  EXPECT_THAT(shown.size(), ::testing::AllOf(::testing::Gt(5U), ::testing::Lt(13U)));
  EXPECT_EQ(shown.back(), std::to_string(count - 1));
}

TEST(full_disk, refuses_lines_and_the_server_lives) {
  temp_folder folder;
  server_process server(folder.path(), "history.size_mb_max = 1\nhistory.join_lines = 0\n");
  test_client ana(server.port(), "ana", "echo-message");
  test_client bob(server.port(), "bob");
  static_cast<void>(ana.ask("JOIN #c"));
  static_cast<void>(bob.ask("JOIN #c"));
  static_cast<void>(ana.settle());
  const std::string text(400, 'x');
  lines answer;
  for (int i = 0; i < 10'000 && answer.empty(); ++i) {
    for (const auto& line : ana.ask("PRIVMSG #c :" + text))
      if (line.find(" 404 ") != line.npos) answer.push_back(line);
  }
  EXPECT_THAT(answer,
              ElementsAre(":irc.test 404 ana #c :Cannot send to channel (the history is full)"));
  EXPECT_THAT(bob.settle(), Not(IsEmpty()));
  EXPECT_EQ(ana.ask("PRIVMSG #c :" + text), answer);
  EXPECT_EQ(bob.settle(), lines{});
  EXPECT_THAT(ana.ask("PRIVMSG bob :still here"), Contains(HasSubstr(" PRIVMSG bob :still here")));
  EXPECT_EQ(bob.settle().size(), 1U);
  EXPECT_THAT(ana.ask("NOTICE #c :" + text), Contains(HasSubstr(" 404 ")));
  EXPECT_EQ(server.end(SIGTERM), 0);
}

}  // namespace
}  // namespace tertulia::testing
