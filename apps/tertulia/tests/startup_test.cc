// Starting and ending: the command line, mistakes, ports in use, signals.

#include <signal.h>

#include <fstream>

#include "tests/fixture.h"

namespace tertulia::testing {
namespace {

TEST(command_line, explains_itself) {
  const auto help = run_server({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* option :
       {"--config", "--listen", "--data", "--password-file", "--check-config", "--version"})
    EXPECT_THAT(help.output, HasSubstr(option));
  const auto version = run_server({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.output, "tertuliad " TERTULIA_VERSION "\n");
}

TEST(command_line, refuses_what_it_does_not_know) {
  EXPECT_EQ(run_server({"--nonsense"}).status, 2);
  const auto listen = run_server({"--listen", "nowhere"});
  EXPECT_EQ(listen.status, 2);
  EXPECT_THAT(listen.output, HasSubstr("--listen nowhere: not host:port"));
  const auto password = run_server({"--password-file", "/nonexistent"});
  EXPECT_EQ(password.status, 2);
  EXPECT_THAT(password.output, HasSubstr("/nonexistent: cannot be read"));
}

TEST(configuration, mistakes_are_named_with_their_lines) {
  temp_folder folder;
  const std::string file = folder.path() + "/bad.toml";
  std::ofstream(file) << "[server]\nnmae = 'x'\n[limits]\nclients_max = 0\n";
  const auto out = run_server({"--check-config", "--config", file});
  EXPECT_EQ(out.status, 2);
  EXPECT_EQ(out.output, "tertuliad: " + file + ":2: unknown key server.nmae\ntertuliad: " + file +
                            ":4: limits.clients_max must lie between 1 and 1000000\n");
  std::ofstream(file) << "[server]\nname = 'x.y'\n";
  EXPECT_EQ(run_server({"--check-config", "--config", file}).status, 0);
  EXPECT_EQ(run_server({"--config", folder.path() + "/none"}).status, 2);
}

TEST(port_in_use, is_said_and_ends_the_second_server) {
  temp_folder folder, other;
  server_process server(folder.path());
  const std::string address = "127.0.0.1:" + std::to_string(server.port());
  const auto out = run_server({"--listen", address, "--data", other.path()});
  EXPECT_EQ(out.status, 1);
  EXPECT_THAT(out.output, HasSubstr("event=cannot_listen address=" + address));
  EXPECT_THAT(out.output, HasSubstr("ddress already in use"));
  test_client c(server.port(), "ana");
}

TEST(data, of_a_running_server_is_not_used_by_a_second_one) {
  temp_folder folder;
  server_process server(folder.path());
  const auto out = run_server({"--listen", "127.0.0.1:0", "--data", folder.path() + "/data"});
  EXPECT_EQ(out.status, 1);
  EXPECT_THAT(out.output, HasSubstr("another server uses this folder"));
  test_client c(server.port(), "ana");
}

TEST(data, that_cannot_be_opened_is_said) {
  temp_folder folder;
  std::ofstream(folder.path() + "/file") << "x";
  const auto out = run_server({"--listen", "127.0.0.1:0", "--data", folder.path() + "/file/data"});
  EXPECT_EQ(out.status, 1);
  EXPECT_THAT(out.output, HasSubstr("event=cannot_open_history"));
}

TEST(open_address, without_a_password_is_warned_about) {
  temp_folder folder;
  server_process open(folder.path(), "", {"--listen", "0.0.0.0:0"});
  open.wait_for_log("event=open_to_everybody");
  temp_folder other;
  std::ofstream(other.path() + "/password") << "s3cret\n";
  server_process closed(other.path(), "",
                        {"--listen", "0.0.0.0:0", "--password-file", other.path() + "/password"});
  EXPECT_EQ(closed.end(SIGTERM), 0);
  EXPECT_THAT(closed.log(), Not(HasSubstr("open_to_everybody")));
}

TEST(both_families, are_served_at_once) {
  temp_folder folder;
  server_process server(folder.path(), "", {"--listen", "[::1]:0"});
  test_client c(server.port(), "ana");
  EXPECT_EQ(server.end(SIGTERM), 0);
}

TEST(signals, drain) {
  for (const int signal : {SIGTERM, SIGINT}) {
    temp_folder folder;
    server_process server(folder.path());
    test_client ana(server.port(), "ana", "echo-message");
    test_client unregistered(server.port());
    static_cast<void>(ana.ask("JOIN #c"));
    static_cast<void>(ana.ask("PRIVMSG #c :last words"));
    EXPECT_EQ(server.end(signal), 0);
    EXPECT_THAT(ana.rest(), ElementsAre("ERROR :Server shutting down"));
    EXPECT_THAT(unregistered.rest(), ElementsAre("ERROR :Server shutting down"));
    EXPECT_THAT(server.log(), HasSubstr("event=stopped"));
  }
}

TEST(signals, a_client_that_never_stops_talking_does_not_hold_up_the_end) {
  temp_folder folder;
  server_process server(folder.path());
  test_client c(server.port(), "ana");
  static_cast<void>(c.ask("JOIN #c,#d"));
  // Line by line to another channel: each waits for its commit, and more is there before it came.
  const auto talker = never_stops_sending(c, "PRIVMSG #c :x\r\nPRIVMSG #d :x\r\n");
  test_client bystander(server.port(), "bob");
  static_cast<void>(bystander.ask("JOIN #d"));
  bystander.expect(" PRIVMSG #d :x");
  EXPECT_EQ(server.end(SIGTERM), 0);
  EXPECT_THAT(server.log(), Not(HasSubstr("event=drain_timed_out")));
  EXPECT_THAT(server.log(), HasSubstr("event=stopped"));
}

TEST(signals, a_client_that_reads_nothing_does_not_hold_up_the_end) {
  temp_folder folder;
  server_process server(folder.path(), "limits.drain_timeout_s = 1\nserver.motd = '" +
                                           std::string(16'000, 'm') + "'\n");
  test_client c(server.port());
  c.send("NICK ana");
  c.send("USER ana 0 * :x");
  c.expect(" 376 ");
  std::string burst;
  for (int i = 0; i < 2000; ++i) burst += "MOTD\r\n";
  c.send_raw(burst);
  static_cast<void>(c.next());
  EXPECT_EQ(server.end(SIGTERM), 0);
}

}  // namespace
}  // namespace tertulia::testing
