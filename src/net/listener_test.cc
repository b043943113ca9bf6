#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/context.h>
#include <weft/net.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "net/accept_error.h"
#include "net/net_test.h"
#include "net/unique_fd.h"
#include "poll/poll_test.h"

namespace weft::net {
namespace {

using namespace std::chrono_literals;
using namespace net_test;
using sched::wait_reason;

// reaches: whether a connection to host:port stands and carries a byte.
bool reaches(listener& l, const char* network, const std::string& host) {
  auto client = dial(network, host + ":" + std::to_string(l.local_address().port()));
  if (!client) return false;
  auto server = l.accept().value();
  EXPECT_TRUE(client->write("x").has_value());
  return read_exactly(server, 1) == "x";
}

TEST(listener, tcp_without_a_host_takes_both_families) {
  in_weft([] {
    for (const char* where : {":0", "[::]:0"}) {
      auto l = listen("tcp", where).value();
      EXPECT_TRUE(reaches(l, "tcp4", "127.0.0.1")) << where;
      EXPECT_TRUE(reaches(l, "tcp6", "[::1]")) << where;
      EXPECT_TRUE(reaches(l, "tcp", "localhost")) << where;
    }
  });
}

TEST(listener, a_family_alone_refuses_the_other) {
  in_weft([] {
    for (const char* where : {":0", "0.0.0.0:0"}) {
      auto only4 = listen("tcp4", where).value();
      EXPECT_TRUE(reaches(only4, "tcp", "127.0.0.1")) << where;
      EXPECT_FALSE(reaches(only4, "tcp", "[::1]")) << where;
    }
    auto zeros = listen("tcp", "0.0.0.0:0").value();
    EXPECT_TRUE(reaches(zeros, "tcp", "127.0.0.1"));
    EXPECT_FALSE(reaches(zeros, "tcp", "[::1]"));
    for (const char* where : {":0", "[::]:0"}) {
      auto only6 = listen("tcp6", where).value();
      EXPECT_TRUE(reaches(only6, "tcp", "[::1]")) << where;
      EXPECT_FALSE(reaches(only6, "tcp", "127.0.0.1")) << where;
    }
  });
}

TEST(listener, ip4_peers_of_a_dual_listener_read_as_ip4) {
  in_weft([] {
    auto l = listen("tcp", ":0").value();
    auto client = dial("tcp4", "127.0.0.1:" + std::to_string(l.local_address().port())).value();
    const auto server = l.accept().value();
    EXPECT_EQ(server.remote_address().to_string(), client.local_address().to_string());
  });
}

TEST(listener, both_families_can_share_a_port_when_each_is_alone) {
  in_weft([] {
    auto only6 = listen("tcp6", "[::1]:0").value();
    const auto port = std::to_string(only6.local_address().port());
    auto only4 = listen("tcp4", "127.0.0.1:" + port);
    ASSERT_TRUE(only4.has_value()) << only4.error().message();
    EXPECT_TRUE(reaches(only6, "tcp6", "[::1]"));
    EXPECT_TRUE(reaches(*only4, "tcp4", "127.0.0.1"));
  });
}

TEST(listener, accept_waits_and_close_ends_it) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    wait_group waiting;
    for (int i = 0; i < 3; ++i) {
      waiting.go([&] { EXPECT_EQ(l.accept().error(), errc::closed); });
    }
    wait_until_parked(wait_reason::io_accept, 3);
    EXPECT_TRUE(l.close().has_value());
    waiting.wait().value();
    const auto after = l.accept();
    EXPECT_EQ(after.error(), errc::closed);
    EXPECT_EQ(after.error().message(),
              "accept tcp " + l.local_address().to_string() + ": use of closed network connection");
    EXPECT_EQ(l.close().error(), errc::closed);
  });
}

TEST(listener, destroying_ends_accept) {
  in_weft([] {
    auto l = std::make_unique<listener>(listen("tcp", "127.0.0.1:0").value());
    wait_group waiting;
    waiting.go([&other = *l] { EXPECT_EQ(other.accept().error(), errc::closed); });
    wait_until_parked(wait_reason::io_accept, 1);
    l.reset();
    waiting.wait().value();
  });
}

