// Many clients doing everything at once: nothing hangs, nothing is lost from sight, nothing stays
// behind.

#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>

#include "tests/fixture.h"

namespace tertulia::testing {
namespace {

constexpr int people = 8;
constexpr int commands = 150;

std::uint64_t storm_seed() {
  const char* given = std::getenv("TERTULIA_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("TERTULIA_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// random_command: on few channels and few nicks, so that they meet.
std::string random_command(std::mt19937_64& random) {
  const std::string room = "#r" + std::to_string(random() % 3);
  const std::string nick = "n" + std::to_string(random() % (people * 2));
  switch (random() % 14) {
    case 0:
    case 1:
    case 2: return "JOIN " + room;
    case 3: return "PART " + room;
    case 4: return "NICK " + nick;
    case 5: return "KICK " + room + " " + nick;
    case 6: return "MODE " + room + " +o-v+b " + nick + " " + nick + " " + nick + "!*@*";
    case 7: return "MODE " + room + " -bi " + nick + "!*@*";
    case 8: return "INVITE " + nick + " " + room;
    case 9: return "WHOIS " + nick;
    case 10: return "PRIVMSG " + nick + " :psst";
    case 11: return "TOPIC " + room + " :" + nick;
    default: return "PRIVMSG " + room + " :hello";
  }
}

// rage: one client's part: commands in bursts, now and then the connection is dropped.
void rage(std::uint16_t port, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto c = std::make_unique<test_client>(port, "s" + std::to_string(seed));
  for (int i = 0; i < commands; ++i) {
    c->send(random_command(random));
    if (random() % 10 == 0) static_cast<void>(c->settle());
    if (random() % 60 != 0) continue;
    c.reset();
    c = std::make_unique<test_client>(port, "s" + std::to_string(seed) + "x" + std::to_string(i));
  }
  static_cast<void>(c->settle());
  c->send("QUIT");
  static_cast<void>(c->rest());
}

// A channel that takes lines from outside may empty while they are under way; whoever comes in then
// finds one channel, not two of the same name.
TEST_F(server_test, lines_from_outside_survive_the_channels_end) {
  constexpr int rounds = 200;
  std::vector<std::jthread> crowd;
  const auto part = [&](int i, bool is_member) {
    auto c = client("p" + std::to_string(i));
    for (int n = 0; n < rounds; ++n) {
      for (int k = 0; k < 5; ++k) c.send("PRIVMSG #c :x");
      if (is_member) c.send_raw("JOIN #c\r\nMODE #c -n\r\nPRIVMSG #c :y\r\nPART #c\r\n");
      for (const auto& line : c.settle()) EXPECT_THAT(line, Not(HasSubstr("the history")));
    }
  };
  for (int i = 0; i < 4; ++i)
    crowd.emplace_back([&, i] {
      try {
        part(i, i % 2 == 0);
      } catch (const std::exception& e) {
        ADD_FAILURE() << e.what();
      }
    });
}

TEST_F(server_test, a_storm_of_commands_leaves_nothing_behind) {
  const std::uint64_t seed = storm_seed() % 1'000'000;
  {
    std::vector<std::jthread> crowd;
    for (int i = 0; i < people; ++i)
      crowd.emplace_back([this, seed, i] {
        try {
          rage(server_.port(), seed + static_cast<std::uint64_t>(i));
        } catch (const std::exception& e) {
          ADD_FAILURE() << e.what();
        }
      });
  }
  auto c = client("last");
  wait_until("everybody to be gone", [&] {
    const auto now = c.ask("LUSERS");
    return now.size() == 5 && now[1] == ":irc.test 254 last 0 :channel(s) formed" &&
           now[2] == ":irc.test 255 last :I have 1 clients and 1 servers";
  });
  EXPECT_EQ(c.ask("LIST"), lines{":irc.test 323 last :End of LIST"});
  EXPECT_THAT(c.ask("NICK n0"), ElementsAre(":last!last@127.0.0.1 NICK n0"));
  EXPECT_EQ(server_.end(SIGTERM), 0);
}

}  // namespace
}  // namespace tertulia::testing
