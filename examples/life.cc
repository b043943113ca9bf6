// life: Conway's game as a simulation of independent beings: every cell of a 12 x 12 torus is a
// goroutine that tells its eight neighbours how it is and hears how they are. Nobody keeps the
// time: a cell cannot be more than one generation ahead of a neighbour, since it has to hear from
// it.
//
//   $ ./life
//   ...(a glider)
//   after 48 generations it has gone around the world

#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <array>
#include <cstddef>
#include <cstdio>

namespace {

constexpr std::size_t side = 12, directions = 8;
constexpr std::size_t down[directions] = {1, 1, 1, 0, 0, side - 1, side - 1, side - 1};
constexpr std::size_t right[directions] = {side - 1, 0, 1, side - 1, 1, side - 1, 0, 1};

template <class T>
using per_cell = std::array<std::array<T, side>, side>;
using world = per_cell<bool>;

// ears: of a cell, one for each neighbour: with a single one for all, who is a generation ahead
// would be taken for who is late.
using ears = std::array<weft::channel<bool>, directions>;

bool live(bool alive, const ears& own, const ears& others, int generations) {
  for (int g = 0; g < generations; ++g) {
    for (const auto& ear : others) ear.send(alive);
    int around = 0;
    for (const auto& ear : own) around += ear.recv().value() ? 1 : 0;
    alive = around == 3 || (alive && around == 2);
  }
  return alive;
}

world after(const world& now, int generations) {
  per_cell<ears> hears, tells;
  for (std::size_t y = 0; y < side; ++y) {
    for (std::size_t x = 0; x < side; ++x) {
      for (std::size_t d = 0; d < directions; ++d) {
        const weft::channel<bool> between(1);
        hears[y][x][d] = between;
        tells[(y + down[d]) % side][(x + right[d]) % side][d] = between;
      }
    }
  }
  world next{};
  weft::scope cells;
  for (std::size_t y = 0; y < side; ++y) {
    for (std::size_t x = 0; x < side; ++x) {
      cells.go([&, x, y] { next[y][x] = live(now[y][x], hears[y][x], tells[y][x], generations); });
    }
  }
  cells.join().value();
  return next;
}

void show(const world& w) {
  for (const auto& row : w) {
    for (const bool alive : row) std::putchar(alive ? '#' : '.');
    std::putchar('\n');
  }
}

}  // namespace

int main() {
  return weft::run([] {
    world glider{};
    for (const auto& [y, x] :
         std::array<std::array<std::size_t, 2>, 5>{{{0, 1}, {1, 2}, {2, 0}, {2, 1}, {2, 2}}}) {
      glider[y][x] = true;
    }
    show(glider);
    constexpr int around_the_world = 4 * static_cast<int>(side);  // it moves by one in four
    if (after(glider, 1) == glider || after(glider, around_the_world) != glider) {
      std::printf("it got lost\n");
      return 1;
    }
    std::printf("after %d generations it has gone around the world\n", around_the_world);
    return 0;
  });
}
