#include <weft/channel.h>
#include <weft/context.h>
#include <weft/limit.h>
#include <weft/mutex.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <concepts>
#include <stop_token>
#include <thread>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;
using clock = limit::clock;

// ends_by: what ends a wait under `l`.
errc ends_by(const limit& l) {
  const auto e = channel<int>(0).recv(l).error();
  return e == errc::timeout ? errc::timeout : errc::cancelled;
}

// ends_when: what `l` says when `end` is called while somebody waits under it.
template <class F>
void ends_when(const limit& l, errc by, F&& end) {
  wait_group ending;
  ending.go([&] {
    wait_until_parked(wait_reason::chan_receive, 1);
    end();
  });
  EXPECT_EQ(ends_by(l), by);
  EXPECT_EQ(ends_by(l), by);  // the next wait does not begin
  ending.wait().value();
}

TEST(limit, of_two_contexts_ends_with_either) {
  in_weft([] {
    auto [a, cancel_a] = with_cancel({});
    auto [b, cancel_b] = with_cancel({});
    auto [c, cancel_c] = with_cancel({});
    ends_when({a, c}, errc::cancelled, cancel_a);
    ends_when({c, b}, errc::cancelled, cancel_b);
    ends_when({c, c}, errc::cancelled, cancel_c);
  });
}

TEST(limit, of_two_tokens_ends_with_either) {
  in_weft([] {
    std::stop_source a;
    std::stop_source b;
    const std::stop_source never;
    ends_when({a.get_token(), never.get_token()}, errc::cancelled, [&] { a.request_stop(); });
    ends_when({never.get_token(), b.get_token()}, errc::cancelled, [&] { b.request_stop(); });
  });
}

TEST(limit, of_a_context_and_a_token_ends_with_either) {
  in_weft([] {
    std::stop_source stop;
    auto [ctx, cancel] = with_cancel({});
    const std::stop_source never;
    ends_when({ctx, never.get_token()}, errc::cancelled, cancel);
    auto [other, cancel_other] = with_cancel({});
    ends_when({other, stop.get_token()}, errc::cancelled, [&] { stop.request_stop(); });
  });
}

TEST(limit, of_two_ends_with_the_earlier_deadline) {
  in_both([] {
    auto [soon, cancel_soon] = with_timeout({}, 1ms);
    auto [late, cancel_late] = with_timeout({}, 1h);
    EXPECT_EQ(ends_by({soon, late}), errc::timeout);
    EXPECT_EQ(ends_by({late, soon}), errc::timeout);
    EXPECT_EQ(ends_by({late, 1ms}), errc::timeout);
    EXPECT_EQ(ends_by({1ms, late}), errc::timeout);
    EXPECT_EQ(ends_by({1h, clock::now() + 1ms}), errc::timeout);
    EXPECT_EQ(ends_by({std::stop_token(), 1ms}), errc::timeout);
    EXPECT_EQ(ends_by({1ms, std::stop_source().get_token()}), errc::timeout);
  });
}

TEST(limit, of_two_works_on_plain_threads) {
  for (const bool first : {false, true}) {
    auto [a, cancel_a] = with_cancel({});
    auto [b, cancel_b] = with_cancel({});
    std::thread waiter([&, first_ctx = a, second_ctx = b] {
      EXPECT_EQ(ends_by({first_ctx, second_ctx}), errc::cancelled);
    });
    (first ? cancel_a : cancel_b)();
    waiter.join();
  }
}

TEST(limit, of_two_holds_wherever_one_waits) {
  in_weft([] {
    auto [a, cancel_a] = with_cancel({});
    auto [b, cancel_b] = with_cancel({});
    cancel_b();
    EXPECT_EQ(sleep_for(1h, {a, b}).error(), errc::cancelled);
    EXPECT_EQ(channel<int>(0).send(1, {a, b}).error(), errc::cancelled);
    EXPECT_EQ(a.wait({context(), b}).error(), errc::cancelled);
    mutex m;
    m.lock();
    EXPECT_EQ(m.lock({a, b}).error(), errc::cancelled);
    m.unlock();
  });
}

// Two at most: a third would not be heard.
static_assert(std::constructible_from<limit, const context&, const context&>);
static_assert(std::constructible_from<limit, std::chrono::seconds, std::stop_token>);
static_assert(!std::constructible_from<limit, const context&, limit>);
static_assert(!std::constructible_from<limit, limit, std::chrono::seconds>);
static_assert(
    !std::constructible_from<limit, const context&, const context&, std::chrono::seconds>);

TEST(limit, copies_hold_the_same) {
  in_weft([] {
    std::stop_source stop;
    const std::stop_source never;
    const auto copy = [&] {
      const limit l{never.get_token(), stop.get_token()};
      return limit(l);
    }();
    ends_when(copy, errc::cancelled, [&] { stop.request_stop(); });
  });
}

TEST(limit, too_far_away_to_count_is_never) {
  using far = std::chrono::time_point<clock, std::chrono::hours>;
  EXPECT_EQ(limit(far::max()).deadline_ns(), limit::never);
  EXPECT_EQ(limit(clock::time_point::max()).deadline_ns(), limit::never);
  EXPECT_EQ(limit(std::chrono::hours::max()).deadline_ns(), limit::never);
  EXPECT_EQ(limit(std::chrono::duration<double>(1e300)).deadline_ns(), limit::never);
  EXPECT_LE(limit(far::min()).deadline_ns(), 0);
  EXPECT_LE(limit(clock::time_point::min()).deadline_ns(), 0);
  EXPECT_LE(limit(std::chrono::hours::min()).deadline_ns(), 0);
  EXPECT_EQ(limit(clock::time_point(5ns)).deadline_ns(), 5);
}

TEST(limit, races_of_its_two_parts_end_the_wait_once) {
  in_weft([] {
    for (int i = 0; i < scaled(2000); ++i) {
      auto [a, cancel_a] = with_cancel({});
      auto [b, cancel_b] = with_cancel({});
      go([cancel = cancel_a] { cancel(); });
      go([cancel = cancel_b] { cancel(); });
      EXPECT_EQ(ends_by({a, b}), errc::cancelled);
      EXPECT_EQ(channel<int>(0).recv(0ms).error(), errc::timeout);
    }
  });
}

}  // namespace
}  // namespace weft
