// The word that decides who ends a wait. The waiter learns what its claimer wrote, its claimer what
// it had saved, and of several claimers one wins (waiter.h, I1, I2, I4).

#include "sched/waiter.h"

#include <array>

#include "check.h"

namespace weft::sched {
namespace {

using interleave::kind;
using interleave::program;

constexpr const char* file = "waiter.h";

struct record : waiter {
  record() noexcept : waiter(false, 1) {
    to_runnable();
    to_running();
  }

  // published: by ticket: whether a queue knows of it.
  std::array<base::atomic<bool>, 3> published{};
  base::atomic<std::uint32_t> ready{0};
  int context = 0;              // saved by the waiter, for whoever makes it run
  std::array<int, 3> handed{};  // by claimers
  std::array<int, 3> won{};
  int stack = 0;  // its own, while it runs

  // learn: waits until the ticket is known. knows: looks.
  void learn(ticket t) noexcept {
    interleave::take_when(published[t].checked_cell(), 1, 1, interleave::site::current());
  }
  [[nodiscard]] bool knows(ticket t) const noexcept { return published[t].load(base::acquire); }

  // wait: arms, parks, goes on; what decided it.
  token wait() {
    const ticket t = arm();
    published[t].store(true, base::release);
    ++context;
    if (try_park()) interleave::take_when(ready.checked_cell(), 1, 0, interleave::site::current());
    const token by = resume();
    ++stack;
    ++handed[by - token_first_case];  // races, unless its claimer's doings are seen
    return by;
  }

  // claim_as: what a claimer does with a ticket that it knows.
  void claim_as(std::size_t who, ticket t) {
    handed[who] = 1;
    const auto outcome = claim(t, static_cast<token>(token_first_case + who));
    if (outcome == claim_outcome::lost) return;
    ++won[who];
    if (outcome == claim_outcome::won_running) return;
    interleave::require(context > 0, "claimed parked, but nothing was saved");
    ++context;
    ready.store(1, base::release);
  }
};

// two_claimers: one wins.
void two_claimers(program& p) {
  auto& r = p.make<record>();
  p.thread([&r] { r.wait(); });
  for (std::size_t who = 0; who < 2; ++who) {
    p.thread([&r, who] {
      r.learn(1);
      r.claim_as(who, 1);
    });
  }
  p.after([&r] { interleave::require(r.won[0] + r.won[1] == 1, "not one claim won"); });
}

// old_ticket: of two waits in a row one claimer ends each; another has the first one's ticket.
void old_ticket(program& p) {
  auto& r = p.make<record>();
  p.thread([&r] {
    r.wait();
    interleave::require(r.wait() == token_first_case + 1, "an old ticket won");
  });
  p.thread([&r] {
    for (std::size_t who = 0; who < 2; ++who) {
      r.learn(who + 1);
      r.claim_as(who, who + 1);
    }
  });
  p.thread([&r] {
    if (r.knows(1)) r.claim_as(2, 1);
  });
  p.after([&r] {
    interleave::require(r.won[0] + r.won[2] == 1 && r.won[1] == 1, "not one claim of each won");
  });
}

// held: a dump reads the stack of who is parked, and whoever claims it meanwhile waits.
void held(program& p) {
  auto& r = p.make<record>();
  p.thread([&r] { r.wait(); });
  p.thread([&r] {
    r.learn(1);
    r.claim_as(0, 1);
  });
  p.thread([&r] {
    if (!r.try_hold()) return;
    interleave::require(r.context == 1 && r.stack == 0, "held where it runs");
    r.drop_hold();
  });
}

// given_up: a wait is given up, or was decided.
void given_up(program& p) {
  auto& r = p.make<record>();
  p.thread([&r] {
    r.published[r.arm()].store(true, base::release);
    if (r.disarm()) {
      r.stack = 1;
    } else {
      ++r.handed[r.resume() - token_first_case];
    }
  });
  p.thread([&r] {
    if (r.knows(1)) r.claim_as(0, 1);
  });
  p.after([&r] { interleave::require(r.stack == 0 || r.won[0] == 0, "given up, and claimed"); });
}

TEST(waiter, is_claimed_by_one_of_two) { interleave::expect_holds(two_claimers); }
TEST(waiter, is_not_claimed_with_an_old_ticket) { interleave::expect_holds(old_ticket); }
TEST(waiter, stays_where_it_is_while_a_dump_holds_it) { interleave::expect_holds(held); }
TEST(waiter, gives_up_or_was_claimed) { interleave::expect_holds(given_up); }

TEST(waiter, needs_its_orders_and_exchanges) {
  const auto found = [](const interleave::description& in, const interleave::mutation& wrong,
                        const char* text = "") { interleave::expect_found(in, wrong, text); };
  found(two_claimers, interleave::weaker(file, "::try_park", kind::compare, base::acquire),
        "data race");
  found(two_claimers, interleave::weaker(file, "::claim", kind::compare, base::release),
        "data race");
  found(two_claimers, interleave::weaker(file, "::claim", kind::compare, base::acquire),
        "data race");
  found(two_claimers, interleave::weaker(file, "::resume", kind::load), "data race");
  found(two_claimers, interleave::split(file, "::claim", kind::compare));
  found(two_claimers, interleave::split(file, "::try_park", kind::compare));
  found(given_up, interleave::split(file, "::disarm", kind::compare));
  found(held, interleave::weaker(file, "::drop_hold", kind::modify), "data race");
  found(held, interleave::weaker(file, "::try_hold", kind::compare), "data race");
  found(held, interleave::split(file, "::try_hold", kind::compare));
}

}  // namespace
}  // namespace weft::sched
