#include <weft/poll_fd.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "net/net_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace net_test;
using sched::wait_reason;

struct pipe_ends {
  poll_fd reader;
  poll_fd writer;
};

pipe_ends open_pipe() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
  return {poll_fd::open(fds[0]).value(), poll_fd::open(fds[1]).value()};
}

TEST(poll_fd, pipe_carries_bytes_and_ends) {
  in_weft([] {
    auto [reader, writer] = open_pipe();
    const auto sent = pattern(1'000'000);
    wait_group writing;
    writing.go([&] {
      EXPECT_EQ(writer.write(sent).value(), sent.size());
      EXPECT_TRUE(writer.close().has_value());
    });
    std::string got;
    std::array<char, 5000> buffer;
    for (;;) {
      const auto n = reader.read(buffer);
      if (!n) {
        EXPECT_EQ(n.error(), errc::eof);
        break;
      }
      got.append(buffer.data(), *n);
    }
    EXPECT_TRUE(got == sent);
    writing.wait().value();
  });
}

TEST(poll_fd, readable_and_writable_wait_and_move_nothing) {
  in_weft([] {
    auto [reader, writer] = open_pipe();
    EXPECT_TRUE(writer.writable().has_value());
    EXPECT_EQ(reader.readable(1ms).error(), errc::timeout);
    wait_group waiting;
    waiting.go([&] { EXPECT_TRUE(reader.readable().has_value()); });
    wait_until_parked(wait_reason::io_read, 1);
    EXPECT_EQ(writer.try_write(std::string_view("x")).value(), 1U);
    waiting.wait().value();
    std::array<char, 10> buffer;
    EXPECT_EQ(reader.read(buffer).value(), 1U);
    while (writer.try_write(pattern(10'000)).value() > 0) continue;
    EXPECT_EQ(writer.writable(1ms).error(), errc::timeout);
  });
}

TEST(poll_fd, close_ends_waiting_calls) {
  in_weft([] {
    auto [reader, writer] = open_pipe();
    wait_group waiting;
    waiting.go([&] { EXPECT_EQ(reader.readable().error(), errc::closed); });
    waiting.go([&] {
      std::array<char, 10> buffer;
      const auto r = reader.read(buffer);
      EXPECT_EQ(r.error(), errc::closed);
      EXPECT_EQ(r.error().message(), "read: closed");
    });
    wait_until_parked(wait_reason::io_read, 2);
    EXPECT_TRUE(reader.close().has_value());
    waiting.wait().value();
    EXPECT_EQ(reader.close().error(), errc::closed);
  });
}

TEST(poll_fd, eventfd_joins_the_poller) {
  in_weft([] {
    auto counter = poll_fd::open(::eventfd(0, EFD_CLOEXEC)).value();
    wait_group waiting;
    waiting.go([&] {
      std::uint64_t value = 0;
      EXPECT_EQ(counter.read({reinterpret_cast<char*>(&value), sizeof value}).value(),
                sizeof value);
      EXPECT_EQ(value, 7U);
    });
    wait_until_parked(wait_reason::io_read, 1);
    const std::uint64_t seven = 7;
    EXPECT_EQ(::write(counter.native_handle(), &seven, sizeof seven), 8);
    waiting.wait().value();
  });
}

TEST(poll_fd, pseudo_terminal_gives_lines) {
  in_weft([] {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_GE(master, 0);
    ASSERT_EQ(::grantpt(master), 0);
    ASSERT_EQ(::unlockpt(master), 0);
    const int slave = ::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_GE(slave, 0);
    auto keyboard = poll_fd::open(master).value();
    auto terminal = poll_fd::open(slave).value();
    EXPECT_TRUE(keyboard.write(std::string_view("one\ntwo\n")).has_value());
    std::string got;
    std::array<char, 100> buffer;
    for (int line = 0; line < 2; ++line) {
      const auto n = terminal.read(buffer);
      ASSERT_TRUE(n.has_value()) << n.error().message();
      got.append(buffer.data(), *n);
      got += '|';
    }
    EXPECT_EQ(got, "one\n|two\n|");
  });
}

TEST(poll_fd, regular_files_are_refused_and_closed) {
  in_weft([] {
    std::array<char, 32> path{"/tmp/weft-poll-fd-test-XXXXXX"};
    const int fd = ::mkstemp(path.data());
    ASSERT_GE(fd, 0);
    ::unlink(path.data());
    const auto refused = poll_fd::open(fd);
    EXPECT_EQ(refused.error(), std::errc::operation_not_permitted);
    EXPECT_EQ(refused.error().message(),
              "open: a file or device that never waits: operation not permitted");
    EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
    EXPECT_EQ(poll_fd::open(-1).error(), std::errc::bad_file_descriptor);
  });
}

TEST(poll_fd, pipe_that_nobody_reads_is_an_error_and_no_signal) {
  in_weft([] {
    auto [reader, writer] = open_pipe();
    EXPECT_TRUE(reader.close().has_value());
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(writer.write(std::string_view("x")).error(), std::errc::broken_pipe);
      EXPECT_EQ(writer.try_write(std::string_view("x")).error(), std::errc::broken_pipe);
    }
    // Who writes by himself gets what he always got.
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(sigismember(&blocked, SIGPIPE), 0);
  });
}

TEST(poll_fd, empty_one_says_closed) {
  poll_fd none;
  std::array<char, 10> buffer;
  EXPECT_EQ(none.read(buffer).error(), errc::closed);
  EXPECT_EQ(none.write(std::string_view("x")).error(), errc::closed);
  EXPECT_EQ(none.try_write(std::string_view("x")).error(), errc::closed);
  EXPECT_EQ(none.readable().error(), errc::closed);
  EXPECT_EQ(none.writable().error(), errc::closed);
  EXPECT_EQ(none.close().error(), errc::closed);
  EXPECT_EQ(none.native_handle(), -1);
}

// Who gives way stands in a queue of all when the network brings who runs in its place: a processor
// that sleeps has to hear of it.
void gives_way_to_the_network(priority p) {
  weft::run(
      [p] {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe(ends.data()), 0);
        poll_fd in = poll_fd::open(ends[0]).value();
        const int rounds = scaled(200);
        std::atomic<long> steps{0};
        std::atomic<int> heard{0};
        std::atomic<bool> over{false};
        wait_group all;
        all.add(1);
        go({.priority = p}, [&] {
          for (int sent = 0; !over; ++sent) {
            // Long enough for the other processor to fall asleep.
            const auto then = limit::clock::now();
            while (!over && (heard < sent || limit::clock::now() - then < 1ms)) {
              ++steps;
              yield();
            }
            EXPECT_EQ(::write(ends[1], "", 1), 1);
          }
          all.done();
        });
        for (int i = 0; i < rounds; ++i) {
          char byte = 0;
          EXPECT_TRUE(in.read({&byte, 1}));
          const long before = steps;
          const auto give_up = limit::clock::now() + 10s;
          while (steps == before && limit::clock::now() < give_up) {
          }
          EXPECT_NE(steps, before) << "round " << i;
          if (steps == before) break;
          ++heard;
        }
        over = true;
        all.wait().value();
        ::close(ends[1]);
      },
      {.max_procs = 2});
}

TEST(poll_fd, high_ones_that_give_way_to_who_comes_from_there_go_on) {
  gives_way_to_the_network(priority::high);
}

TEST(poll_fd, background_that_gives_way_to_who_comes_from_there_goes_on) {
  gives_way_to_the_network(priority::background);
}

}  // namespace
}  // namespace weft
