#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/context.h>
#include <weft/file.h>
#include <weft/scope.h>
#include <weft/wait_group.h>

#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "sync/sync_test.h"

namespace weft {
namespace {

using sync_test::in_both;
using sync_test::in_weft;
using sync_test::scaled;
using sync_test::wait_until;
using sync_test::wait_until_parked;
using namespace std::chrono_literals;

// folder: an empty one, gone in the end.
class folder {
 public:
  folder() {
    char text[] = "/tmp/weft-file-test-XXXXXX";
    path_ = ::mkdtemp(text);
  }
  ~folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// both_ends: of a fifo: while they are open, who opens it does not wait.
class both_ends {
 public:
  explicit both_ends(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {}
  both_ends(const both_ends&) = delete;
  both_ends& operator=(const both_ends&) = delete;
  ~both_ends() { ::close(fd_); }

 private:
  const int fd_;
};

std::string read_all(file& from, const limit& l = {}) {
  std::string all;
  char buffer[1000];
  for (;;) {
    const auto n = from.read(buffer, l);
    if (!n) {
      EXPECT_EQ(n.error(), errc::eof) << n.error().message();
      return all;
    }
    all.append(buffer, *n);
  }
}

TEST(file, what_was_written_is_read_with_limits_and_without) {
  const folder here;
  in_both([&] {
    for (const limit& l : {limit(), limit(1h)}) {
      std::string text(2'500'000, '\0');
      for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>((i * 7919) >> 8);
      auto f = create(here / "a", l).value();
      EXPECT_EQ(f.write(text, l), text.size());
      f.sync(l).value();
      EXPECT_EQ(f.size(), text.size());
      EXPECT_EQ(f.seek(0, SEEK_SET), 0);
      EXPECT_EQ(read_all(f, l), text);
      char few[3];
      EXPECT_EQ(f.pread(few, 1'000'000, l), 3u);
      EXPECT_EQ(std::string(few, 3), text.substr(1'000'000, 3));
      EXPECT_EQ(f.pread(few, 2'500'000, l).error(), errc::eof);
      EXPECT_EQ(f.pwrite(std::string_view("new"), 5, l), 3u);
      f.truncate(10, l).value();
      EXPECT_EQ(read_file(here / "a", l), text.substr(0, 5) + "new" + text.substr(8, 2));
      f.close().value();
    }
  });
}

TEST(file, write_file_replaces_what_was_there) {
  const folder here;
  in_both([&] {
    write_file(here / "a", std::string_view("a long text"), 0600).value();
    write_file(here / "a", std::string_view("short")).value();
    EXPECT_EQ(read_file(here / "a"), "short");
    struct stat info{};
    ::stat((here / "a").c_str(), &info);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  });
}

TEST(file, of_no_known_size_is_read_to_its_end) {
  in_both([] { EXPECT_NE(read_file("/proc/self/status")->find("\nPid:"), std::string::npos); });
}

TEST(file, errors_name_the_operation_and_the_path) {
  const folder here;
  in_both([&] {
    EXPECT_EQ(open(here / "none").error().message(),
              "open " + (here / "none") + ": no such file or directory");
    auto f = create(here / "a").value();
    f.close().value();
    char buffer[1];
    EXPECT_EQ(f.read(buffer).error(), errc::closed);
    EXPECT_STREQ(f.read(buffer).error().op(), "read");
    EXPECT_EQ(f.write("x").error(), errc::closed);
    EXPECT_EQ(f.seek(0, SEEK_SET).error(), errc::closed);
    EXPECT_EQ(f.sync().error(), errc::closed);
    EXPECT_EQ(f.close().error(), errc::closed);
    EXPECT_EQ(file().read(buffer).error(), errc::closed);
    auto folder_itself = open("/tmp").value();
    EXPECT_EQ(folder_itself.read(buffer).error(), std::errc::is_a_directory);
  });
}

TEST(file, a_limit_that_has_passed_ends_it_before_it_begins) {
  const folder here;
  in_both([&] {
    auto f = create(here / "a").value();
    const auto cancelled = with_cancel({});
    cancelled.cancel();
    EXPECT_EQ(f.write("x", cancelled.ctx).error(), errc::cancelled);
    EXPECT_EQ(f.write("x", 0s).error(), errc::timeout);
    EXPECT_EQ(f.size(), 0);
    EXPECT_EQ(create(here / "b", 0s).error(), errc::timeout);
    EXPECT_FALSE(std::filesystem::exists(here / "b"));
  });
}

TEST(file, the_end_of_a_scope_ends_what_it_does) {
  const folder here;
  ASSERT_EQ(::mkfifo((here / "fifo").c_str(), 0600), 0);
  std::optional<both_ends> helper_goes;
  in_weft([&] {
    scope all;
    all.go([&] { EXPECT_EQ(open(here / "fifo").error(), errc::cancelled); });
    wait_until_parked(sched::wait_reason::io_read, 1);
    all.cancel();
    all.join().value();
    helper_goes.emplace(here / "fifo");
  });
}

TEST(file, opening_a_fifo_waits_for_the_other_side_and_a_limit_leaves) {
  const folder here;
  ASSERT_EQ(::mkfifo((here / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo((here / "left").c_str(), 0600), 0);
  std::optional<both_ends> helper_goes;
  in_weft([&] {
    EXPECT_EQ(open(here / "left", 1ms).error(), errc::timeout);
    helper_goes.emplace(here / "left");
    wait_group both;
    both.go([&] {
      auto writer = open_file(here / "fifo", O_WRONLY).value();
      writer.write("through").value();
    });
    auto reader = open(here / "fifo").value();
    EXPECT_EQ(read_all(reader), "through");
    both.wait().value();
  });
}

TEST(pipe, waits_in_the_poller_and_ends_with_the_writer) {
  in_weft([] {
    auto [reader, writer] = pipe().value();
    wait_group both;
    std::string got;
    both.go([&, &from = reader] { got = read_all(from); });
    wait_until_parked(sched::wait_reason::io_read, 1);
    writer.write("one ").value();
    wait_until_parked(sched::wait_reason::io_read, 1);
    writer.write("two").value();
    writer.close().value();
    both.wait().value();
    EXPECT_EQ(got, "one two");
    EXPECT_EQ(reader.seek(0, SEEK_SET).error(), std::errc::invalid_seek);
  });
}

TEST(pipe, limits_and_close_end_what_waits) {
  in_weft([] {
    auto ends = pipe().value();
    char buffer[8];
    EXPECT_EQ(ends.reader.read(buffer, 1ms).error(), errc::timeout);
    const std::string flood(1'000'000, 'x');
    const auto stopped = ends.writer.write(flood, 1ms);
    EXPECT_EQ(stopped.error(), errc::timeout);
    EXPECT_GT(stopped.error().written(), 0u);
    EXPECT_LT(stopped.error().written(), flood.size());
    wait_group both;
    both.go([&] { EXPECT_EQ(ends.writer.write(flood).error(), errc::closed); });
    wait_until_parked(sched::wait_reason::io_write, 1);
    ends.writer.close().value();
    both.wait().value();
    ends.reader.close().value();
    EXPECT_EQ(ends.reader.read(buffer).error(), errc::closed);
  });
}

TEST(pipe, that_nobody_reads_is_epipe) {
  in_weft([] {
    auto ends = pipe().value();
    ends.reader.close().value();
    EXPECT_EQ(ends.writer.write("x").error(), std::errc::broken_pipe);
  });
}

TEST(terminal, is_read_line_by_line_without_a_thread) {
  in_weft([] {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_GE(master, 0);
    ASSERT_EQ(::grantpt(master), 0);
    ASSERT_EQ(::unlockpt(master), 0);
    auto tty = open_file(::ptsname(master), O_RDWR).value();
    auto keyboard = file::adopt(master, "keyboard").value();
    wait_group both;
    both.go([&] {
      char line[64];
      EXPECT_EQ(tty.read(line), 6u);
      EXPECT_EQ(std::string(line, 6), "hello\n");
    });
    wait_until_parked(sched::wait_reason::io_read, 1);
    keyboard.write("hello\n").value();
    both.wait().value();
    char none[1];
    EXPECT_EQ(tty.read(none, 1ms).error(), errc::timeout);
  });
}

TEST(dev_null, is_a_file_that_never_waits) {
  in_both([] {
    if (!in_goroutine()) return;
    auto null = open_file("/dev/null", O_RDWR).value();
    EXPECT_EQ(null.write("gone"), 4u);
    char buffer[1];
    EXPECT_EQ(null.read(buffer).error(), errc::eof);
  });
}

TEST(share, leaves_the_descriptor_open_and_in_blocking_mode) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  in_weft([&] {
    {
      auto reader = file::share(fds[0], "in").value();
      auto writer = file::share(fds[1], "out").value();
      EXPECT_EQ(::fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
      EXPECT_EQ(::fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
      char buffer[64];
      EXPECT_EQ(reader.read(buffer, 1ms).error(), errc::timeout);
      wait_group both;
      std::string got;
      const std::string flood(300'000, 'y');
      both.go([&] {
        while (got.size() < flood.size()) {
          const auto n = reader.read(buffer);
          got.append(buffer, n.value());
        }
      });
      EXPECT_EQ(writer.write(flood), flood.size());
      both.wait().value();
      EXPECT_EQ(got, flood);
      both.go([&] { EXPECT_EQ(reader.read(buffer).error(), errc::closed); });
      wait_until_parked(sched::wait_reason::io_read, 1);
      reader.close().value();
      both.wait().value();
      EXPECT_EQ(reader.close().error(), errc::closed);
    }
    EXPECT_GE(::fcntl(fds[0], F_GETFD), 0);
  });
  ::close(fds[0]);
  ::close(fds[1]);
}

TEST(share, of_a_regular_file_keeps_its_position) {
  const folder here;
  in_weft([&] {
    write_file(here / "a", std::string_view("0123456789")).value();
    const int fd = ::open((here / "a").c_str(), O_RDONLY | O_CLOEXEC);
    {
      auto f = file::share(fd, "a").value();
      char buffer[4];
      EXPECT_EQ(f.read(buffer), 4u);
    }
    EXPECT_EQ(::lseek(fd, 0, SEEK_CUR), 4);
    ::close(fd);
  });
}

TEST(standard_streams, are_files) {
  in_weft([] {
    auto out = standard_out();
    auto err = standard_error();
    ASSERT_TRUE(out);
    ASSERT_TRUE(err);
    EXPECT_TRUE(out->write(""));
    EXPECT_TRUE(standard_in());
  });
}

TEST(file, closed_under_many_readers_lets_all_of_them_end) {
  const folder here;
  in_weft([&] {
    write_file(here / "a", std::string(100'000, 'z')).value();
    for (int i = 0; i < scaled(50); ++i) {
      auto f = open(here / "a").value();
      wait_group readers;
      for (int j = 0; j < 8; ++j) {
        readers.go([&, j] {
          char buffer[4096];
          const limit l = j % 2 == 0 ? limit() : limit(1h);
          for (;;) {
            const auto n = f.pread(buffer, j * 100, l);
            if (n) continue;
            EXPECT_EQ(n.error(), errc::closed);
            return;
          }
        });
      }
      yield();
      f.close().value();
      readers.wait().value();
    }
  });
}

}  // namespace
}  // namespace weft
