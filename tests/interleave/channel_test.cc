// Channels and select: the real channel.cc and select.cc, with a lock whose insides are
// lock_test.cc's to check, and threads that wait as plain threads do.

#include "sync/channel_core.h"

#include <weft/select.h>

#include <array>

#include "check.h"
#include "stand_in.h"

namespace weft::sync {
namespace {

using detail::select_case;
using detail::select_kind;
using interleave::kind;
using interleave::program;

constexpr interleave::options hardware{.memory = interleave::rules::hardware};

// room: a channel of numbers, and what happened to each number.
struct room {
  explicit room(std::size_t capacity) : core(new channel_core(capacity, sizeof(long), nullptr)) {}
  room(const room&) = delete;
  room& operator=(const room&) = delete;
  ~room() {
    if (core != nullptr) core->release(detail::both_ends);
  }

  outcome send(long n) const noexcept {
    kept k;
    return core->send(&n, {}, true, k);
  }
  // recv: -1 when it is closed, -2 when somebody ended the wait.
  [[nodiscard]] long recv() const noexcept {
    long n = 0;
    kept k;
    const auto got = core->recv(&n, {}, true, k);
    return got == outcome::done ? n : got == outcome::closed ? -1 : -2;
  }
  // try_recv: -1 when it is closed, 0 when it would block.
  [[nodiscard]] long try_recv() const noexcept {
    long n = 0;
    const auto got = core->try_recv(&n);
    return got == outcome::done ? n : got == outcome::closed ? -1 : 0;
  }
  [[nodiscard]] bool try_send(long n) const noexcept { return core->try_send(&n) == outcome::done; }

