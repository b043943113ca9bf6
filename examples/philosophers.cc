// philosophers: five of them, five forks, and each needs the two beside him. A weft::mutex is
// Lockable, so std::scoped_lock takes both forks without the deadlock that taking the left one
// first would end in. They hold them while others run, so that somebody is always in the way.
//
//   $ ./philosophers
//   Aristotle ate 1000 times
//   ...

#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <mutex>

int main() {
  return weft::run([] {
    constexpr std::array names{"Aristotle", "Hypatia", "Kant", "Spinoza", "Zhuangzi"};
    constexpr int meals = 1000;
    std::array<weft::mutex, names.size()> forks;
    std::array<int, names.size()> eaten{};
    {
      weft::scope dinner;
      for (std::size_t i = 0; i < names.size(); ++i) {
        dinner.go({.name = names[i]}, [&, i] {
          for (int meal = 0; meal < meals; ++meal) {
            const std::scoped_lock both(forks[i], forks[(i + 1) % forks.size()]);
            weft::yield();
            ++eaten[i];
          }
        });
      }
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::printf("%s ate %d times\n", names[i], eaten[i]);
    }
    return 0;
  });
}
