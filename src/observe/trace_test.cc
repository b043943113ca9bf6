#include "observe/trace_test.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/time.h>
#include <weft/trace.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace weft {
namespace {

using namespace std::chrono_literals;
using observe_test::decode;
using observe_test::seen_trace;
using testing::Contains;
using testing::Not;

// trace_file: its name, and its end.
class trace_file {
 public:
  trace_file() {
    const int fd = ::mkstemp(name_);
    EXPECT_GE(fd, 0);
    ::close(fd);
  }
  trace_file(const trace_file&) = delete;
  trace_file& operator=(const trace_file&) = delete;
  ~trace_file() { std::remove(name_); }

  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] std::string bytes() const {
    std::ifstream from(name_, std::ios::binary);
    return {std::istreambuf_iterator<char>(from), {}};
  }

 private:
  char name_[32] = "/tmp/weft-trace-XXXXXX";
};

// talk: two goroutines, one of which waits for the other.
void talk() {
  const channel<int> c(0);
  wait_group done;
  done.add(1);
  go({.name = "listener"}, [&] {
    static_cast<void>(c.recv());
    done.done();
  });
  sleep_for(1ms);
  c.send(1);
  done.wait();
}

TEST(FlightRecorder, a_snapshot_shows_goroutines_machines_processors_and_who_woke_whom) {
  flight_recorder recorder;
  ASSERT_TRUE(recorder.start());
  weft::run(talk, {.max_procs = 1});
  recorder.stop();
  const seen_trace seen = decode(recorder.snapshot());
  EXPECT_EQ(seen.named("listener (trace_test.cc:"), 1U);
  EXPECT_GE(seen.named("machine 0"), 1U);
  EXPECT_EQ(seen.named("processor 0"), 1U);
  const auto states = seen.names_on("listener (trace_test.cc:");
  ASSERT_FALSE(states.empty());
  EXPECT_EQ(states.front(), "ready");
  EXPECT_THAT(states, Contains("running"));
  EXPECT_THAT(states, Contains("chan receive"));
  EXPECT_EQ(states.back(), "running");
  EXPECT_THAT(seen.names_on("goroutine 1 ("), Contains("sleep"));
  EXPECT_EQ(seen.begun("go goroutine 2 listener"), 1U);
  EXPECT_EQ(seen.begun("readies goroutine 2 listener"), 1U);
  EXPECT_GE(seen.begun("timer readies goroutine 1"), 1U);
  const auto arrows =
      std::ranges::count_if(seen.events, [](const auto& e) { return e.flow_to != 0; });
  EXPECT_GE(arrows, 3);
}

TEST(FlightRecorder, goroutines_that_began_before_it_have_their_names) {
  weft::run(
      [] {
        std::atomic<bool> end{false};
        go({.name = "old one"}, [&] {
          while (!end) yield();
        });
        flight_recorder recorder;
        ASSERT_TRUE(recorder.start());
        for (int i = 0; i < 10; ++i) yield();
        const auto seen = decode(recorder.snapshot());
        EXPECT_EQ(seen.named("old one (trace_test.cc:"), 1U);
        end = true;
        while (goroutine_count() != 1) yield();
      },
      {.max_procs = 1});
}

TEST(FlightRecorder, only_one_records_at_a_time) {
  flight_recorder first;
  ASSERT_TRUE(first.start());
  flight_recorder second;
  const auto refused = second.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), std::make_error_condition(std::errc::device_or_resource_busy));
  EXPECT_FALSE(second.recording());
  first.stop();
  ASSERT_TRUE(second.start());
  EXPECT_TRUE(second.recording());
  weft::run(talk);
  EXPECT_TRUE(decode(first.snapshot()).events.empty());  // what it had is forgotten
  EXPECT_FALSE(decode(second.snapshot()).events.empty());
}

TEST(FlightRecorder, its_destructor_stops_it) {
  for (int i = 0; i < 2; ++i) {
    flight_recorder recorder;
    EXPECT_TRUE(recorder.start());
  }
}

TEST(FlightRecorder, what_happens_after_stop_is_not_recorded) {
  flight_recorder recorder;
  ASSERT_TRUE(recorder.start());
  recorder.stop();
  weft::run(talk);
  EXPECT_TRUE(decode(recorder.snapshot()).events.empty());
}

TEST(FlightRecorder, write_replaces_a_file_and_says_why_it_cannot) {
  flight_recorder recorder;
  ASSERT_TRUE(recorder.start());
  const trace_file file;
  weft::run([&] {
    talk();
    EXPECT_TRUE(recorder.write(file.name()));
    EXPECT_TRUE(recorder.write(file.name()));
  });
  EXPECT_EQ(decode(file.bytes()).named("listener"), 1U);
  const auto refused = recorder.write("/no/such/folder/t");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), std::make_error_condition(std::errc::no_such_file_or_directory));
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("/no/such/folder/t"));
}

// -- WEFT_TRACE, of processes --

// traced: runs `f` with WEFT_TRACE set, and ends the process.
template <class F>
[[noreturn]] void traced(const char* path, F&& f) {
  ::setenv("WEFT_TRACE", path, 1);
  weft::run(std::forward<F>(f));
  ::_exit(0);
}

// A death test runs this file's tests again in another process: the name must be the same there.
std::string common_name(const char* what) {
  return "/tmp/weft-trace-" + std::to_string(::getuid()) + '-' + what;
}

std::string taken_bytes(const std::string& path) {
  std::ifstream from(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(from), {}};
  std::remove(path.c_str());
  return bytes;
}

TEST(WeftTrace, a_program_is_recorded_from_its_beginning_to_its_end) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto path = common_name("whole");
  EXPECT_EXIT(traced(path.c_str(), talk), testing::ExitedWithCode(0), "");
  const auto seen = decode(taken_bytes(path));
  EXPECT_EQ(seen.named("goroutine 1 ("), 1U);
  EXPECT_EQ(seen.begun("go goroutine 1"), 1U);
  EXPECT_EQ(seen.named("listener"), 1U);
}

TEST(WeftTrace, runtimes_one_after_the_other_write_it_again) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto path = common_name("again");
  EXPECT_EXIT(
      traced(path.c_str(),
             [] { std::thread([] { weft::run([] { go({.name = "inner"}, [] {}); }); }).join(); }),
      testing::ExitedWithCode(0), "");
  EXPECT_EQ(decode(taken_bytes(path)).named("inner"), 1U);
}

TEST(WeftTrace, a_deadlock_is_on_record) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto path = common_name("deadlock");
  EXPECT_EXIT(traced(path.c_str(),
                     [] {
                       const channel<int> c(0);
                       static_cast<void>(c.recv());
                     }),
              testing::ExitedWithCode(2), "all goroutines are asleep");
  EXPECT_THAT(decode(taken_bytes(path)).names_on("goroutine 1 ("), Contains("chan receive"));
}

TEST(WeftTrace, a_panic_is_on_record) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto path = common_name("panic");
  EXPECT_EXIT(traced(path.c_str(), [] { throw std::runtime_error("too bad"); }),
              testing::ExitedWithCode(2), "panic: too bad");
  EXPECT_THAT(decode(taken_bytes(path)).names_on("goroutine 1 ("), Contains("running"));
}

TEST(WeftTrace, a_file_that_cannot_be_written_ends_the_program_before_it_begins) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(traced("/no/such/folder/t", [] { std::fputs("begun", stderr); }),
              testing::ExitedWithCode(2),
              testing::AllOf(testing::HasSubstr("WEFT_TRACE /no/such/folder/t: "),
                             Not(testing::HasSubstr("begun"))));
}

}  // namespace
}  // namespace weft