  channel_core* core;
};

struct scene {
  sched::records threads;
  std::array<long, 5> got{};
  base::atomic<bool> told{false};
};

// crossing: two send, two receive.
template <std::size_t Capacity>
void crossing(program& p) {
  auto& s = p.make<scene>();
  auto& c = p.make<room>(Capacity);
  for (long n = 1; n <= 2; ++n) {
    p.thread([&c, n] { c.send(n); });
  }
  for (std::size_t i = 0; i < 2; ++i) {
    p.thread([&s, &c, i] { s.got[i] = c.recv(); });
  }
  p.after([&s] { interleave::require(s.got[0] + s.got[1] == 3, "a value was lost or doubled"); });
}

// in_order: one sends twice, one receives twice.
template <std::size_t Capacity>
void in_order(program& p) {
  p.make<scene>();
  auto& c = p.make<room>(Capacity);
  p.thread([&c] {
    c.send(1);
    c.send(2);
  });
  p.thread(
      [&c] { interleave::require(c.recv() == 1 && c.recv() == 2, "values came out of order"); });
}

// closing: beside a send and a receive, both of which end.
template <std::size_t Capacity>
void closing(program& p) {
  auto& s = p.make<scene>();
  auto& c = p.make<room>(Capacity);
  p.thread([&s, &c] { s.got[0] = c.send(7) == outcome::done ? 1 : 0; });
  p.thread([&s, &c] { s.got[1] = c.recv(); });
  p.thread([&c] { interleave::require(c.core->close(), "closed twice"); });
  p.after([&s, &c] {
    const long left = c.try_recv();
    interleave::require((s.got[1] == 7) + (left == 7) == s.got[0], "sent is what was received");
    interleave::require(s.got[1] == 7 || s.got[1] == -1, "the receiver was told something else");
  });
}

// ended: a wait that somebody else may end (as a timer does), beside a sender who does not wait.
void ended(program& p) {
  auto& s = p.make<scene>();
  auto& c = p.make<room>(0U);
  p.thread([&s, &c] { s.got[0] = c.recv(); });
  p.thread([&s, &c] { s.got[1] = c.try_send(7) ? 7 : -2; });
  p.thread([&s] {
    sched::standing_record& who = s.threads.of(1);
    const auto was = who.current_phase();
    if (was != sched::phase::armed && was != sched::phase::parked) return;
    sched::wake_list woken;
    woken.claim(who, 1, sched::token_timeout);
  });
  p.thread([&s, &c] {
    if (s.told.load(base::acquire)) return;
    static_cast<void>(c.core->close());
  });
  p.after([&s] {
    if (s.got[1] == 7) interleave::require(s.got[0] == 7, "sent, and not received");
    if (s.got[1] != 7) interleave::require(s.got[0] != 7, "received, and not sent");
  });
}

// dropped: either side of a match holds one end, and drops it at once; who is last destroys.
template <std::size_t Capacity>
void dropped(program& p) {
  p.make<scene>();
  auto& c = p.make<room>(Capacity);
  channel_core* core = std::exchange(c.core, nullptr);
  p.thread([core] {
    const long n = 7;
    {
      kept k;
      static_cast<void>(core->send(&n, {}, true, k));
    }
    core->release(detail::sending_end);
  });
  p.thread([core] {
    long n = 0;
    {
      kept k;
      static_cast<void>(core->recv(&n, {}, true, k));
    }
    interleave::require(n == 7, "something else was received");
    core->release(detail::receiving_end);
  });
}

// destroyed: the receiver owns the channel, which the sender has a loan of, and destroys it when it
// has the value; the sender may be in there still (I5).
template <std::size_t Capacity>
void destroyed(program& p) {
  p.make<scene>();
  auto& c = p.make<room>(Capacity);
  channel_core* core = std::exchange(c.core, nullptr);
  p.thread([core] {
    const long n = 7;
    kept k;
    static_cast<void>(core->send(&n, {}, true, k));
  });
  p.thread([core] {
    long n = 0;
    {
      kept k;
      static_cast<void>(core->recv(&n, {}, true, k));
    }
    core->release(detail::both_ends);
  });
}

// told_of: who has heard that something was sent, or closed, finds it by a look without the lock.
void told_of(program& p) {
  auto& s = p.make<scene>();
  auto& c = p.make<room>(1U);
  p.thread([&s, &c] {
    if (interleave::choose(2) == 0) {
      c.send(7);
    } else {
      static_cast<void>(c.core->close());
    }
    s.told.store(true, base::release);
  });
  p.thread([&s, &c] {
    if (s.told.load(base::acquire)) interleave::require(c.try_recv() != 0, "it was not found");
  });
}

// each_other: two send on a channel each, then look at the other's.
void each_other(program& p) {
  auto& s = p.make<scene>();
  auto& a = p.make<room>(1U);
  auto& b = p.make<room>(1U);
  p.thread([&] {
    a.send(1);
    s.got[0] = b.try_recv();
  });
  p.thread([&] {
    b.send(1);
    s.got[1] = a.try_recv();
  });
  p.after([&s] { interleave::require(s.got[0] + s.got[1] != 0, "neither found the other's"); });
}

select_case receiving(const room& c, long& to) {
  select_case made;
  made.kind = select_kind::recv;
  made.core = c.core;
  made.slot = &to;
  return made;
}

select_case sending(const room& c, long& from) {
  select_case made;
  made.kind = select_kind::send;
  made.core = c.core;
  made.slot = &from;
  return made;
}

// one_of_two: a select receives from one of two senders; the other's value stays its own.
void one_of_two(program& p) {
  auto& s = p.make<scene>();
  auto& a = p.make<room>(0U);
  auto& b = p.make<room>(0U);
  p.thread([&] { s.got[1] = a.try_send(1); });
  p.thread([&] { b.send(2); });
  p.thread([&] {
    std::array<long, 2> slots{};
    std::array cases{receiving(a, slots[0]), receiving(b, slots[1])};
    const auto chosen = detail::select_cases(cases.data(), cases.size()).index;
    s.got[0] = slots[chosen];
    interleave::require(slots[chosen] == static_cast<long>(chosen) + 1, "not its case's value");
    if (chosen == 0) interleave::require(b.recv() == 2, "the other's value was lost");
  });
  p.after([&s] { interleave::require((s.got[0] == 1) == (s.got[1] == 1), "sent, not received"); });
}

// face_to_face: two selects that can serve each other over either of two channels.
void face_to_face(program& p) {
  auto& s = p.make<scene>();
  auto& a = p.make<room>(0U);
  auto& b = p.make<room>(0U);
  const auto selects = [&s](const room& to, const room& from, std::size_t me) {
    long out = 7;
    long in = 0;
    std::array cases{sending(to, out), receiving(from, in)};
    const auto chosen = detail::select_cases(cases.data(), cases.size()).index;
    s.got[me] = chosen == 0 ? 10 : in;
  };
  p.thread([&a, &b, selects] { selects(a, b, 0); });
  p.thread([&a, &b, selects] { selects(b, a, 1); });
  p.after(
      [&s] { interleave::require(s.got[0] + s.got[1] == 17, "not one sent and one received"); });
}

// never_empty: a value goes from one channel to the other and is always in one; so who selects
// among both never finds nothing.
void never_empty(program& p) {
  p.make<scene>();
  auto& a = p.make<room>(1U);
  auto& b = p.make<room>(1U);
  static_cast<void>(a.try_send(1));
  p.thread([&] {
    static_cast<void>(b.try_send(1));
    static_cast<void>(a.try_recv());
  });
  p.thread([&] {
    std::array<long, 2> slots{};
    std::array cases{receiving(a, slots[0]), receiving(b, slots[1]), select_case()};
    const auto chosen = detail::select_cases(cases.data(), cases.size()).index;
    interleave::require(chosen != 2, "nothing was ready, it said");
  });
}

TEST(channel, gives_each_value_to_one_of_two) {
  interleave::expect_holds(crossing<0>);
  interleave::expect_holds(crossing<1>);
}
TEST(channel, keeps_the_order_of_what_one_sends) {
  interleave::expect_holds(in_order<0>);
  interleave::expect_holds(in_order<1>);
}
TEST(channel, loses_nothing_beside_a_close) {
  interleave::expect_holds(closing<0>);
  interleave::expect_holds(closing<1>);
}
TEST(channel, serves_no_wait_that_has_ended) { interleave::expect_holds(ended); }
TEST(channel, is_destroyed_by_the_last_of_either_side) {
  interleave::expect_holds(dropped<0>);
  interleave::expect_holds(dropped<1>);
}
TEST(channel, may_be_destroyed_by_who_received_the_last_value) {
  interleave::expect_holds(destroyed<0>);
  interleave::expect_holds(destroyed<1>);
}
TEST(channel, shows_without_its_lock_what_one_has_been_told_of) {
  interleave::expect_holds(told_of);
}

// That an operation that finds nothing has not passed an earlier one is not C++'s, which knows no
// order between a relaxed store that a release follows and another location's load; the hardware
// gives it (publish_look()).
TEST(channel, hides_no_send_from_who_looks_at_it_after_a_send_of_its_own) {
  interleave::expect_holds(each_other, hardware);
  interleave::expect_found(each_other, {}, "neither found");
  interleave::expect_found(
      each_other, interleave::weaker("channel_core.h", "::look", kind::load, base::acquire),
      "neither found", hardware);
}

TEST(select, takes_from_one_of_two) { interleave::expect_holds(one_of_two); }
TEST(select, meets_another_select) { interleave::expect_holds(face_to_face); }
TEST(select, finds_what_is_always_in_one_of_two_channels) {
  interleave::expect_holds(never_empty, hardware);
  interleave::expect_found(never_empty, {}, "nothing was ready");
}

TEST(channel, needs_its_orders_and_exchanges) {
  const auto found = [](const interleave::description& in, const interleave::mutation& wrong) {
    interleave::expect_found(in, wrong);
  };
  found(crossing<1>, interleave::weaker("channel.cc", "", kind::lock));
  found(crossing<1>, interleave::weaker("channel.cc", "", kind::exchange));
  found(crossing<0>, interleave::split("waiter.h", "::claim", kind::compare));
  found(ended, interleave::split("waiter.h", "::claim", kind::compare));
  found(told_of, interleave::left_out("channel.cc", "::publish_look", kind::store));
  found(dropped<1>, interleave::weaker("channel_core.h", "::release", kind::modify));
  found(dropped<1>, interleave::split("channel_core.h", "::release", kind::modify));
  // Who was served does not pass the lock (I5).
  found(destroyed<0>, interleave::left_out("channel.cc", "::wait_in", kind::load));
}

TEST(select, needs_its_orders_and_exchanges) {
  const auto found = [](const interleave::description& in, const interleave::mutation& wrong) {
    interleave::expect_found(in, wrong);
  };
  found(one_of_two, interleave::split("waiter.h", "::claim", kind::compare));
  found(one_of_two, interleave::weaker("waiter.h", "::resume", kind::load));
  found(face_to_face, interleave::weaker("select.cc", "", kind::exchange));
  found(face_to_face, interleave::weaker("select.cc", "", kind::lock));
}

}  // namespace
}  // namespace weft::sync
