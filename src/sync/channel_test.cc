#include <weft/channel.h>
#include <weft/context.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <array>
#include <atomic>
#include <concepts>
#include <memory>
#include <ranges>
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

// misuse_text: what `f` throws, or "".
template <class F>
std::string misuse_text(F&& f) {
  try {
    f();
  } catch (const misuse_error& e) {
    return e.what();
  }
  return "";
}

TEST(channel, an_unbuffered_send_meets_its_receiver) {
  in_weft([] {
    channel<int> ch(0);
    int written = 0;
    go([&, ch] {
      written = 1;
      ch.send(7);
    });
    EXPECT_EQ(ch.recv().value(), 7);
    EXPECT_EQ(written, 1);
    EXPECT_EQ(ch.capacity(), 0U);
  });
}

TEST(channel, an_unbuffered_send_ends_after_its_receive_began) {
  in_weft([] {
    channel<int> ch(0);
    bool received_by = false;
    go([&, ch] {
      received_by = true;
      EXPECT_TRUE(ch.recv());
    });
    ch.send(1);
    EXPECT_TRUE(received_by);
  });
}

TEST(channel, a_buffer_is_first_in_first_out_and_wraps) {
  in_both([] {
    channel<int> ch(3);
    int next = 0;
    int expected = 0;
    for (int round = 0; round < 5; ++round) {
      while (ch.size() < ch.capacity()) ch.send(next++);
      EXPECT_EQ(ch.recv().value(), expected++);
      EXPECT_EQ(ch.recv().value(), expected++);
    }
  });
}

TEST(channel, receivers_are_served_in_the_order_they_came) {
  in_weft([] {
    channel<int> ch(0);
    std::array<int, 4> got{};
    for (std::size_t i = 0; i < got.size(); ++i) {
      go([&got, i, ch] { got[i] = ch.recv().value(); });
      wait_until_parked(wait_reason::chan_receive, i + 1);
    }
    for (int v = 0; v < 4; ++v) ch.send(v);
    wait_until([] { return goroutine_count() == 1; });
    EXPECT_EQ(got, (std::array{0, 1, 2, 3}));
  });
}

TEST(channel, senders_are_served_in_the_order_they_came) {
  in_weft([] {
    channel<int> ch(0);
    for (int i = 0; i < 4; ++i) {
      go([i, ch] { ch.send(i); });
      wait_until_parked(wait_reason::chan_send, static_cast<std::size_t>(i) + 1);
    }
    for (int i = 0; i < 4; ++i) EXPECT_EQ(ch.recv().value(), i);
  });
}

TEST(channel, a_woken_receiver_has_its_value_already) {
  in_weft([] {
    channel<int> ch(1);
    int got = 0;
    go([&got, ch] { got = ch.recv().value(); });
    wait_until_parked(wait_reason::chan_receive, 1);
    ch.send(5);
    EXPECT_EQ(ch.size(), 0U);
    EXPECT_EQ(ch.try_recv().error(), std::make_error_code(std::errc::operation_would_block));
    wait_until([] { return goroutine_count() == 1; });
    EXPECT_EQ(got, 5);
  });
}

TEST(channel, a_full_buffer_with_waiting_senders_keeps_order) {
  in_weft([] {
    channel<int> ch(2);
    ch.send(0);
    ch.send(1);
    for (int i = 2; i < 5; ++i) {
      go([i, ch] { ch.send(i); });
      wait_until_parked(wait_reason::chan_send, static_cast<std::size_t>(i) - 1);
    }
    EXPECT_EQ(ch.recv().value(), 0);
    EXPECT_EQ(ch.size(), 2U);
    for (int i = 1; i < 5; ++i) EXPECT_EQ(ch.recv().value(), i);
  });
}

TEST(channel, nil_waits_for_its_limit_and_cannot_be_closed) {
  in_both([] {
    const channel<int> nil;
    EXPECT_FALSE(nil);
    EXPECT_EQ(nil.recv(1ms).error(), errc::timeout);
    EXPECT_EQ(nil.send(1, 1ms).error(), errc::timeout);
    EXPECT_FALSE(nil.try_send(1));
    EXPECT_FALSE(nil.try_recv());
    EXPECT_EQ(nil.size(), 0U);
    EXPECT_EQ(nil.capacity(), 0U);
    EXPECT_EQ(misuse_text([&] { nil.close(); }), "close of nil channel");
  });
}

