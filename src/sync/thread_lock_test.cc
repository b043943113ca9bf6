#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/goroutine.h>
#include <weft/mutex.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "sched/environment.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using sync_test::in_weft;
using sync_test::on_thread;
using sync_test::scaled;
using sync_test::wait_until;
using namespace std::chrono_literals;

[[gnu::noinline]] long thread_id() { return ::syscall(SYS_gettid); }

class thread_lock : public testing::TestWithParam<unsigned> {
 protected:
  template <class F>
  void run(F&& f) {
    weft::run(
        [&] {
          f();
          wait_until([] { return goroutine_count() == 1; });
        },
        {.max_procs = GetParam()});
  }
};
INSTANTIATE_TEST_SUITE_P(procs, thread_lock, testing::Values(1u, 2u, 4u));

TEST_P(thread_lock, keeps_the_goroutine_on_its_thread_and_everybody_else_off_it) {
  run([] {
    std::atomic<bool> stop = false;
    std::atomic<long> locked_thread = 0;
    std::atomic<int> intruders = 0;
    wait_group others;
    for (int i = 0; i < 8; ++i) {
      others.go([&] {
        while (!stop) {
          if (thread_id() == locked_thread) ++intruders;
          yield();
        }
      });
    }
    wait_group one;
    one.go([&] {
      const lock_thread here;
      locked_thread = thread_id();
      channel<int> echo(0);
      others.go([echo] {
        for (const int n : echo) echo.send(n + 1);
      });
      for (int i = 0; i < scaled(200); ++i) {
        yield();
        EXPECT_EQ(thread_id(), locked_thread);
        echo.send(i);
        EXPECT_EQ(thread_id(), locked_thread);
        EXPECT_EQ(echo.recv(), i + 1);
        EXPECT_EQ(thread_id(), locked_thread);
        if (i % 20 != 0) continue;
        static_cast<void>(sleep_for(100us));
        EXPECT_EQ(thread_id(), locked_thread);
        blocking([] { ::sched_yield(); });
        EXPECT_EQ(thread_id(), locked_thread);
      }
      echo.close();
      locked_thread = 0;
    });
    one.wait().value();
    stop = true;
    others.wait().value();
    EXPECT_EQ(intruders, 0);
  });
}

TEST_P(thread_lock, nests) {
  run([] {
    wait_group one;
    one.go([] {
      const lock_thread outer;
      const auto id = thread_id();
      {
        const lock_thread inner;
        yield();
      }
      for (int i = 0; i < 20; ++i) {
        yield();
        EXPECT_EQ(thread_id(), id);
      }
    });
    one.wait().value();
  });
}

TEST_P(thread_lock, many_at_once_talk_to_each_other) {
  run([] {
    constexpr int n = 8;
    channel<int> ring[n];
    for (auto& c : ring) c = channel<int>(1);
    wait_group all;
    for (int i = 0; i < n; ++i) {
      all.go([&ring, i] {
        const lock_thread here;
        const auto id = thread_id();
        for (int round = 0; round < scaled(100); ++round) {
          const auto got = ring[i].recv();
          EXPECT_EQ(thread_id(), id);
          ring[(i + 1) % n].send(*got + 1);
        }
      });
    }
    ring[0].send(0);
    all.wait().value();
    EXPECT_EQ(ring[0].recv(), n * scaled(100));
  });
}

TEST_P(thread_lock, that_ends_gives_the_thread_back) {
  run([] {
    for (int i = 0; i < scaled(500); ++i) {
      wait_group one;
      one.go([] {
        const lock_thread here;
        yield();
      });
      one.wait().value();
    }
    EXPECT_LT(sched::thread_count(), 30u);
  });
}

TEST_P(thread_lock, that_is_kept_ends_the_thread_with_the_goroutine) {
  run([] {
    for (int i = 0; i < scaled(300); ++i) {
      std::atomic<long> was = 0;
      wait_group one;
      one.go([&] {
        lock_thread here;
        here.keep();
        was = thread_id();
        if (was % 2 == 0) goexit();
      });
      one.wait().value();
      // ESRCH: no such thread in this process any more.
      wait_until([&] { return ::syscall(SYS_tgkill, ::getpid(), was.load(), 0) != 0; });
    }
    EXPECT_LT(sched::thread_count(), 30u);
  });
}

TEST_P(thread_lock, new_threads_inherit_nothing_from_a_locked_one) {
  run([] {
    wait_group one;
    one.go([] {
      lock_thread here;
      here.keep();
      sigset_t usr2;
      sigemptyset(&usr2);
      sigaddset(&usr2, SIGUSR2);
      ::pthread_sigmask(SIG_BLOCK, &usr2, nullptr);
      std::atomic<int> inside = 0;
      std::atomic<int> tainted = 0;
      wait_group blocked;
      // More threads than there are: this one is asked to start some of them.
      for (int i = 0; i < 16; ++i) {
        blocked.go([&] {
          blocking([&] {
            sigset_t mask;
            ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
            if (sigismember(&mask, SIGUSR2) == 1) ++tainted;
            ++inside;
            while (inside < 16) std::this_thread::yield();
          });
        });
        blocking([] {});
      }
      blocked.wait().value();
      EXPECT_EQ(tainted, 0);
    });
    one.wait().value();
  });
}

TEST_P(thread_lock, is_shown_in_lists) {
  run([] {
    const lock_thread here;
    testing::internal::CaptureStderr();
    list_goroutines();
    EXPECT_NE(testing::internal::GetCapturedStderr().find("[running, locked to thread]"),
              std::string::npos);
  });
}

TEST_P(thread_lock, of_main_and_of_what_never_ends_does_not_keep_run_from_returning) {
  weft::run(
      [] {
        const lock_thread here;
        channel<int> locked(0);
        go([locked] {
          const lock_thread there;
          locked.send(1);
          static_cast<void>(locked.recv());
        });
        locked.recv().value();
        yield();
      },
      {.max_procs = GetParam()});
}

TEST(thread_lock_alone, on_a_plain_thread_does_nothing) {
  on_thread([] {
    const lock_thread outer;
    lock_thread inner;
    inner.keep();
  });
}

TEST(thread_lock_alone, a_locked_goroutine_asleep_for_ever_is_a_deadlock) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run(
                  [] {
                    const lock_thread here;
                    static_cast<void>(channel<int>(0).recv());
                  },
                  {.max_procs = 1}),
              testing::ExitedWithCode(2), "fatal error: all goroutines are asleep - deadlock!");
}

}  // namespace
}  // namespace weft
