#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <weft/channel.h>
#include <weft/file.h>
#include <weft/runtime.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "sched/environment.h"
#include "sched/file_slots.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using sched::file_call;
using sched::file_slots;
using sync_test::in_weft;
using sync_test::scaled;
using namespace std::chrono_literals;

constexpr int slots = static_cast<int>(file_slots::slots);

// hang: calls that do not come back before `back` is closed, in all slots.
void hang(wait_group& calls, channel<int>& back) {
  channel<int> in(0);
  for (int i = 0; i < slots; ++i) {
    calls.go([in, back]() mutable {
      const file_call here;
      in.send(1);
      back.recv();
    });
  }
  for (int i = 0; i < slots; ++i) in.recv();
}

TEST(file_slots, hold_few_at_a_time_and_let_all_of_them_in) {
  in_weft([] {
    constexpr int callers = 100;
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    std::atomic<int> calls = 0;
    wait_group all;
    for (int i = 0; i < callers; ++i) {
      all.go([&] {
        for (int j = 0; j < 20; ++j) {
          const file_call here;
          const int now = ++inside;
          int before = most;
          while (before < now && !most.compare_exchange_weak(before, now)) {
          }
          yield();
          --inside;
          ++calls;
        }
      });
    }
    all.wait().value();
    EXPECT_EQ(calls, callers * 20);
    EXPECT_LE(most, slots);
  });
}

TEST(file_slots, that_hang_let_others_in_and_have_few_again_afterwards) {
  in_weft([] {
    wait_group calls;
    channel<int> back(0);
    hang(calls, back);
    {
      const file_call more;  // a slot more, since nobody comes back
    }
    {
      const file_call again(file_call::when::idle);
      EXPECT_TRUE(again);  // it stays while they hang
    }
    back.close();
    calls.wait().value();

    channel<int> second(0);
    hang(calls, second);
    {
      const file_call again(file_call::when::idle);
      EXPECT_FALSE(again);
    }
    second.close();
    calls.wait().value();
  });
}

class slots_with_files : public testing::Test {
 protected:
  slots_with_files() {
    char text[] = "/tmp/weft-slots-test-XXXXXX";
    folder_ = ::mkdtemp(text);
  }
  ~slots_with_files() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string at(const std::string& name) const { return folder_ + "/" + name; }

 private:
  std::string folder_;
};

TEST_F(slots_with_files, a_call_given_up_before_it_had_one_is_not_made) {
  in_weft([&] {
    wait_group calls;
    channel<int> back(0);
    hang(calls, back);
    EXPECT_EQ(create(at("never"), 1ms).error(), errc::timeout);
    back.close();
    calls.wait().value();
    EXPECT_TRUE(create(at("then")));
    EXPECT_FALSE(std::filesystem::exists(at("never")));
  });
}

TEST_F(slots_with_files, what_is_in_memory_is_read_without) {
  in_weft([&] {
    write_file(at("a"), std::string_view("0123456789")).value();
    auto f = open(at("a")).value();
    char buffer[4];
    EXPECT_EQ(f.read(buffer), 4u);
    wait_group calls;
    channel<int> back(0);
    hang(calls, back);
    EXPECT_EQ(f.read(buffer), 4u);
    EXPECT_EQ(std::string_view(buffer, 4), "4567");
    EXPECT_EQ(f.pread(buffer, 8), 2u);
    EXPECT_EQ(f.read(buffer), 2u);
    EXPECT_EQ(f.read(buffer).error(), errc::eof);
    back.close();
    calls.wait().value();
  });
}

// Opening a fifo waits for its other end, which needs a slot as well.
TEST_F(slots_with_files, more_fifos_than_slots_are_opened_by_both_ends) {
  in_weft([&] {
    constexpr int fifos = slots + 2;
    wait_group readers;
    for (int i = 0; i < fifos; ++i) {
      const auto name = at(std::to_string(i));
      ASSERT_EQ(::mkfifo(name.c_str(), 0600), 0);
      readers.go([name] { EXPECT_EQ(read_file(name), "through"); });
    }
    for (int i = 0; i < fifos; ++i)
      EXPECT_TRUE(write_file(at(std::to_string(i)), std::string_view("through")));
    readers.wait().value();
  });
}

TEST_F(slots_with_files, many_goroutines_read_files_on_few_threads) {
  const int readers = scaled(10'000);
  constexpr int files = 100;
  const auto before = sched::thread_count();
  in_weft([&] {
    for (int i = 0; i < files; ++i)
      write_file(at(std::to_string(i)), std::string(5'000, static_cast<char>('a' + i % 26)))
          .value();
    std::atomic<std::size_t> most = 0;
    wait_group all;
    for (int i = 0; i < readers; ++i) {
      all.go([&, i] {
        const int n = i % files;
        const auto text = read_file(at(std::to_string(n)));
        ASSERT_TRUE(text) << text.error().message();
        EXPECT_EQ(*text, std::string(5'000, static_cast<char>('a' + n % 26)));
        if (i % 16 == 0) most = std::max(most.load(), sched::thread_count());
      });
    }
    all.wait().value();
    // The monitor is no machine, and a poller may have a thread of its own.
    constexpr std::size_t others = 2;
    EXPECT_LE(most, before + max_procs() + 8 + others);
  });
}

}  // namespace
}  // namespace weft