TEST(channel, nil_waits_until_its_context_is_cancelled) {
  in_weft([] {
    auto [ctx, cancel] = with_cancel({});
    go([cancel] {
      wait_until_parked(wait_reason::chan_receive_nil, 1);
      cancel();
    });
    EXPECT_EQ(channel<int>().recv(ctx).error(), errc::cancelled);
  });
}

TEST(channel, recv_on_closed_drains_then_reports_closed) {
  in_both([] {
    channel<int> ch(2);
    ch.send(1);
    ch.send(2);
    ch.close();
    EXPECT_EQ(ch.recv().value(), 1);
    EXPECT_EQ(ch.try_recv().value(), 2);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(ch.recv().error(), errc::closed);
      EXPECT_EQ(ch.try_recv().error(), errc::closed);
      EXPECT_EQ(ch.recv(0ms).error(), errc::closed);
    }
  });
}

TEST(channel, send_on_closed_throws_in_all_its_forms) {
  in_both([] {
    channel<std::string> ch(1);
    ch.close();
    const std::string text = "kept";
    EXPECT_EQ(misuse_text([&] { ch.send(text); }), "send on closed channel");
    EXPECT_EQ(misuse_text([&] { static_cast<void>(ch.send(text, 1ms)); }),
              "send on closed channel");
    EXPECT_EQ(misuse_text([&] { static_cast<void>(ch.try_send(text)); }), "send on closed channel");
  });
}

TEST(channel, close_of_closed_throws) {
  in_both([] {
    channel<int> ch(0);
    ch.close();
    EXPECT_EQ(misuse_text([&] { ch.close(); }), "close of closed channel");
  });
}

TEST(channel, close_wakes_all_receivers) {
  in_weft([] {
    channel<int> ch(0);
    std::atomic<int> closed{0};
    for (int i = 0; i < 10; ++i) {
      go([&closed, ch] {
        if (ch.recv().error() == errc::closed) ++closed;
      });
    }
    wait_until_parked(wait_reason::chan_receive, 10);
    ch.close();
    wait_until([&] { return closed == 10; });
  });
}

TEST(channel, close_makes_waiting_senders_throw) {
  in_weft([] {
    channel<std::unique_ptr<int>> ch(1);
    ch.send(std::make_unique<int>(0));
    std::atomic<int> thrown{0};
    for (int i = 0; i < 10; ++i) {
      go([&thrown, ch] {
        if (misuse_text([&] { ch.send(std::make_unique<int>(1)); }) == "send on closed channel") {
          ++thrown;
        }
      });
    }
    wait_until_parked(wait_reason::chan_send, 10);
    ch.close();
    wait_until([&] { return thrown == 10; });
    EXPECT_EQ(**ch.recv(), 0);
    EXPECT_EQ(ch.recv().error(), errc::closed);
  });
}

TEST(channel, range_runs_until_closed_and_drained) {
  in_weft([] {
    channel<int> ch(2);
    go([ch] {
      for (int i = 1; i <= 10; ++i) ch.send(i);
      ch.close();
    });
    int sum = 0;
    for (const int v : ch) sum += v;
    EXPECT_EQ(sum, 55);
  });
}

TEST(channel, try_operations_never_wait) {
  in_both([] {
    channel<int> ch(1);
    EXPECT_EQ(ch.try_recv().error(), std::make_error_code(std::errc::operation_would_block));
    EXPECT_TRUE(ch.try_send(1));
    EXPECT_FALSE(ch.try_send(2));
    EXPECT_EQ(ch.try_recv().value(), 1);
    channel<int> direct(0);
    EXPECT_FALSE(direct.try_send(1));
    EXPECT_FALSE(direct.try_recv());
  });
}

TEST(channel, try_send_reaches_a_waiting_receiver) {
  in_weft([] {
    channel<int> ch(0);
    int got = 0;
    go([&got, ch] { got = ch.recv().value(); });
    wait_until([&] { return ch.try_send(3); });
    wait_until([] { return goroutine_count() == 1; });
    EXPECT_EQ(got, 3);
  });
}

template <class C>
concept can_send = requires(C c) { c.send(1); };
template <class C>
concept can_close = requires(C c) { c.close(); };
template <class C>
concept can_recv = requires(C c) { c.recv(); };

