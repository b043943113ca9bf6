#pragma once

// program: small functions with the mistakes that studies of Go programs found (Tu et al., 2019;
// GoBench, 2021), one file a category, each beside its fixed twin.
//
//   WRONG(lock_order, two_accounts, sometimes) { ... }
//   RIGHT(lock_order, two_accounts) { ... }
//
// What outlives its function, as a leaked goroutine does, shares what it uses: the mistake is the
// one that is named, not a dangling reference.

#include <weft/time.h>

#include <chrono>
#include <stdexcept>
#include <vector>

namespace weft::leaks {

using namespace std::chrono_literals;

// when: whether every schedule shows the mistake, or some.
enum class when : unsigned char { always, sometimes };

struct program {
  const char* category;
  const char* name;
  bool wrong;
  when shows;  // if it is wrong
  void (*run)();
};

[[nodiscard]] std::vector<program>& programs();

struct registrar {
  explicit registrar(const program& p) { programs().push_back(p); }
};

// expect: what the program's own test would say.
inline void expect(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

// work_for: takes its time.
inline void work_for(std::chrono::milliseconds d) { static_cast<void>(sleep_for(d)); }

}  // namespace weft::leaks

#define WEFT_PROGRAM(category, name, kind, wrong, shows)                                  \
  static void category##_##name##_##kind();                                               \
  static const ::weft::leaks::registrar category##_##name##_##kind##_registrar(           \
      {#category, #name, wrong, ::weft::leaks::when::shows, category##_##name##_##kind}); \
  static void category##_##name##_##kind()

#define WRONG(category, name, shows) WEFT_PROGRAM(category, name, wrong, true, shows)
#define RIGHT(category, name) WEFT_PROGRAM(category, name, right, false, always)