TEST(listener, limits_and_deadlines_end_accept) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    EXPECT_EQ(l.accept(1ms).error(), errc::timeout);
    EXPECT_EQ(l.accept(0ms).error(), errc::timeout);
    const auto [ctx, cancel] = with_cancel(context::background());
    wait_group waiting;
    waiting.go([&] { EXPECT_EQ(l.accept(ctx).error(), errc::cancelled); });
    wait_until_parked(wait_reason::io_accept, 1);
    cancel();
    waiting.wait().value();
    waiting.go([&] { EXPECT_EQ(l.accept().error(), errc::timeout); });
    wait_until_parked(wait_reason::io_accept, 1);
    l.set_deadline(listener::clock::time_point(1ns));
    waiting.wait().value();
    l.set_deadline(conn::no_deadline);
    EXPECT_TRUE(reaches(l, "tcp", "127.0.0.1"));
  });
}

TEST(listener, address_in_use_says_so) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    const auto where = l.local_address().to_string();
    const auto second = listen("tcp", where);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error(), std::errc::address_in_use);
    EXPECT_EQ(second.error().message(), "listen tcp " + where + ": address already in use");
  });
}

TEST(listener, port_is_free_again_after_close) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    const auto where = l.local_address().to_string();
    EXPECT_TRUE(reaches(l, "tcp", "127.0.0.1"));
    EXPECT_TRUE(l.close().has_value());
    EXPECT_TRUE(listen("tcp", where).has_value());
  });
}

TEST(listener, bad_words_are_errors_of_their_own) {
  in_weft([] {
    EXPECT_EQ(listen("udp", ":0").error(), errc::unknown_network);
    EXPECT_EQ(listen("udp", ":0").error().message(), "listen udp: unknown network");
    EXPECT_EQ(listen("tcp", "127.0.0.1").error(), errc::bad_address);
    EXPECT_EQ(listen("tcp4", "[::1]:0").error(), errc::bad_address);
    EXPECT_EQ(listen("tcp6", "127.0.0.1:0").error(), errc::bad_address);
    EXPECT_EQ(listen("tcp", "192.0.2.1:0").error(), std::errc::address_not_available);
  });
}

TEST(listener, empty_one_says_closed) {
  listener none;
  EXPECT_EQ(none.accept().error(), errc::closed);
  EXPECT_EQ(none.close().error(), errc::closed);
  EXPECT_EQ(none.native_handle(), -1);
  EXPECT_EQ(none.local_address(), address());
  EXPECT_EQ(none.shed_count(), 0U);
  none.set_deadline(conn::no_deadline);
}

TEST(unix_listener, file_comes_and_goes_with_it) {
  in_weft([] {
    const socket_path path;
    auto l = listen("unix", path.text()).value();
    EXPECT_TRUE(path.exists());
    EXPECT_EQ(l.local_address().to_string(), path.text());
    auto client = dial("unix", path.text()).value();
    auto server = l.accept().value();
    EXPECT_TRUE(client.write("x").has_value());
    EXPECT_EQ(read_exactly(server, 1), "x");
    EXPECT_TRUE(l.close().has_value());
    EXPECT_FALSE(path.exists());
    EXPECT_EQ(dial("unix", path.text()).error(), std::errc::no_such_file_or_directory);
  });
}

TEST(unix_listener, file_has_the_mode_that_was_asked_for) {
  in_weft([] {
    const auto before = ::umask(022);
    for (const unsigned mode : {0600U, 0666U}) {
      const socket_path path;
      auto l = listen("unix", path.text(), {.unix_mode = mode}).value();
      struct stat s{};
      ASSERT_EQ(::stat(path.text().c_str(), &s), 0);
      EXPECT_EQ(s.st_mode & 0777, mode);
    }
    ::umask(before);
  });
}