static_assert(can_send<channel<int>> && can_recv<channel<int>> && can_close<channel<int>>);
static_assert(can_send<sender<int>> && !can_recv<sender<int>> && can_close<sender<int>>);
static_assert(!can_send<receiver<int>> && can_recv<receiver<int>> && !can_close<receiver<int>>);
static_assert(std::convertible_to<channel<int>, sender<int>>);
static_assert(!std::convertible_to<sender<int>, channel<int>>);

TEST(channel, views_are_the_same_channel_and_keep_it_alive) {
  in_both([] {
    receiver<int> in;
    {
      channel<int> ch(1);
      in = ch;
      const sender<int> out = ch;
      out.send(4);
      out.close();
    }
    EXPECT_EQ(in.recv().value(), 4);
    EXPECT_EQ(in.recv().error(), errc::closed);
  });
}

TEST(channel, impossible_capacities_throw) {
  EXPECT_EQ(misuse_text([] { channel<int>(-1); }), "makechan: size out of range");
  EXPECT_EQ(misuse_text([] { channel<int>(PTRDIFF_MAX); }), "makechan: size out of range");
}

TEST(channel, elements_without_size_only_count) {
  in_both([] {
    struct unit {};
    channel<unit> ch(1'000'000'000'000);
    for (int i = 0; i < 100; ++i) ch.send({});
    EXPECT_EQ(ch.size(), 100U);
    EXPECT_TRUE(ch.recv());
    EXPECT_EQ(ch.size(), 99U);
  });
}

TEST(channel, move_only_elements_travel) {
  in_weft([] {
    channel<std::unique_ptr<std::string>> ch(1);
    go([ch] {
      for (int i = 0; i < 20; ++i) ch.send(std::make_unique<std::string>(std::to_string(i)));
      ch.close();
    });
    int next = 0;
    for (const auto& text : ch) EXPECT_EQ(*text, std::to_string(next++));
    EXPECT_EQ(next, 20);
  });
}

TEST(channel, what_was_not_sent_is_still_there) {
  in_both([] {
    channel<std::unique_ptr<int>> ch(1);
    ch.send(std::make_unique<int>(1));
    auto mine = std::make_unique<int>(2);
    EXPECT_FALSE(ch.try_send(std::move(mine)));
    ASSERT_NE(mine, nullptr);
    EXPECT_EQ(ch.send(std::move(mine), 1ms).error(), errc::timeout);
    ASSERT_NE(mine, nullptr);
    EXPECT_EQ(*mine, 2);
  });
}

struct counted {
  static inline std::atomic<int> alive{0};
  explicit counted(int v) noexcept : value(v) { ++alive; }
  counted(counted&& other) noexcept : value(other.value) { ++alive; }
  counted(const counted& other) noexcept : value(other.value) { ++alive; }
  counted& operator=(const counted&) = default;
  ~counted() { --alive; }
  int value;
};

TEST(channel, elements_left_in_it_are_destroyed_with_it) {
  in_both([] {
    {
      channel<counted> ch(4);
      for (int i = 0; i < 4; ++i) ch.send(counted(i));
      EXPECT_EQ(ch.recv().value().value, 0);
      ch.send(counted(4));
      EXPECT_EQ(counted::alive, 4);
    }
    EXPECT_EQ(counted::alive, 0);
  });
}

struct large {
  std::array<long, 500> part;
};
struct alignas(64) aligned {
  long value;
};
struct alignas(256) aligned_cell {
  std::string value;
};

TEST(channel, large_and_aligned_elements_travel) {
  in_weft([] {
    channel<large> big(1);
    channel<aligned> small(0);
    channel<aligned_cell> cell(1);
    go([=] {
      large l{};
      l.part[499] = 9;
      big.send(l);
      small.send({8});
      cell.send({"text"});
    });
    EXPECT_EQ(big.recv()->part[499], 9);
    EXPECT_EQ(small.recv()->value, 8);
    const auto got = cell.recv();
    EXPECT_EQ(got->value, "text");
  });
}

// ticket: one that can be moved but not copied, though moving is copying its bytes.
struct ticket {
  explicit ticket(int n) noexcept : number(n) {}
  ticket(const ticket&) = delete;
  ticket(ticket&&) noexcept = default;
  ticket& operator=(const ticket&) = delete;
  ticket& operator=(ticket&&) noexcept = default;
  int number;
};
static_assert(std::is_trivially_copyable_v<ticket>);

