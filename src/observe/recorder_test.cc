#include "observe/recorder.h"

#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/trace.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "observe/ring.h"
#include "observe/timeline.h"
#include "observe/trace_test.h"
#include "sched/scheduler.h"

namespace weft::observe {
namespace {

using observe_test::decode;
using observe_test::scaled;
using sched::wait_reason;
using sched::trace::entry;
using sched::trace::event;
using sched::trace::ring;

// recorded: what `f` does in a runtime of its own, as its first goroutine, `procs` at once.
template <class F>
recording recorded(F&& f, unsigned procs) {
  int wrong = 0;
  const auto session = start_recording(wrong);
  EXPECT_NE(session, 0U) << wrong;
  weft::run(std::forward<F>(f), {.max_procs = procs});
  stop_recording(session);
  return read_recording(session, false);
}

void wait_until_parked(wait_reason why, int n) {
  for (int parked = 0; parked != n; weft::yield()) {
    parked = 0;
    sched::current_scheduler()->for_each_goroutine([&](sched::goroutine& g) {
      if (!g.try_hold()) return;
      parked += g.reason == why;
      g.drop_hold();
    });
  }
}

// -- the ring --

TEST(Ring, gives_what_was_put_in_order_from_any_entry_on) {
  const std::unique_ptr<ring> r(ring::make());
  for (std::uint64_t i = 0; i < 100; ++i) {
    r->put(i, ~i);
    r->publish();
  }
  std::vector<entry> copied;
  EXPECT_EQ(r->copy(40, copied), 40U);
  ASSERT_EQ(copied.size(), 60U);
  for (std::uint64_t i = 0; i < 60; ++i) {
    EXPECT_EQ(copied[i].first, 40 + i);
    EXPECT_EQ(copied[i].second, ~(40 + i));
  }
}

TEST(Ring, what_is_overwritten_is_the_oldest) {
  const std::unique_ptr<ring> r(ring::make());
  constexpr auto put = 3 * ring::capacity + 17;
  for (std::uint64_t i = 0; i < put; ++i) {
    r->put(i, ~i);
    r->publish();
  }
  std::vector<entry> copied;
  const auto first = r->copy(0, copied);
  EXPECT_EQ(first, put - ring::capacity + ring::batch_max);
  ASSERT_EQ(copied.size(), put - first);
  for (std::uint64_t i = 0; i < copied.size(); ++i) ASSERT_EQ(copied[i].first, first + i);
}

TEST(Ring, a_copy_made_while_it_is_written_holds_whole_entries_only) {
  const std::unique_ptr<ring> r(ring::make());
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::uint64_t i = 0; !stop;) {
      for (std::uint64_t batch = i % ring::batch_max + 1; batch > 0; --batch, ++i) r->put(i, ~i);
      r->publish();
    }
  });
  std::vector<entry> copied;
  std::uint64_t first = 0;
  for (int round = 0; round < scaled(100) || first < 2 * ring::capacity; ++round) {
    first = r->copy(0, copied);
    for (std::uint64_t i = 0; i < copied.size(); ++i) {
      ASSERT_EQ(copied[i].first, first + i);
      ASSERT_EQ(copied[i].second, ~(first + i));
    }
  }
  stop = true;
  writer.join();
}

// -- recordings --

// story: what happened to the goroutine called `name`: but that its processor was taken, or that it
// let others go first, which test modes make it do.
std::vector<event> story(const recording& of, std::string_view name) {
  std::vector<event> events;
  std::uint64_t id = 0;
  for (const birth& b : of.births) {
    if (b.name == name) id = b.goroutine;
  }
  EXPECT_NE(id, 0U) << name;
  for (const happening& h : of.events) {
    if (h.goroutine != id || h.what == event::retaken) continue;
    const bool goes_on =
        h.what == event::dispatched && !events.empty() && events.back() == event::yielding;
    if (goes_on) {
      events.pop_back();
    } else {
      events.push_back(h.what);
    }
  }
  return events;
}