TEST(listener, reuse_port_lets_several_share_one) {
  in_weft([] {
    auto first = listen("tcp", "127.0.0.1:0", {.reuse_port = true}).value();
    const auto where = first.local_address().to_string();
    auto second = listen("tcp", where, {.reuse_port = true});
    EXPECT_TRUE(second.has_value());
    EXPECT_EQ(listen("tcp", where).error(), std::errc::address_in_use);
  });
}

TEST(unix_listener, dead_socket_file_is_replaced) {
  in_weft([] {
    const socket_path path;
    {
      // What a server that was killed leaves behind.
      const auto where = address::unix_socket(path.text()).value();
      const unique_fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(::bind(dead.get(), where.native(), static_cast<socklen_t>(where.native_size())), 0);
    }
    ASSERT_TRUE(path.exists());
    auto l = listen("unix", path.text());
    ASSERT_TRUE(l.has_value()) << l.error().message();
    EXPECT_TRUE(dial("unix", path.text()).has_value());
  });
}

TEST(unix_listener, living_socket_and_other_files_are_left_alone) {
  in_weft([] {
    const socket_path path;
    auto first = listen("unix", path.text()).value();
    const auto second = listen("unix", path.text());
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error(), std::errc::address_in_use);
    // Our question whether somebody answers was a connection as well.
    EXPECT_TRUE(first.accept().has_value());
    EXPECT_TRUE(dial("unix", path.text()).has_value());
    EXPECT_TRUE(first.close().has_value());
    std::ofstream(path.text()) << "precious";
    EXPECT_EQ(listen("unix", path.text()).error(), std::errc::address_in_use);
    EXPECT_TRUE(path.exists());
  });
}

TEST(unix_listener, file_of_another_is_not_removed) {
  in_weft([] {
    const socket_path path;
    auto first = listen("unix", path.text()).value();
    ASSERT_EQ(::unlink(path.text().c_str()), 0);
    auto second = listen("unix", path.text()).value();
    EXPECT_TRUE(first.close().has_value());
    EXPECT_TRUE(path.exists());
    EXPECT_TRUE(dial("unix", path.text()).has_value());
  });
}

TEST(unix_listener, that_no_runtime_can_hold_leaves_no_file) {
  const socket_path path;
  EXPECT_THROW(static_cast<void>(listen("unix", path.text())), misuse_error);
  EXPECT_FALSE(path.exists());
}

TEST(unix_listener, peers_that_have_a_name_are_told) {
  in_weft([] {
    const socket_path path;
    auto l = listen("unix", path.text()).value();
    const auto name = "@weft-named-peer-" + std::to_string(::getpid());
    const auto own = address::unix_socket(name).value();
    const unique_fd peer(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(peer.get(), own.native(), static_cast<socklen_t>(own.native_size())), 0);
    const auto to = l.local_address();
    ASSERT_EQ(::connect(peer.get(), to.native(), static_cast<socklen_t>(to.native_size())), 0);
    EXPECT_EQ(l.accept().value().remote_address().to_string(), name);
    const auto nameless = dial("unix", path.text()).value();
    EXPECT_EQ(l.accept().value().remote_address().to_string(), "");
  });
}

TEST(accept_error, tells_a_connection_from_the_listener) {
  for (const int code : {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, EPERM}) {
    EXPECT_EQ(judge_accept_error(code), accept_verdict::pass_over) << code;
  }
  for (const int code : {EMFILE, ENFILE, ENOMEM, ENOBUFS}) {
    EXPECT_EQ(judge_accept_error(code), accept_verdict::shed) << code;
  }
  for (const int code : {EBADF, EINVAL, ENOTSOCK}) {
    EXPECT_EQ(judge_accept_error(code), accept_verdict::fail) << code;
  }
  const auto code = [](int e) { return std::error_code(e, std::system_category()); };
  EXPECT_TRUE(no_ip6_here(code(EAFNOSUPPORT)));
  EXPECT_TRUE(no_ip6_here(code(EADDRNOTAVAIL)));
  EXPECT_FALSE(no_ip6_here(code(EADDRINUSE)));
}