TEST(channel, move_only_elements_without_a_destructor_travel) {
  in_both([] {
    channel<ticket> ch(2);
    ch.send(ticket(1));
    EXPECT_TRUE(ch.try_send(ticket(2)));
    EXPECT_EQ(ch.recv()->number, 1);
    EXPECT_EQ(ch.try_recv()->number, 2);
  });
}

TEST(channel, receiving_calls_no_constructor_of_an_empty_element_but_its_move) {
  in_both([] {
    static int made;
    struct announced {
      announced() noexcept { ++made; }
    };
    made = 0;
    channel<announced> ch(1);
    ch.send({});
    EXPECT_TRUE(ch.recv());
    EXPECT_EQ(made, 1);
  });
}

TEST(channel, what_was_not_sent_of_a_larger_object_is_still_there) {
  in_both([] {
    struct base {
      std::string text;
      explicit base(std::string t) : text(std::move(t)) {}
      base(const base&) = default;
      base(base&&) noexcept = default;
      base& operator=(const base&) = default;
      base& operator=(base&&) noexcept = default;
      virtual ~base() = default;
    };
    struct larger : base {
      using base::base;
      std::unique_ptr<int> own = std::make_unique<int>(7);
    };
    channel<base> ch(0);
    larger mine("kept");
    EXPECT_EQ(ch.send(std::move(mine), 1ms).error(), errc::timeout);
    EXPECT_EQ(mine.text, "kept");
    EXPECT_EQ(*mine.own, 7);
  });
}

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(const throws_when_copied& other) : text(other.text) {
    throw std::runtime_error("no copy");
  }
  throws_when_copied(throws_when_copied&&) noexcept = default;
  std::string text = "text";
};

TEST(channel, a_copy_that_throws_sends_nothing) {
  in_both([] {
    channel<throws_when_copied> ch(1);
    const throws_when_copied value;
    EXPECT_THROW(ch.send(value), std::runtime_error);
    EXPECT_THROW(static_cast<void>(ch.send(value, 1ms)), std::runtime_error);
    EXPECT_THROW(static_cast<void>(ch.try_send(value)), std::runtime_error);
    EXPECT_EQ(ch.size(), 0U);
    EXPECT_FALSE(ch.try_recv());
    ch.send(throws_when_copied());
    EXPECT_EQ(ch.recv()->text, "text");
  });
}

TEST(channel, an_element_that_fills_most_of_a_stack_is_received) {
  in_weft([] {
    struct vast {
      std::array<std::byte, 112 * 1024> part;
    };
    channel<vast> ch(1);
    const auto value = std::make_unique<vast>();
    value->part.back() = std::byte{9};
    ch.send(*value);
    wait_group all;
    all.go([ch] {
      const auto got = ch.recv();
      EXPECT_EQ(got->part.back(), std::byte{9});
    });
    all.wait().value();
  });
}

// A destructor of an element is code like any other: it may wait, and use channels.
TEST(channel, destructors_of_elements_left_behind_may_wait) {
  in_weft([] {
    struct says_goodbye {
      explicit says_goodbye(const channel<int>& ch) noexcept : to(ch) {}
      says_goodbye(says_goodbye&&) noexcept = default;
      ~says_goodbye() {
        if (to) to.send(1);
      }
      channel<int> to;
    };
    channel<int> goodbyes(0);
    go([=] {
      channel<says_goodbye> ch(2);
      ch.send(says_goodbye(goodbyes));
      ch.send(says_goodbye(goodbyes));
    });
    EXPECT_TRUE(goodbyes.recv());
    EXPECT_TRUE(goodbyes.recv());
  });
}

// The record by which a thread waits ends with the thread, but objects of the thread that were
// there before are destroyed after it.
TEST(channel, a_thread_may_wait_in_the_destructors_of_its_thread_locals) {
  struct waits_at_end {
    channel<int> ch;
    std::atomic<bool>* at_end = nullptr;
    ~waits_at_end() {
      *at_end = true;
      EXPECT_EQ(ch.recv().value(), 1);
    }
  };
  std::array<channel<int>, 3> ch;
  std::vector<std::thread> threads;
  for (auto& c : ch) {
    c = channel<int>(0);
    std::atomic<bool> at_end{false};
    threads.emplace_back([c, &at_end] {
      thread_local waits_at_end waits;
      waits.ch = c;
      waits.at_end = &at_end;
      EXPECT_FALSE(channel<int>(0).recv(1ms));
    });
    while (!at_end) std::this_thread::yield();
  }
  for (auto& c : ch) c.send(1);
  for (auto& t : threads) t.join();
}

