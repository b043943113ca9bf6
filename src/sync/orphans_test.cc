#include <weft/channel.h>
#include <weft/context.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <memory>
#include <optional>
#include <vector>

#include "sync/channel_core.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace sync_test;
using sched::wait_reason;
using sync::orphans;

// watched: ends are watched while it lives.
struct watched {
  explicit watched(orphans o) { sync::watch_orphans(o); }
  ~watched() { sync::watch_orphans(orphans::ignored); }
  watched(const watched&) = delete;
  watched& operator=(const watched&) = delete;
};

// told: what is said on standard error while `f` runs in a runtime.
std::string told(void (*f)()) {
  const watched all(orphans::reported);
  testing::internal::CaptureStderr();
  weft::run(f);
  return testing::internal::GetCapturedStderr();
}

TEST(orphans, a_receiver_is_told_of_when_the_last_sender_goes) {
  const auto text = told([] {
    std::optional<sender<int>> first;
    {
      const channel<int> c(0);
      first.emplace(c);
      go({.name = "reader"}, [r = receiver<int>(c)] { r.recv(); });
    }
    wait_until_parked(wait_reason::chan_receive, 1);
    auto second = first;
    first.reset();
    second.reset();
  });
  EXPECT_TRUE(text.starts_with("weft: goroutine ")) << text;
  EXPECT_NE(text.find("\"reader\" [chan receive] waits for ever: the channel's last sender has "
                      "gone\n  created by "),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("waits for ever"), text.rfind("waits for ever")) << "once: " << text;
}

TEST(orphans, a_sender_is_told_of_when_the_last_receiver_goes) {
  const auto text = told([] {
    std::optional<receiver<int>> r;
    {
      const channel<int> c(0);
      r.emplace(c);
      go([s = sender<int>(c)] { s.send(1); });
    }
    wait_until_parked(wait_reason::chan_send, 1);
    r.reset();
  });
  EXPECT_NE(text.find("[chan send] waits for ever, or for a close: the channel's last "
                      "receiver has gone"),
            std::string::npos)
      << text;
}

TEST(orphans, who_begins_to_wait_too_late_is_told_of) {
  const auto text = told([] {
    std::optional<receiver<int>> r;
    r.emplace(channel<int>(1));
    go([r = *r] { r.recv(); });
    r.reset();
    wait_until_parked(wait_reason::chan_receive, 1);
  });
  EXPECT_NE(text.find("[chan receive] waits for ever"), std::string::npos) << text;
  EXPECT_EQ(text.find("waits for ever"), text.rfind("waits for ever")) << "once: " << text;
}

TEST(orphans, whose_wait_can_end_is_none) {
  EXPECT_EQ(told([] {
              std::optional<sender<int>> s;
              const auto [ctx, cancel] = with_cancel({});
              wait_group all;
              {
                const channel<int> c(0);
                s.emplace(c);
                const receiver<int> r(c);
                all.go([r] { EXPECT_EQ(r.recv(20ms).error(), errc::timeout); });
                all.go([r, limited = ctx] { EXPECT_EQ(r.recv(limited).error(), errc::cancelled); });
                all.go([r, limited = ctx] { select(recv(r), done(limited, [] {})); });
              }
              wait_until_parked(wait_reason::select, 1);
              wait_until_parked(wait_reason::chan_receive, 2);
              s.reset();
              cancel();
              all.wait().value();
            }),
            "");
}

TEST(orphans, right_programs_have_none) {
  EXPECT_EQ(told([] {
              const int rounds = scaled(300);
              for (int n = 0; n < rounds; ++n) {
                const channel<int> c(n % 2);
                const channel<int> sums(0);
                for (int i = 0; i < 3; ++i) {
                  go([r = receiver(c), s = sender(sums)] {
                    int sum = 0;
                    while (auto v = r.recv()) sum += *v;
                    s.send(sum);
                  });
                }
                wait_group all;
                for (int i = 0; i < 3; ++i) {
                  all.go([s = sender(c)] {
                    for (int k = 0; k < 5; ++k) s.send(k);
                  });
                }
                all.wait().value();
                c.close();
                int sum = 0;
                for (int i = 0; i < 3; ++i) sum += sums.recv().value();
                EXPECT_EQ(sum, 30);
              }
              wait_until([] { return goroutine_count() == 1; });
            }),
            "");
}

// A close by another sender wakes it.
TEST(orphans, a_sender_is_told_of_and_not_ended_for) {
  const watched all(orphans::fatal);
  in_weft([] {
    std::unique_ptr<sender<int>> other;
    std::unique_ptr<receiver<int>> r;
    std::atomic<bool> went_on{false};
    {
      const channel<int> c(0);
      other = std::make_unique<sender<int>>(c);
      r = std::make_unique<receiver<int>>(c);
      go([s = sender<int>(c), &went_on] {
        EXPECT_THROW(s.send(1), std::exception);
        went_on = true;
      });
    }
    wait_until_parked(wait_reason::chan_send, 1);
    r.reset();
    other->close();
    wait_until([&] { return went_on.load(); });
  });
}

// What was dropped stands on stacks that are gone.
TEST(orphans, ends_of_what_a_run_has_dropped_are_given_up_later) {
  const watched all(orphans::reported);
  std::unique_ptr<sender<int>> kept;
  weft::run([&] {
    const channel<int> c(0);
    kept = std::make_unique<sender<int>>(c);
    go([r = receiver<int>(c)] { static_cast<void>(r.recv()); });
    wait_until_parked(wait_reason::chan_receive, 1);
  });
  kept.reset();
}

TEST(orphans_death, ends_the_process_if_asked) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const watched all(orphans::fatal);
        weft::run([] {
          go([r = receiver(channel<int>(0))] { r.recv(); });
          sleep_for(1h).value();
        });
      },
      ::testing::ExitedWithCode(2),
      "fatal error: goroutine [0-9]+ .chan receive. waits for ever: the channel's last sender has");
}

}  // namespace
}  // namespace weft
