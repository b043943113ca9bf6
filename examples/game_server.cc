// game_server: players walk over a field and collect coins. One goroutine owns the world: it takes
// what players do from a channel, and at each tick it shows the world to everybody. Two goroutines
// for each player read and write its connection. Who reads too slowly misses ticks; nobody waits
// for it, and the world needs no lock.
//
//   $ ./game_server 127.0.0.1:7777
//   $ nc 127.0.0.1 7777
//   ana                                 (a name; then up, down, left, right, quit)
//   tick 1 coin 2,1 ana 0,0 0

#include <weft/buffered.h>
#include <weft/channel.h>
#include <weft/context.h>
#include <weft/error.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/time.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;

namespace {

using screen = weft::channel<std::string>;  // what a player is shown

// action: of the player with this number: "join", "leave", or a direction.
struct action {
  long player;
  std::string what;
  std::string name = {};  // of who joins
  screen shown = {};
};

struct player {
  std::string name;
  screen shown;
  int x = 0, y = 0, coins = 0;
};

class world {
 public:
  static constexpr int width = 10, height = 6;

  void apply(action a) {
    if (a.what == "join") {
      players_.emplace(a.player, player{std::move(a.name), std::move(a.shown)});
    } else if (const auto it = players_.find(a.player); it == players_.end()) {
      return;
    } else if (a.what == "leave") {
      it->second.shown.close();
      players_.erase(it);
    } else {
      move(it->second, a.what);
    }
  }

  void tick() {
    std::string line = "tick " + std::to_string(++ticks_) + " coin " + std::to_string(coin_x_) +
                       ',' + std::to_string(coin_y_);
    for (const auto& [number, p] : players_) {
      line += ' ' + p.name + ' ' + std::to_string(p.x) + ',' + std::to_string(p.y) + ' ' +
              std::to_string(p.coins);
    }
    line += '\n';
    for (const auto& [number, p] : players_) static_cast<void>(p.shown.try_send(line));
  }

 private:
  void move(player& p, std::string_view where) {
    if (where == "up" && p.y > 0) --p.y;
    if (where == "down" && p.y < height - 1) ++p.y;
    if (where == "left" && p.x > 0) --p.x;
    if (where == "right" && p.x < width - 1) ++p.x;
    if (p.x != coin_x_ || p.y != coin_y_) return;
    ++p.coins;
    coin_x_ = (coin_x_ * 7 + 3) % width;
    coin_y_ = (coin_y_ * 5 + 2) % height;
  }

  std::map<long, player> players_;
  int coin_x_ = 2, coin_y_ = 1;
  long ticks_ = 0;
};

// run_world: the only goroutine that touches it.
void run_world(const weft::receiver<action>& actions, const weft::context& ctx) {
  world w;
  const weft::ticker clock(50ms);
  while (!ctx.done()) {
    weft::select(weft::recv(actions, [&](action a) { w.apply(std::move(a)); }),
                 weft::recv(clock.channel(), [&] { w.tick(); }), weft::done(ctx));
  }
}

// play: one player, until it quits, goes away, or says nothing for a minute.
void play(weft::net::conn conn, long number, const weft::sender<action>& actions) {
  const auto game = weft::context::current();
  weft::line_reader lines(conn, 64);
  auto line = lines.next(60s);
  if (!line) return;
  const screen shown(4);
  if (!actions.send({number, "join", std::string(*line), shown}, game)) return;
  weft::scope writing;
  writing.go([&] {
    while (auto next = shown.recv(game)) {
      if (!conn.write(*next, 10s)) break;
    }
    static_cast<void>(conn.close());  // which ends the reader
  });
  while ((line = lines.next(60s)) && *line != "quit") {
    if (!actions.send({number, std::string(*line)}, game)) return;
  }
  static_cast<void>(actions.send({number, "leave"}, game));  // closes `shown`, ends the writer
}

int serve(const char* address) {
  auto listener = weft::net::listen("tcp", address);
  if (!listener) {
    std::fprintf(stderr, "game_server: %s\n", listener.error().message().c_str());
    return 1;
  }
  std::printf("listening on %s\n", listener->local_address().to_string().c_str());
  std::fflush(stdout);
  const weft::channel<action> actions(16);
  weft::scope game;
  game.go({.name = "world"}, [&] { run_world(actions, game.context()); });
  for (long number = 1; auto conn = listener->accept(); ++number) {
    game.go({.name = "player"}, [&actions, number, c = std::move(*conn)]() mutable {
      play(std::move(c), number, actions);
    });
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  weft::main([=] { return serve(argc > 1 ? argv[1] : "127.0.0.1:7777"); });
}