static_assert(std::ranges::input_range<channel<int>>);
static_assert(std::ranges::input_range<const receiver<std::string>>);

TEST(channel, is_a_range) {
  in_both([] {
    channel<int> ch(3);
    for (int i = 0; i < 3; ++i) ch.send(i);
    ch.close();
    int sum = 0;
    for (const int v : ch | std::views::transform([](int x) { return x + 1; })) sum += v;
    EXPECT_EQ(sum, 6);
  });
}

TEST(channel, a_limit_ends_the_wait_and_leaves_nothing_behind) {
  in_both([] {
    channel<int> ch(1);
    EXPECT_EQ(ch.recv(1ms).error(), errc::timeout);
    EXPECT_EQ(ch.recv(limit::clock::now()).error(), errc::timeout);
    EXPECT_EQ(ch.recv(-1s).error(), errc::timeout);
    EXPECT_TRUE(ch.try_send(1));
    EXPECT_EQ(ch.send(2, 1ms).error(), errc::timeout);
    EXPECT_EQ(ch.recv().value(), 1);
    EXPECT_FALSE(ch.try_recv());
  });
}

TEST(channel, what_is_ready_is_done_though_the_limit_has_passed) {
  in_both([] {
    channel<int> ch(1);
    auto [ctx, cancel] = with_cancel({});
    cancel();
    EXPECT_TRUE(ch.send(1, ctx));
    EXPECT_EQ(ch.recv(ctx).value(), 1);
    EXPECT_TRUE(ch.send(2, -1s));
    EXPECT_EQ(ch.recv(0ms).value(), 2);
    EXPECT_EQ(ch.recv(ctx).error(), errc::cancelled);
  });
}

TEST(channel, a_context_cancels_a_waiting_send_and_recv) {
  in_weft([] {
    channel<int> ch(0);
    channel<int> other(0);
    auto [ctx, cancel] = with_cancel({});
    std::atomic<int> told{0};
    go([&, ctx] {
      if (ch.recv(ctx).error() == errc::cancelled) ++told;
    });
    go([&, ctx] {
      if (other.send(1, ctx).error() == errc::cancelled) ++told;
    });
    wait_until_parked(wait_reason::chan_receive, 1);
    wait_until_parked(wait_reason::chan_send, 1);
    cancel();
    wait_until([&] { return told == 2; });
    EXPECT_FALSE(ch.try_send(1));
    EXPECT_FALSE(other.try_recv());
  });
}

TEST(channel, a_stop_token_is_a_limit) {
  in_weft([] {
    channel<int> ch(0);
    std::stop_source stop;
    go([&] {
      wait_until_parked(wait_reason::chan_receive, 1);
      stop.request_stop();
    });
    EXPECT_EQ(ch.recv(stop.get_token()).error(), errc::cancelled);
    EXPECT_EQ(ch.recv(stop.get_token()).error(), errc::cancelled);
  });
}

TEST(channel, the_last_handle_may_be_in_the_frame_of_either_side) {
  in_weft([] {
    for (int i = 0; i < scaled(5000); ++i) {
      auto ch = std::make_unique<channel<std::string>>(i % 2);
      go([&other = *ch] { other.send("left behind"); });
      if (i % 3 == 0) weft::yield();
      EXPECT_TRUE(ch->recv());
    }
  });
}

TEST(channel, plain_threads_and_goroutines_share_a_channel) {
  for (const int capacity : {0, 1, 64}) {
    in_weft([capacity] {
      const int n = scaled(5000);
      channel<int> there(capacity);
      channel<int> back(capacity);
      std::thread echo([=] {
        for (const int v : there) back.send(v + 1);
        back.close();
      });
      go([=] {
        for (int i = 0; i < n; ++i) there.send(i);
        there.close();
      });
      int next = 1;
      for (const int v : back) EXPECT_EQ(v, next++);
      EXPECT_EQ(next, n + 1);
      join_from_goroutine(echo);
    });
  }
}

