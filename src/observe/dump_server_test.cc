#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/dump.h>
#include <weft/go.h>
#include <weft/runtime.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace weft {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class dump_server_files : public testing::Test {
 protected:
  dump_server_files() {
    std::string pattern = std::filesystem::temp_directory_path() / "weft-dump-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  ~dump_server_files() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path() const { return directory_ / "dump"; }

 private:
  std::filesystem::path directory_;
};

void connect_to(int fd, const std::string& path) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  path.copy(at.sun_path, sizeof at.sun_path - 1);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0) << path;
}

int connected(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connect_to(fd, path);
  return fd;
}

std::string read_all(int fd) {
  std::string all;
  std::array<char, 4096> chunk{};
  for (;;) {
    const auto n = ::read(fd, chunk.data(), chunk.size());
    if (n <= 0) break;
    all.append(chunk.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  return all;
}

// answer_to: what the server says to that request.
std::string answer_to(const std::string& path, const std::string& request) {
  const int fd = connected(path);
  if (!request.empty()) {
    EXPECT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  }
  return read_all(fd);
}

TEST_F(dump_server_files, gives_text_to_who_says_nothing_and_json_to_who_asks) {
  const auto server = dump_server::listen(path()).value();
  EXPECT_EQ(server.path(), path());
  weft::run([&] {
    blocking([&] {
      EXPECT_THAT(answer_to(path(), ""), StartsWith("1 goroutine\n"));
      EXPECT_THAT(answer_to(path(), "\n"), HasSubstr("goroutine 1 [running"));
      EXPECT_EQ(json::parse(answer_to(path(), "json\n"))["goroutines"], 1);
      EXPECT_TRUE(json::parse(answer_to(path(), "json stacks\n")).contains("stacks"));
    });
  });
}

TEST_F(dump_server_files, speaks_http) {
  const auto server = dump_server::listen(path()).value();
  weft::run([&] {
    blocking([&] {
      const auto answer = answer_to(
          path(), "GET /goroutines?format=json HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"));
      const auto body = answer.substr(answer.find("\r\n\r\n") + 4);
      EXPECT_EQ(json::parse(body)["goroutines"], 1);
      EXPECT_THAT(answer, HasSubstr("Content-Length: " + std::to_string(body.size()) + "\r\n"));
      EXPECT_THAT(answer_to(path(), "GET / HTTP/1.1\r\nX: json\r\n\r\n"),
                  HasSubstr("Content-Type: text/plain"));
    });
  });
}

TEST_F(dump_server_files, answers_many_at_once) {
  const auto server = dump_server::listen(path()).value();
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([&] { EXPECT_EQ(answer_to(path(), "\n"), "0 goroutines\n"); });
  for (auto& c : clients) c.join();
}

TEST_F(dump_server_files, answers_while_all_processors_are_busy) {
  const auto server = dump_server::listen(path()).value();
  std::string seen;
  weft::run(
      [&] {
        std::thread client([&] { seen = answer_to(path(), "\n"); });
        client.join();  // with the only processor
      },
      {.max_procs = 1});
  EXPECT_THAT(seen, HasSubstr("goroutine 1 [running"));
}

// no_descriptors: for as long as it lives, the process gets none above `newest`, below which all
// are taken.
class no_descriptors {
 public:
  explicit no_descriptors(int newest) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit none{.rlim_cur = static_cast<rlim_t>(newest) + 1, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;
  ~no_descriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_{};
};

TEST_F(dump_server_files, answers_when_there_are_descriptors_again) {
  const auto server = dump_server::listen(path()).value();
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  {
    const no_descriptors now(fd);
    connect_to(fd, path());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // may have seen it
  }
  EXPECT_EQ(read_all(fd), "0 goroutines\n");
}

TEST_F(dump_server_files, ends_without_descriptors) {
  auto server = std::optional(dump_server::listen(path()).value());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  {
    const no_descriptors now(fd);
    connect_to(fd, path());
    server.reset();
  }
  ::close(fd);
}

TEST_F(dump_server_files, lets_nobody_else_in) {
  const auto server = dump_server::listen(path()).value();
  struct stat file{};
  ASSERT_EQ(::stat(path().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0600u);
}

TEST_F(dump_server_files, replaces_what_a_dead_one_left_and_nothing_else) {
  {
    // A socket that is bound, and closed without being removed.
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path().copy(at.sun_path, sizeof at.sun_path - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    ::close(fd);
  }
  const auto first = dump_server::listen(path());
  ASSERT_TRUE(first.has_value()) << first.error().message();
  const auto second = dump_server::listen(path());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), std::errc::address_in_use);
  EXPECT_THAT(second.error().message(), HasSubstr(path().substr(0, 20)));
  EXPECT_EQ(answer_to(path(), "\n"), "0 goroutines\n");

  const auto file = path() + ".file";
  std::ofstream(file) << "mine";
  EXPECT_EQ(dump_server::listen(file).error().code(), std::errc::file_exists);
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(dump_server_files, refuses_paths_that_cannot_be) {
  EXPECT_EQ(dump_server::listen("").error().code(), std::errc::invalid_argument);
  EXPECT_EQ(dump_server::listen(path() + std::string(200, 'x')).error().code(),
            std::errc::filename_too_long);
  EXPECT_EQ(dump_server::listen(path() + "/none/there").error().code(),
            std::errc::no_such_file_or_directory);
}

TEST_F(dump_server_files, ends_beside_a_client_that_does_not_read) {
  int idle = -1;
  {
    auto server = dump_server::listen(path()).value();
    idle = connected(path());
    auto moved = std::move(server);
  }
  ::close(idle);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

// A thread that wakes nobody stands in the way of no proof.
TEST(dump_server_death, leaves_deadlocks_provable) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const auto server =
            dump_server::listen("/tmp/weft-dump-" + std::to_string(::getpid())).value();
        std::filesystem::remove(server.path());
        weft::run([] {
          const channel<int> nobody_sends(0);
          static_cast<void>(nobody_sends.recv());
        });
      },
      testing::ExitedWithCode(2), "all goroutines are asleep - deadlock!");
}

}  // namespace
}  // namespace weft
