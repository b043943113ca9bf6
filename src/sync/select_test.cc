#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <array>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;

TEST(select, does_the_case_that_is_ready_and_returns_its_index) {
  in_both([] {
    channel<int> a(1);
    channel<int> b(1);
    b.send(4);
    int got = 0;
    EXPECT_EQ(select(recv(a), recv(b, [&](int v) { got = v; })), 1U);
    EXPECT_EQ(got, 4);
    bool sent = false;
    EXPECT_EQ(select(send(a, 5, [&] { sent = true; }), recv(b)), 0U);
    EXPECT_TRUE(sent);
    EXPECT_EQ(a.recv().value(), 5);
  });
}

TEST(select, waits_until_a_case_is_ready) {
  in_weft([] {
    channel<int> a(0);
    channel<std::string> b(0);
    go([=] {
      wait_until_parked(wait_reason::select, 1);
      b.send("late");
    });
    std::string got;
    EXPECT_EQ(select(recv(a), recv(b, [&](std::string v) { got = std::move(v); })), 1U);
    EXPECT_EQ(got, "late");
    go([=] {
      wait_until_parked(wait_reason::select, 1);
      EXPECT_EQ(a.recv().value(), 6);
    });
    EXPECT_EQ(select(send(a, 6), recv(b)), 0U);
  });
}

TEST(select, chooses_evenly_among_ready_cases) {
  in_both([] {
    channel<int> a(1);
    channel<int> b(1);
    channel<int> c(1);
    a.send(0);
    b.send(0);
    std::array<int, 4> chosen{};
    for (int i = 0; i < 4000; ++i) {
      // Two receives, a send, and a deadline that has passed.
      const auto index = select(recv(a), recv(b), send(c, 1), after(0ms));
      ++chosen[index];
      if (index == 0) a.send(0);
      if (index == 1) b.send(0);
      if (index == 2) static_cast<void>(c.recv());
    }
    for (const int n : chosen) EXPECT_GT(n, 800);  // six standard deviations below 1,000
  });
}

TEST(select, otherwise_is_for_when_nothing_is_ready) {
  in_both([] {
    channel<int> a(1);
    channel<int> b(0);
    const context background;
    bool none = false;
    EXPECT_EQ(
        select(recv(a), recv(b), send(b, 1), done(background), otherwise([&] { none = true; })),
        4U);
    EXPECT_TRUE(none);
    a.send(1);
    EXPECT_EQ(select(otherwise(), recv(b), recv(a)), 2U);
    EXPECT_EQ(select(otherwise()), 0U);
  });
}

TEST(select, a_time_that_has_come_can_go_on) {
  in_both([] {
    channel<int> none(0);
    channel<int> open(1);
    const auto past = limit::clock::now();
    EXPECT_EQ(select(otherwise(), recv(none), after(past)), 2U);
    EXPECT_EQ(select(otherwise(), recv(none), after(past + 1h)), 0U);
    EXPECT_EQ(select(otherwise(), after(limit::clock::time_point::max())), 0U);
    int timeouts = 0;
    for (int i = 0; i < 400; ++i) {
      open.send(1);
      timeouts += static_cast<int>(select(recv(open), after(past)));
      static_cast<void>(open.try_recv());
    }
    EXPECT_GT(timeouts, 100);
    EXPECT_LT(timeouts, 300);
  });
}

template <class T, class V>
concept can_stand_in_a_send = requires(channel<T> ch, V v) { send(ch, std::move(v)); };
static_assert(can_stand_in_a_send<long, int> && can_stand_in_a_send<std::string, const char*>);
static_assert(!can_stand_in_a_send<std::vector<int>, int>);
static_assert(!can_stand_in_a_send<std::unique_ptr<int>, int*>);

TEST(select, sends_what_send_would) {
  in_both([] {
    channel<std::vector<int>> ch(1);
    select(send(ch, {1, 2, 3}));
    EXPECT_EQ(ch.recv(), (std::vector{1, 2, 3}));
    const std::vector<int> kept{4, 5};
    select(send(ch, kept));
    EXPECT_EQ(ch.recv(), kept);
  });
}