TEST(channel, plain_threads_need_no_runtime) {
  channel<int> ch(0);
  std::thread sender_thread([ch] {
    for (int i = 0; i < scaled(2000); ++i) ch.send(i);
    ch.close();
  });
  int next = 0;
  for (const int v : ch) EXPECT_EQ(v, next++);
  sender_thread.join();
  EXPECT_EQ(next, scaled(2000));
}

TEST(channel, who_waits_for_a_thread_that_waits_is_no_deadlock) {
  channel<int> ch(0);
  std::thread outside([ch] {
    EXPECT_EQ(channel<int>(0).recv(20ms).error(), errc::timeout);
    ch.send(1);
  });
  EXPECT_EQ(weft::run([ch] { return ch.recv().value(); }), 1);
  outside.join();
}

using channel_death = ::testing::Test;

TEST(channel_death, a_thread_that_waited_and_ended_hides_no_deadlock) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                const channel<int> ch(0);
                on_thread([ch] { static_cast<void>(ch.recv(1ms)); });
                static_cast<void>(ch.recv());
              }),
              ::testing::ExitedWithCode(2), "all goroutines are asleep - deadlock!");
}

// every_value_once: `seen` holds each value of 0 to n - 1 once.
void every_value_once(const std::vector<std::atomic<int>>& seen) {
  for (std::size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(seen[i], 1) << "value " << i;
  }
}

class channel_stress : public ::testing::TestWithParam<int> {};

TEST_P(channel_stress, many_producers_and_consumers_lose_and_duplicate_nothing) {
  in_weft([] {
    constexpr int producers = 8;
    const int each = scaled(4000);
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(producers * each));
    channel<int> ch(GetParam());
    wait_group sent;
    wait_group received;
    for (int p = 0; p < producers; ++p) {
      sent.go([=] {
        for (int i = 0; i < each; ++i) ch.send(p * each + i);
      });
    }
    for (int c = 0; c < producers; ++c) {
      received.go([&seen, ch] {
        for (const int v : ch) ++seen[static_cast<std::size_t>(v)];
      });
    }
    sent.wait().value();
    ch.close();
    received.wait().value();
    every_value_once(seen);
  });
}

TEST_P(channel_stress, timeouts_that_race_with_sends_lose_nothing) {
  in_weft([] {
    constexpr int producers = 4;
    const int each = scaled(2000);
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(producers * each));
    channel<std::unique_ptr<int>> ch(GetParam());
    wait_group sent;
    wait_group received;
    for (int p = 0; p < producers; ++p) {
      sent.go([=] {
        for (int i = 0; i < each; ++i) {
          auto value = std::make_unique<int>(p * each + i);
          while (!ch.send(std::move(value), std::chrono::microseconds(i % 40))) {
            ASSERT_NE(value, nullptr);
          }
        }
      });
    }
    for (int c = 0; c < producers; ++c) {
      received.go([&seen, ch] {
        for (int i = 0;; ++i) {
          auto got = ch.recv(std::chrono::microseconds(i % 40));
          if (got) {
            ++seen[static_cast<std::size_t>(**got)];
          } else if (got.error() == errc::closed) {
            return;
          }
        }
      });
    }
    sent.wait().value();
    ch.close();
    received.wait().value();
    every_value_once(seen);
  });
}

TEST_P(channel_stress, a_close_that_races_with_sends_and_receives_loses_nothing) {
  in_weft([] {
    for (int round = 0; round < scaled(300); ++round) {
      channel<int> ch(GetParam());
      std::atomic<int> sent{0};
      std::atomic<int> received{0};
      wait_group all;
      for (int i = 0; i < 4; ++i) {
        all.go([&, ch] {
          try {
            for (;;) {
              ch.send(1);
              ++sent;
            }
          } catch (const misuse_error&) {
            // closed
          }
        });
        all.go([&, ch] {
          for (const int v : ch) received += v;
        });
      }
      all.go([ch] {
        for (int i = 0; i < 20; ++i) weft::yield();
        ch.close();
      });
      all.wait().value();
      ASSERT_EQ(sent, received);
    }
  });
}