TEST(Recorder, what_a_goroutine_does_is_recorded_in_order) {
  const auto got = recorded(
      [] {
        const weft::channel<int> c(0);
        weft::wait_group done;
        done.add(1);
        weft::go({.name = "a child with a long name"}, [&] {
          static_cast<void>(c.recv());
          weft::blocking([] {});
          done.done();
        });
        wait_until_parked(wait_reason::chan_receive, 1);
        c.send(1);
        done.wait();
        while (weft::goroutine_count() != 1) weft::yield();
      },
      1);
  EXPECT_EQ(
      story(got, "a child with a long nam"),
      (std::vector{event::spawned, event::dispatched, event::parking, event::readied,
                   event::dispatched, event::blocking_begins, event::blocking_ends, event::ended}));
  const auto waits = std::ranges::find_if(got.events, [](const happening& h) {
    return h.what == event::parking &&
           h.detail == static_cast<std::uint32_t>(wait_reason::chan_receive);
  });
  EXPECT_NE(waits, got.events.end());
  for (const birth& b : got.births) {
    EXPECT_NE(std::string_view(b.file).find("recorder_test.cc"), std::string_view::npos);
    EXPECT_GT(b.line, 0U);
  }
  EXPECT_EQ(got.missed, 0U);
}

// What may follow what, of one goroutine.
bool may_follow(event before, event now) {
  switch (now) {
    case event::spawned: return before == event::none;
    case event::dispatched:
      return before == event::spawned || before == event::readied || before == event::yielding;
    case event::readied: return before == event::parking;
    default: return before == event::dispatched;
  }
}

TEST(Recorder, each_goroutines_events_follow_each_other_as_they_must) {
  const auto got = recorded(
      [] {
        weft::wait_group done;
        const weft::channel<int> c(1);
        for (int g = 0; g < 10; ++g) {
          done.go([&c, g] {
            for (int i = 0; i < scaled(200); ++i) {
              if (g % 2 == 0) {
                c.send(i);
              } else {
                static_cast<void>(c.recv());
              }
              if (i % 8 == 0) weft::yield();
              if (i % 32 == 0) weft::blocking([] { std::this_thread::yield(); });
            }
          });
        }
        done.wait();
      },
      1);
  std::map<std::uint64_t, event> last;
  for (const happening& h : got.events) {
    if (h.what == event::retaken || h.what == event::blocking_begins ||
        h.what == event::blocking_ends)
      continue;
    EXPECT_TRUE(may_follow(last[h.goroutine], h.what))
        << h.goroutine << ": " << static_cast<int>(last[h.goroutine]) << " before "
        << static_cast<int>(h.what);
    last[h.goroutine] = h.what;
  }
}

// Threads that are no machines share a ring, whoever runs what they start.
TEST(Recorder, of_a_long_recording_the_end_is_kept_and_says_so) {
  constexpr auto started = ring::capacity / 2 + 100;  // two entries each
  const auto got = recorded(
      [] {
        std::thread outside([] {
          for (std::uint64_t i = 0; i < started; ++i) {
            weft::go({.name = i + 1 == started ? "the last" : ""}, [] {});
          }
        });
        weft::blocking([&] { outside.join(); });
      },
      1);
  std::uint32_t of_threads = 0;
  while (got.threads[of_threads].runtime != 0) ++of_threads;
  EXPECT_TRUE(got.threads[of_threads].lost);
  std::uint64_t kept = 0;
  for (const happening& h : got.events) kept += h.thread == of_threads;
  EXPECT_LT(kept, started);
  EXPECT_GT(kept, ring::capacity / 4);
  EXPECT_TRUE(std::ranges::any_of(got.births, [](const birth& b) { return b.name == "the last"; }));
}

TEST(Recorder, a_new_recording_holds_nothing_of_the_one_before) {
  const auto program = [] { weft::yield(); };
  const auto first = recorded(program, 1);
  const auto second = recorded(program, 1);
  ASSERT_FALSE(first.events.empty());
  ASSERT_FALSE(second.events.empty());
  EXPECT_GT(second.events.front().at_ns, first.events.back().at_ns);
}

// short_runtimes: so many, one after the other, each with a goroutine that is called by its number.
void short_runtimes(int n) {
  for (int i = 0; i < n; ++i) {
    weft::run(
        [i] {
          weft::wait_group done;
          done.add(1);
          weft::go({.name = std::to_string(i)}, [&] { done.done(); });
          done.wait();
        },
        {.max_procs = 1});
  }
}

bool has_birth_of(const recording& in, int number) {
  return std::ranges::any_of(in.births,
                             [&](const birth& b) { return b.name == std::to_string(number); });
}