TEST(select, a_value_that_throws_when_copied_sends_nothing) {
  in_both([] {
    struct throws_when_copied {
      throws_when_copied() = default;
      throws_when_copied(const throws_when_copied&) { throw std::runtime_error("no copy"); }
      throws_when_copied(throws_when_copied&&) noexcept = default;
      std::string text;
    };
    channel<throws_when_copied> ch(1);
    channel<std::unique_ptr<int>> other(1);
    const throws_when_copied value;
    EXPECT_THROW(select(send(other, std::make_unique<int>(1)), send(ch, value)),
                 std::runtime_error);
    EXPECT_EQ(ch.size() + other.size(), 0U);
  });
}

TEST(select, never_chooses_nil) {
  in_both([] {
    const channel<int> nil;
    for (int i = 0; i < 100; ++i) EXPECT_EQ(select(recv(nil), send(nil, 1), otherwise()), 2U);
    EXPECT_EQ(select(recv(nil), send(nil, 1), after(1ms)), 2U);
  });
}

TEST(select, a_send_on_closed_is_ready_and_throws_if_chosen) {
  in_both([] {
    channel<int> open(1);
    channel<int> closed(1);
    closed.close();
    EXPECT_THROW(select(send(closed, 1), otherwise()), misuse_error);
    int thrown = 0;
    for (int i = 0; i < 200; ++i) {
      try {
        select(send(closed, 1), send(open, 1));
        static_cast<void>(open.recv());
      } catch (const misuse_error&) {
        ++thrown;
      }
    }
    EXPECT_GT(thrown, 20);
    EXPECT_LT(thrown, 180);
  });
}

TEST(select, a_waiting_send_throws_when_its_channel_is_closed) {
  in_weft([] {
    channel<int> a(0);
    channel<int> b(0);
    go([=] {
      wait_until_parked(wait_reason::select, 1);
      a.close();
    });
    EXPECT_THROW(select(recv(b), send(a, 1)), misuse_error);
    EXPECT_FALSE(b.try_send(1));
  });
}

TEST(select, a_close_is_told_to_functions_that_take_a_result) {
  in_both([] {
    channel<int> ch(1);
    ch.close();
    bool called = false;
    select(recv(ch, [&](int) { called = true; }));
    EXPECT_FALSE(called);
    select(recv(ch, [&] { called = true; }));
    EXPECT_TRUE(called);
    bool closed = false;
    select(recv(ch, [&](result<int> r) { closed = r.error() == errc::closed; }));
    EXPECT_TRUE(closed);
  });
}

TEST(select, a_waiting_receive_is_told_of_a_close) {
  in_weft([] {
    channel<int> a(0);
    channel<int> b(0);
    go([=] {
      wait_until_parked(wait_reason::select, 1);
      b.close();
    });
    bool closed = false;
    EXPECT_EQ(select(recv(a), recv(b, [&](result<int> r) { closed = !r; })), 1U);
    EXPECT_TRUE(closed);
  });
}

TEST(select, the_same_channel_may_stand_in_many_cases) {
  in_weft([] {
    channel<int> ch(0);
    for (int i = 0; i < 100; ++i) {
      go([ch, i] { ch.send(i); });
      int got = -1;
      const auto take = [&](int v) { got = v; };
      EXPECT_LT(select(recv(ch, take), recv(ch, take), recv(ch, take)), 3U);
      EXPECT_EQ(got, i);
    }
    EXPECT_FALSE(ch.try_recv());
    EXPECT_FALSE(ch.try_send(1));
  });
}

TEST(select, both_directions_of_a_channel_do_not_meet_themselves) {
  in_weft([] {
    channel<int> ch(0);
    EXPECT_EQ(select(recv(ch), send(ch, 1), after(1ms)), 2U);
    EXPECT_EQ(select(recv(ch), send(ch, 1), otherwise()), 2U);
  });
}