TEST_P(channel_stress, cancels_that_race_with_sends_lose_nothing) {
  in_weft([] {
    std::atomic<int> sent{0};
    std::atomic<int> received{0};
    channel<int> ch(GetParam());
    wait_group senders;
    wait_group receivers;
    for (int i = 0; i < 4; ++i) {
      receivers.go([&, ch] {
        for (const int v : ch) received += v;
      });
    }
    for (int round = 0; round < scaled(500); ++round) {
      auto [ctx, cancel] = with_cancel({});
      for (int i = 0; i < 4; ++i) {
        senders.go([&, ctx, ch] {
          while (ch.send(1, ctx)) {
            ++sent;
            if (ctx.done()) return;
          }
        });
      }
      weft::yield();
      cancel();
      senders.wait().value();
    }
    ch.close();
    receivers.wait().value();
    EXPECT_EQ(received, sent);
  });
}

INSTANTIATE_TEST_SUITE_P(of_capacity, channel_stress, ::testing::Values(0, 1, 7));

// -- exceptions --

TEST(channel, a_goroutine_may_park_inside_a_catch) {
  in_weft([] {
    channel<int> ch(0);
    wait_group all;
    for (int i = 0; i < 20; ++i) {
      all.go([i, ch] {
        try {
          throw i;
        } catch (int caught) {
          static_cast<void>(ch.recv());
          try {
            throw;
          } catch (int again) {
            EXPECT_EQ(again, caught);
          }
          EXPECT_EQ(caught, i);
        }
        EXPECT_EQ(std::current_exception(), nullptr);
      });
    }
    wait_until_parked(wait_reason::chan_receive, 20);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    ch.close();
    all.wait().value();
  });
}

TEST(channel, a_goroutine_may_park_inside_an_unwinding_destructor) {
  in_weft([] {
    channel<int> ch(0);
    wait_group all;
    for (int i = 0; i < 20; ++i) {
      all.go([i, ch] {
        struct waits {
          channel<int> ch;
          ~waits() {
            EXPECT_EQ(std::uncaught_exceptions(), 1);
            static_cast<void>(ch.recv());
            EXPECT_EQ(std::uncaught_exceptions(), 1);
          }
        };
        try {
          const waits w{ch};
          throw i;
        } catch (int caught) {
          EXPECT_EQ(caught, i);
        }
        EXPECT_EQ(std::uncaught_exceptions(), 0);
      });
    }
    wait_until_parked(wait_reason::chan_receive, 20);
    ch.close();
    all.wait().value();
  });
}

// -- ends --

TEST(channel_ends, a_receiver_learns_that_nobody_is_left_to_send) {
  in_both([] {
    channel<int> c(1);
    receiver<int> from = c;
    std::optional<sender<int>> to = c;
    c.send(1);
    c = {};
    EXPECT_TRUE(from.has_senders());
    auto last = std::move(*to);
    to.reset();
    EXPECT_TRUE(from.has_senders());
    last = {};
    EXPECT_FALSE(from.has_senders());
    EXPECT_EQ(from.recv().value(), 1);
  });
}

TEST(channel_ends, both_kinds_are_counted_apart) {
  in_both([] {
    channel<int> c(1);
    const receiver<int> from = c;
    const sender<int> to = c;
    const receiver<int> second = from;
    EXPECT_TRUE(c.has_senders());
    EXPECT_TRUE(c.has_receivers());
    c = {};
    EXPECT_TRUE(from.has_senders());
    EXPECT_TRUE(to.has_receivers());
  });
  in_both([] {
    channel<int> c(1);
    const receiver<int> from = c;
    c = {};
    EXPECT_FALSE(from.has_senders());
  });
  in_both([] {
    channel<int> c(1);
    const sender<int> to = c;
    c = {};
    EXPECT_FALSE(to.has_receivers());
    EXPECT_FALSE(channel<int>().has_senders());
    EXPECT_TRUE(timer(1h).channel().has_senders());
  });
}

TEST(channel_ends, who_waits_is_one) {
  in_weft([] {
    channel<int> c(0);
    sender<int> to = c;
    auto waiting = std::make_shared<receiver<int>>(c);
    c = {};
    go([waiting] { static_cast<void>(waiting->recv()); });
    wait_until_parked(wait_reason::chan_receive, 1);
    *waiting = {};
    EXPECT_TRUE(to.has_receivers());
    to.send(1);
    wait_until([&] { return !to.has_receivers(); });
  });
}

}  // namespace
}  // namespace weft