TEST(Recorder, what_short_runtimes_did_one_after_the_other_is_kept) {
  constexpr int runtimes = 5;
  int wrong = 0;
  const auto session = start_recording(wrong);
  ASSERT_NE(session, 0U) << wrong;
  short_runtimes(runtimes);
  stop_recording(session);
  const auto got = read_recording(session, false);
  EXPECT_EQ(got.missed, 0U);
  for (int i = 0; i < runtimes; ++i) EXPECT_TRUE(has_birth_of(got, i)) << i;
}

TEST(Recorder, of_more_threads_than_it_keeps_those_that_ended_first_go_and_are_counted) {
  constexpr int runtimes = flight_recorder::threads_max + 44;
  constexpr int last = 50;
  int wrong = 0;
  const auto session = start_recording(wrong);
  ASSERT_NE(session, 0U) << wrong;
  short_runtimes(runtimes);
  stop_recording(session);
  const auto got = read_recording(session, false);
  std::uint64_t forgotten = 0;
  for (int i = 0; i < runtimes; ++i) forgotten += has_birth_of(got, i) ? 0 : 1;
  EXPECT_GE(forgotten, 44U);
  EXPECT_GE(got.missed, 2 * forgotten);  // each was spawned, and dispatched
  for (int i = runtimes - last; i < runtimes; ++i) EXPECT_TRUE(has_birth_of(got, i)) << i;
}

// A goroutine that goes on is noted at the time of what was noted last, which may be long ago.
TEST(Recorder, the_first_event_of_a_recording_is_not_of_the_time_of_the_one_before) {
  weft::run(
      [] {
        int wrong = 0;
        const auto before = start_recording(wrong);
        ASSERT_NE(before, 0U) << wrong;
        weft::go([] {});
        weft::yield();
        stop_recording(before);
        const auto session = start_recording(wrong);
        ASSERT_NE(session, 0U) << wrong;
        // As if it had begun between the end of who ran before, and our turn.
        constexpr std::uint32_t mark = 77;
        sched::trace::listeners.recorder(event::dispatched, *sched::current_goroutine(), mark);
        stop_recording(session);
        const auto got = read_recording(session, false);
        EXPECT_TRUE(std::ranges::any_of(got.events, [&](const happening& h) {
          return h.what == event::dispatched && h.detail == mark;
        }));
      },
      {.max_procs = 1});
}

TEST(Recorder, it_can_be_read_while_goroutines_go_on_and_threads_join_in) {
  for (const unsigned procs : {1U, 2U, 4U}) {
    int wrong = 0;
    const auto session = start_recording(wrong);
    ASSERT_NE(session, 0U);
    weft::run(
        [&] {
          const weft::channel<int> c(0);
          weft::wait_group done;
          for (int g = 0; g < 6; ++g) {
            done.go([&, g] {
              for (int i = 0; i < scaled(5000); ++i) {
                if (g % 2 == 0) {
                  static_cast<void>(c.try_send(g));
                } else {
                  static_cast<void>(c.try_recv());
                }
                if (i % 16 == 0) weft::go([] { weft::blocking([] {}); });
                weft::yield();
              }
            });
          }
          std::thread outside([&] {
            for (int i = 0; i < scaled(1000); ++i) weft::go([] { weft::yield(); });
          });
          for (int i = 0; i < 10; ++i) {
            const auto got = read_recording(session, true);
            EXPECT_TRUE(std::ranges::is_sorted(got.events, {}, &happening::at_ns));
            weft::yield();
          }
          weft::blocking([&] { outside.join(); });
          done.wait();
        },
        {.max_procs = procs});
    stop_recording(session);
    decode(draw(read_recording(session, false)));
  }
}

TEST(Timeline, a_crowd_does_not_get_a_track_each) {
  constexpr int crowd = 3000;
  const auto got = recorded(
      [] {
        weft::wait_group done;
        for (int i = 0; i < crowd; ++i) done.go([] {});
        done.wait();
      },
      2);
  const auto seen = decode(draw(got));
  EXPECT_LE(seen.named("goroutine "), 1000U);
  EXPECT_EQ(seen.named("goroutines (1000 of "), 1U);
}

TEST(Timeline, runtimes_at_once_are_told_apart) {
  int wrong = 0;
  const auto session = start_recording(wrong);
  ASSERT_NE(session, 0U);
  const auto one = [] { weft::run([] { weft::yield(); }, {.max_procs = 1}); };
  std::thread other(one);
  one();
  other.join();
  stop_recording(session);
  const auto seen = decode(draw(read_recording(session, false)));
  EXPECT_EQ(seen.named("goroutine 1 ("), 2U);
}

}  // namespace
}  // namespace weft::observe
