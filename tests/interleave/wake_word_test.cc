// The word that decides whether a wake-up costs a system call: no request is hidden from who
// sleeps.

#include "poll/wake_word.h"

#include <array>

#include "check.h"

namespace weft::poll {
namespace {

using interleave::kind;
using interleave::program;
using interleave::site;

constexpr const char* file = "wake_word.h";

struct sleeper {
  wake_word word;
  base::atomic<std::uint32_t> interrupt{0};
  std::array<base::atomic<std::uint32_t>, 2> queued{};
  base::atomic<std::uint32_t> lock{0};
  int changed = 0;  // guarded by lock

  void kick() noexcept { interrupt.store(1, base::release); }
  void wait() noexcept { interleave::take_when(interrupt.checked_cell(), 1, 0, site::current()); }
  void acquire() noexcept { interleave::take_when(lock.checked_cell(), 0, 1, site::current()); }
  void release() noexcept { lock.store(0, base::release); }

  // relaxed: ordered by the word alone.
  void ask(std::size_t i) noexcept {
    queued[i].store(1, base::relaxed);
    if (word.ask()) kick();
  }
  [[nodiscard]] bool has_all(std::size_t n) const noexcept {
    std::uint32_t seen = 0;
    for (std::size_t i = 0; i < n; ++i) seen += queued[i].load(base::relaxed);
    return seen == n;
  }
};

template <std::size_t Askers>
void asked(program& p) {
  auto& s = p.make<sleeper>();
  p.thread([&s] {
    // Without a look between sleep() and wait(): whoever asks from there on must interrupt.
    while (!s.has_all(Askers)) {
      if (!s.word.sleep()) continue;
      s.wait();
      s.word.awake();
    }
  });
  for (std::size_t i = 0; i < Askers; ++i) {
    p.thread([&s, i] { s.ask(i); });
  }
}

// changed: rouse() where a lock orders the change and the look (I3).
void changed(program& p) {
  auto& s = p.make<sleeper>();
  p.thread([&s] {
    for (;;) {
      if (!s.word.sleep()) continue;
      s.acquire();
      const bool done = s.changed == 1;
      s.release();
      if (!done) s.wait();
      s.word.awake();
      if (done) return;
    }
  });
  p.thread([&s] {
    s.acquire();
    s.changed = 1;
    s.release();
    if (s.word.rouse()) s.kick();
  });
  p.after([&s] { interleave::require(!s.word.occupied(), "nobody sleeps, and the word says so"); });
}

TEST(wake_word, hides_no_request_of_one_asker) { interleave::expect_holds(asked<1>); }
TEST(wake_word, hides_no_request_of_two_askers) { interleave::expect_holds(asked<2>); }
TEST(wake_word, rouses_who_looked_before_the_change) { interleave::expect_holds(changed); }

TEST(wake_word, needs_its_orders_and_exchanges) {
  const auto lost = "wait for ever";
  interleave::expect_found(asked<2>, interleave::look_first(file, "::ask", kind::modify), lost);
  interleave::expect_found(asked<2>, interleave::weaker(file, "::ask", kind::modify), lost);
  interleave::expect_found(asked<2>, interleave::weaker(file, "::awake", kind::exchange), lost);
  interleave::expect_found(asked<2>, interleave::split(file, "::ask", kind::modify));
  interleave::expect_found(asked<2>, interleave::split(file, "::sleep", kind::compare));
  interleave::expect_found(changed, interleave::split(file, "::rouse", kind::compare));
  interleave::expect_found(changed, interleave::left_out(file, "::rouse", kind::compare), lost);
}

}  // namespace
}  // namespace weft::poll