TEST(listener, connections_reset_before_accept_do_not_end_the_loop) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    for (int i = 0; i < 5; ++i) {
      auto doomed = dial("tcp", l.local_address().to_string()).value();
      const linger hard{1, 0};
      ::setsockopt(doomed.native_handle(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    // Linux hands out connections that were reset; reading one says so. The loop goes on.
    for (int i = 0; i < 5; ++i) {
      auto c = l.accept();
      ASSERT_TRUE(c.has_value()) << c.error().message();
      std::array<char, 4> buffer;
      EXPECT_EQ(c->read(buffer).error(), std::errc::connection_reset);
    }
    EXPECT_TRUE(reaches(l, "tcp", "127.0.0.1"));
  });
}

// descriptor_limit: lowers RLIMIT_NOFILE, to `highest` descriptors.
class descriptor_limit {
 public:
  explicit descriptor_limit(rlim_t highest) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit lower{highest, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
  }
  ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  descriptor_limit(const descriptor_limit&) = delete;
  descriptor_limit& operator=(const descriptor_limit&) = delete;

 private:
  rlimit before_{};
};

constexpr rlim_t standard_descriptors = 3;

// next_descriptor: the number that the next one opened gets, but for what the monitor opens for a
// moment.
rlim_t next_descriptor() {
  constexpr int looks = 100;
  rlim_t least = RLIM_INFINITY;
  for (int i = 0; i < looks; ++i) {
    const unique_fd opened(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    least = std::min(least, static_cast<rlim_t>(opened.get()));
  }
  return least;
}

TEST(listener, no_descriptors_sheds_connections_and_the_loop_goes_on) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    std::vector<conn> clients;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(dial("tcp", l.local_address().to_string()).value());
    }
    std::atomic<int> accepted{0};
    wait_group accepting;
    std::optional<descriptor_limit> scarce(std::in_place, next_descriptor() + 3);
    std::vector<conn> served;
    accepting.go([&] {
      while (auto c = l.accept()) {
        served.push_back(std::move(*c));
        ++accepted;
      }
    });
    wait_until([&] { return accepted + static_cast<int>(l.shed_count()) == 8; });
    // Sanitizers need descriptors of their own to look at an error, so what is asked comes after.
    scarce.reset();
    EXPECT_GE(l.shed_count(), 5U);
    // Who was shed is told: the stream has ended.
    std::size_t ended = 0;
    for (auto& c : clients) {
      std::array<char, 4> buffer;
      const auto r = c.read(buffer, 1ms);
      if (!r.error().timeout()) ++ended;
    }
    EXPECT_EQ(ended, l.shed_count());
    const int before = accepted;
    auto late = dial("tcp", l.local_address().to_string()).value();
    wait_until([&] { return accepted == before + 1; });
    EXPECT_TRUE(l.close().has_value());
    accepting.wait().value();
  });
}

TEST(listener, no_descriptors_and_nobody_to_shed_costs_no_time) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    auto shed = dial("tcp", l.local_address().to_string()).value();
    wait_group accepting;
    std::optional<result<conn>> got;
    {
      const descriptor_limit none(next_descriptor());
      accepting.go([&] { got = l.accept(); });
      wait_until([&] { return l.shed_count() == 1; });
      wait_until_parked(wait_reason::io_accept, 1);
    }
    auto late = dial("tcp", l.local_address().to_string()).value();
    accepting.wait().value();
    EXPECT_TRUE(got->has_value());
  });
}

TEST(listener, deadline_ends_the_wait_for_descriptors) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    auto client = dial("tcp", l.local_address().to_string()).value();
    wait_group accepting;
    std::optional<error> late;
    {
      const descriptor_limit none(standard_descriptors);
      accepting.go([&] { late = l.accept().error(); });
      wait_until_parked(wait_reason::io_accept, 1);
      l.set_deadline(listener::clock::time_point(1ns));
      accepting.wait().value();
    }
    EXPECT_EQ(late.value(), errc::timeout);
  });
}