TEST(select, two_selects_meet_each_other) {
  in_weft([] {
    channel<int> ch(0);
    const int n = scaled(20'000);
    std::atomic<int> sent{0};
    std::atomic<int> received{0};
    wait_group both;
    for (int side = 0; side < 2; ++side) {
      both.go([&, ch] {
        while (sent + received < 2 * n) {
          select(recv(ch, [&](int) { ++received; }), send(ch, 1, [&] { ++sent; }), after(100us));
        }
      });
    }
    both.wait().value();
    EXPECT_EQ(sent, received);
  });
}

TEST(select, those_not_chosen_are_untouched) {
  in_weft([] {
    channel<std::unique_ptr<int>> a(0);
    channel<std::unique_ptr<int>> b(0);
    go([=] {
      wait_until_parked(wait_reason::select, 1);
      a.send(std::make_unique<int>(1));
    });
    EXPECT_EQ(select(recv(a), recv(b), send(b, std::make_unique<int>(2))), 0U);
    EXPECT_FALSE(b.try_send(nullptr));
    EXPECT_FALSE(b.try_recv());
  });
}

TEST(select, evaluates_all_its_values_once) {
  in_both([] {
    channel<int> a(1);
    channel<int> b(0);
    int evaluated = 0;
    const auto value = [&] { return ++evaluated; };
    EXPECT_EQ(select(send(a, value()), send(b, value())), 0U);
    EXPECT_EQ(evaluated, 2);
  });
}

TEST(select, functions_may_throw_wait_and_select_again) {
  in_both([] {
    channel<int> a(1);
    a.send(1);
    int got = 0;
    EXPECT_THROW(select(recv(a,
                             [&](int v) {
                               a.send(v + 1);
                               select(recv(a, [&](int w) { got = w; }));
                               throw std::string("mine");
                             })),
                 std::string);
    EXPECT_EQ(got, 2);
  });
}

TEST(select, the_earliest_deadline_wins) {
  in_both([] {
    channel<int> a(0);
    auto [late, cancel] = with_timeout({}, 1h);
    EXPECT_EQ(select(recv(a), after(1h), after(1ms), done(late)), 2U);
    auto [soon, cancel_soon] = with_timeout({}, 1ms);
    EXPECT_EQ(select(recv(a), after(1h), done(soon), done(late)), 2U);
    EXPECT_EQ(soon.err(), errc::timeout);
    EXPECT_EQ(select(done(late), after(limit::clock::now())), 1U);
  });
}

TEST(select, waits_for_several_contexts) {
  in_weft([] {
    auto [a, cancel_a] = with_cancel({});
    auto [b, cancel_b] = with_cancel({});
    channel<int> ch(0);
    for (int i = 0; i < 50; ++i) {
      auto [child, cancel_child] = with_cancel(b);
      go([cancel_child] {
        wait_until_parked(wait_reason::select, 1);
        cancel_child();
      });
      EXPECT_EQ(select(done(a), done(b), done(child), recv(ch)), 2U);
    }
    cancel_b();
    EXPECT_EQ(select(done(a), done(b), recv(ch)), 1U);
  });
}

TEST(select, without_a_case_waits_for_ever) {
  weft::run([] {
    go([] { select(); });
    go([] { select(recv(channel<int>())); });
    wait_until_parked(wait_reason::select_no_cases, 1);
    wait_until_parked(wait_reason::select, 1);
  });
}

TEST(select, works_between_plain_threads) {
  channel<int> a(0);
  channel<int> b(0);
  channel<int> stop(0);
  const int n = scaled(2000);
  std::thread other([=] {
    for (int i = 0; i < n; ++i) select(send(a, i), send(b, i));
    stop.close();
  });
  int received = 0;
  const auto count = [&](int) { ++received; };
  for (bool going = true; going;) {
    select(recv(a, count), recv(b, count), recv(stop, [&] { going = false; }));
  }
  other.join();
  EXPECT_EQ(received, n);
}

TEST(select, the_last_handles_may_be_in_the_frame_of_either_side) {
  in_weft([] {
    for (int i = 0; i < scaled(5000); ++i) {
      auto a = std::make_unique<channel<std::string>>(0);
      auto b = std::make_unique<channel<std::string>>(0);
      go([&from = *a, &to = *b] { select(recv(from), send(to, "to")); });
      if (i % 3 == 0) weft::yield();
      select(recv(*b), send(*a, "from"));
    }
  });
}

// The other side may drop all handles when its value has come, though the select still holds the
// locks of the other channels.
TEST(select, may_lose_its_other_handles_with_the_value_it_gave) {
  in_weft([] {
    for (int i = 0; i < scaled(20'000); ++i) {
      auto a = std::make_unique<channel<std::string>>(0);
      auto b = std::make_unique<channel<std::string>>(0);
      go([&from = *a, &to = *b] { select(recv(from), send(to, "to")); });
      EXPECT_TRUE(b->recv());
    }
  });
}

TEST(select, takes_ticks_of_a_timer) {
  in_both([] {
    channel<int> ch(0);
    timer once(1ms);
    EXPECT_EQ(select(recv(ch), recv(once.channel())), 1U);
    EXPECT_EQ(select(recv(ch), recv(once.channel()), otherwise()), 2U);
    once.reset(1h);
    EXPECT_EQ(select(recv(once.channel()), after(1ms)), 1U);
  });
}

TEST(select, notices_a_timer_that_is_set_meanwhile) {
  in_weft([] {
    timer t(1h);
    go([&] {
      wait_until_parked(wait_reason::select, 1);
      t.reset(1ms);
    });
    EXPECT_EQ(select(recv(t.channel()), recv(channel<int>(0))), 0U);
  });
}

// A storm: goroutines pass numbered tokens about through all channels with selects of all kinds.
// None may be lost or doubled.
void storm(int capacity, bool with_deadlines) {
  in_weft([=] {
    constexpr int channel_count = 4;
    constexpr int workers = 8;
    const int each = scaled(3000);
    std::array<channel<int>, channel_count> ch;
    for (auto& c : ch) c = channel<int>(capacity);
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(workers * each));
    wait_group senders;
    wait_group receivers;
    auto [ctx, cancel] = with_cancel({});
    for (int w = 0; w < workers; ++w) {
      senders.go([=, &ch, &seen] {
        const auto take = [&](int v) { ++seen[static_cast<std::size_t>(v)]; };
        for (int i = 0; i < each;) {
          const int v = w * each + i;
          const auto wait = with_deadlines ? std::chrono::microseconds(i % 30 + 1) : 1h;
          // Sends to two channels, receives from a third.
          const auto index =
              select(send(ch[static_cast<std::size_t>(v % 4)], v),
                     recv(ch[static_cast<std::size_t>((v + 1) % 4)], take),
                     send(ch[static_cast<std::size_t>((v + 2) % 4)], v), after(wait));
          if (index == 0 || index == 2) ++i;
        }
      });
      receivers.go([&ch, &seen, ctx] {
        const auto take = [&](int v) { ++seen[static_cast<std::size_t>(v)]; };
        while (select(recv(ch[0], take), recv(ch[3], take), recv(ch[1], take), recv(ch[2], take),
                      done(ctx)) != 4) {
        }
      });
    }
    senders.wait().value();
    wait_until([&] { return ch[0].size() + ch[1].size() + ch[2].size() + ch[3].size() == 0; });
    cancel();
    receivers.wait().value();
    for (std::size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], 1) << "value " << i;
  });
}

TEST(select, a_storm_loses_and_doubles_nothing) {
  storm(0, false);
  storm(3, false);
}

TEST(select, a_storm_with_deadlines_loses_and_doubles_nothing) {
  storm(0, true);
  storm(3, true);
}

}  // namespace
}  // namespace weft
