// The runtime's lock, down to the futex, which is the checker's. What it guards is plain.

#include "base/lock.h"

#include "check.h"

namespace weft::base {

namespace {

using interleave::kind;
using interleave::program;
using leaf = lock<rank::leaf>;

struct guarded {
  leaf lock;
  int count = 0;
};

template <int Threads, int Times>
void counting(program& p) {
  auto& g = p.make<guarded>();
  for (int t = 0; t < Threads; ++t) {
    p.thread([&g] {
      for (int i = 0; i < Times; ++i) {
        const locked hold(g.lock);
        ++g.count;
      }
    });
  }
  p.after([&g] { interleave::require(g.count == Threads * Times, "a count is missing"); });
}

// passing: who is told from inside a critical section passes the lock, and destroys it.
void passing(program& p) {
  struct shared {
    guarded* object = new guarded;
    atomic<bool> told{false};
  };
  auto& s = p.make<shared>();
  p.thread([&s] {
    guarded& g = *s.object;
    const locked hold(g.lock);
    s.told.store(true, base::release);
    ++g.count;
  });
  p.thread([&s] {
    interleave::take_when(s.told.checked_cell(), 1, 1, interleave::site::current());
    s.object->lock.pass();
    delete s.object;
  });
}

// trying: who tries takes it or leaves it.
void trying(program& p) {
  auto& g = p.make<guarded>();
  for (int t = 0; t < 3; ++t) {
    p.thread([&g] {
      if (!g.lock.try_acquire()) return;
      ++g.count;
      g.lock.release();
    });
  }
  p.after([&g] { interleave::require(g.count >= 1, "nobody got a free lock"); });
}

TEST(lock, keeps_two_threads_apart_twice) { interleave::expect_holds(counting<2, 2>); }
TEST(lock, keeps_three_threads_apart_and_wakes_all_of_them) {
  interleave::expect_holds(counting<3, 1>);
}
TEST(lock, may_be_destroyed_by_who_has_passed_it) { interleave::expect_holds(passing); }
TEST(lock, is_taken_or_left_by_who_tries) { interleave::expect_holds(trying); }

TEST(lock, needs_its_orders_and_exchanges) {
  const auto found = [](const interleave::mutation& wrong, const char* text) {
    interleave::expect_found(counting<3, 1>, wrong, text);
  };
  found(interleave::weaker("lock.h", "::let_go", kind::exchange), "data race");
  found(interleave::weaker("lock.h", "::take", kind::compare), "data race");
  found(interleave::weaker("lock.cc", "::take_slow", kind::compare), "data race");
  found(interleave::weaker("lock.cc", "::take_slow", kind::exchange), "data race");
  found(interleave::split("lock.h", "::take", kind::compare), "data race");
  found(interleave::split("lock.cc", "::take_slow", kind::compare), "data race");
  found(interleave::split("lock.cc", "::take_slow", kind::exchange), "wait for ever");
  found(interleave::split("lock.h", "::let_go", kind::exchange), "wait for ever");
  found(interleave::left_out("futex.cc", "::futex_wake", kind::futex), "wait for ever");
  interleave::expect_found(passing, interleave::weaker("lock.h", "::is_free", kind::load),
                           "data race");
}

}  // namespace
}  // namespace weft::base