TEST(listener, lost_reserve_makes_accept_wait_and_close_ends_that) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    auto client = dial("tcp", l.local_address().to_string()).value();
    wait_group accepting;
    std::optional<error> late;
    std::optional<error> closed;
    {
      // Even the descriptor that shedding gives up cannot be had again.
      const descriptor_limit none(standard_descriptors);
      accepting.go([&] { late = l.accept(1ms).error(); });
      accepting.wait().value();
      accepting.go([&] { closed = l.accept().error(); });
      wait_until_parked(wait_reason::io_accept, 1);
      EXPECT_TRUE(l.close().has_value());
      accepting.wait().value();
    }
    EXPECT_EQ(late.value(), errc::timeout);
    EXPECT_EQ(closed.value(), errc::closed);
    EXPECT_EQ(l.shed_count(), 0U);
  });
}

TEST(listener, lost_reserve_is_had_again_before_the_next_connection) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    std::vector<conn> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(dial("tcp", l.local_address().to_string()).value());
    }
    wait_group accepting;
    std::optional<error> closed;
    {
      const descriptor_limit none(standard_descriptors);
      accepting.go([&] { closed = l.accept().error(); });
      wait_until_parked(wait_reason::io_accept, 1);
      int free = 0;
      while (::fcntl(free, F_GETFD) >= 0) ++free;
      const descriptor_limit one(static_cast<rlim_t>(free) + 1);
      wait_until([&] { return l.shed_count() == clients.size(); });
    }
    EXPECT_TRUE(l.close().has_value());
    accepting.wait().value();
    EXPECT_EQ(closed.value(), errc::closed);
  });
}

TEST(listener, waiting_loop_accepts_when_descriptors_come_back) {
  in_weft([] {
    auto l = listen("tcp", "127.0.0.1:0").value();
    auto client = dial("tcp", l.local_address().to_string()).value();
    wait_group accepting;
    {
      const descriptor_limit none(standard_descriptors);
      accepting.go([&] { EXPECT_TRUE(l.accept().has_value()); });
      wait_until_parked(wait_reason::io_accept, 1);
    }
    accepting.wait().value();
  });
}

TEST(listener_death_test, filter_that_forbids_accept_does_not_keep_it_busy) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto accept_parks = [] {
    if (!poll_test::refuse_system_call(SYS_accept4, EPERM)) std::_Exit(0);
    in_weft([] {
      auto l = listen("tcp", "127.0.0.1:0").value();
      wait_group accepting;
      accepting.go([&] { EXPECT_EQ(l.accept().error(), errc::closed); });
      wait_until_parked(wait_reason::io_accept, 1);
      EXPECT_TRUE(l.close().has_value());
      accepting.wait().value();
    });
    std::_Exit(testing::Test::HasFailure() ? 1 : 0);
  };
  EXPECT_EXIT(accept_parks(), testing::ExitedWithCode(0), "");
}

TEST(listener, many_connections_from_many_goroutines) {
  in_weft([] {
    auto l = listen("tcp", ":0").value();
    const auto port = std::to_string(l.local_address().port());
    const int count = scaled(400);
    wait_group all;
    for (int acceptor = 0; acceptor < 3; ++acceptor) {
      all.go([&] {
        while (auto c = l.accept()) {
          go([served = std::move(*c)]() mutable {
            std::array<char, 100> buffer;
            while (const auto n = served.read(buffer)) {
              if (!served.write({buffer.data(), *n})) return;
            }
          });
        }
      });
    }
    wait_group dialling;
    for (int i = 0; i < count; ++i) {
      dialling.go([&, i] {
        auto c = dial(i % 2 == 0 ? "tcp4" : "tcp6", (i % 2 == 0 ? "127.0.0.1:" : "[::1]:") + port);
        ASSERT_TRUE(c.has_value()) << c.error().message();
        const auto text = "message " + std::to_string(i);
        for (int round = 0; round < 5; ++round) {
          EXPECT_TRUE(c->write(text).has_value());
          EXPECT_EQ(read_exactly(*c, text.size()), text);
        }
      });
    }
    dialling.wait().value();
    EXPECT_TRUE(l.close().has_value());
    all.wait().value();
  });
}

}  // namespace
}  // namespace weft::net
