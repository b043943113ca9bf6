#include "net/race.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <weft/context.h>
#include <weft/net.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/net_test.h"

namespace weft::net {
namespace {

using namespace std::chrono_literals;
using namespace net_test;
using sched::wait_reason;

// open_descriptors: of this process.
std::size_t open_descriptors() {
  std::size_t n = 0;
  DIR* all = ::opendir("/proc/self/fd");
  while (::readdir(all) != nullptr) ++n;
  ::closedir(all);
  return n;
}

// silent: a place that takes no connection and refuses none: its backlog is full.
class silent {
 public:
  explicit silent(const char* where) : listener_(listen("tcp", where, {.backlog = 0}).value()) {
    for (;;) {
      auto c = dial("tcp", at().to_string(), 20ms);
      if (!c) break;
      filling_.push_back(std::move(*c));
    }
  }
  [[nodiscard]] address at() const { return listener_.local_address(); }

 private:
  listener listener_;
  std::vector<conn> filling_;
};

// refusing: a place where nobody listens.
address refusing(const char* where) { return listen("tcp", where).value().local_address(); }

result<conn> connect(const std::vector<address>& targets, const dial_options& options,
                     const limit& l = {}, std::int64_t share_min = share_min_ns) {
  return connect_first(targets, transport::tcp, options, l.raw(), share_min);
}

TEST(race, silent_family_loses_to_the_other_and_is_closed) {
  in_weft([] {
    const silent first("127.0.0.1:0");
    auto second = listen("tcp", "[::1]:0").value();
    const auto before = open_descriptors();
    {
      const auto c = connect({first.at(), second.local_address()}, {.fallback_delay = 1ms});
      ASSERT_TRUE(c.has_value()) << c.error().message();
      EXPECT_EQ(c->remote_address(), second.local_address());
      EXPECT_EQ(open_descriptors(), before + 1);
    }
    EXPECT_EQ(open_descriptors(), before);
  });
}

TEST(race, failure_of_the_first_family_starts_the_other_at_once) {
  in_weft([] {
    auto second = listen("tcp", "[::1]:0").value();
    const auto c =
        connect({refusing("127.0.0.1:0"), second.local_address()}, {.fallback_delay = 24h});
    ASSERT_TRUE(c.has_value()) << c.error().message();
    EXPECT_EQ(c->remote_address(), second.local_address());
  });
}

TEST(race, first_family_wins_while_the_other_waits_for_its_delay) {
  in_weft([] {
    auto first = listen("tcp", "[::1]:0").value();
    auto second = listen("tcp", "127.0.0.1:0").value();
    const auto c =
        connect({first.local_address(), second.local_address()}, {.fallback_delay = 24h});
    ASSERT_TRUE(c.has_value()) << c.error().message();
    EXPECT_EQ(c->remote_address(), first.local_address());
    EXPECT_EQ(second.accept(0ms).error(), errc::timeout);
  });
}

TEST(race, both_failing_give_the_first_failure) {
  in_weft([] {
    const auto first = refusing("127.0.0.1:0");
    for (const auto delay : {-1ms, 0ms, 1ms}) {
      const auto c =
          connect({first, refusing("127.0.0.1:0"), refusing("[::1]:0")}, {.fallback_delay = delay});
      ASSERT_FALSE(c.has_value());
      EXPECT_EQ(c.error().message(), "dial tcp " + first.to_string() + ": connection refused");
    }
  });
}

TEST(race, negative_delay_leaves_the_second_family_behind_the_first) {
  in_weft([] {
    const silent first("127.0.0.1:0");
    auto second = listen("tcp", "[::1]:0").value();
    const auto c = connect({first.at(), second.local_address()}, {.fallback_delay = -1ns}, 20ms);
    EXPECT_EQ(c.error(), errc::timeout);
    EXPECT_EQ(second.accept(0ms).error(), errc::timeout);
  });
}

TEST(race, silent_address_gives_way_when_its_share_of_the_time_is_over) {
  in_weft([] {
    const silent first("127.0.0.1:0");
    auto second = listen("tcp", "127.0.0.1:0").value();
    // Of many addresses each gets a small share; the time is generous for the one that answers.
    std::vector<address> targets(1'000, second.local_address());
    targets[0] = first.at();
    const auto c = connect(targets, {}, 60s, /*share_min=*/0);
    ASSERT_TRUE(c.has_value()) << c.error().message();
    EXPECT_EQ(c->remote_address(), second.local_address());
  });
}

TEST(race, limit_and_cancel_end_both_lanes_and_leave_nothing) {
  in_weft([] {
    const silent first("127.0.0.1:0");
    const silent second("[::1]:0");
    const auto before = open_descriptors();
    const std::vector<address> targets{first.at(), second.at()};
    const auto late = connect(targets, {.fallback_delay = 0ms}, 20ms);
    EXPECT_EQ(late.error().message(), "dial tcp " + first.at().to_string() + ": deadline exceeded");
    const auto [ctx, cancel] = with_cancel(context::background());
    wait_group dialling;
    dialling.go([&] {
      EXPECT_EQ(connect(targets, {.fallback_delay = 0ms}, ctx).error(), errc::cancelled);
    });
    wait_until_parked(wait_reason::io_connect, 1);
    cancel();
    dialling.wait().value();
    EXPECT_EQ(open_descriptors(), before);
  });
}

TEST(race, plain_threads_race_too_and_hear_of_the_end_of_the_runtime) {
  std::thread racing;
  std::optional<silent> first;
  std::optional<silent> second;
  in_weft([&] {
    first.emplace("127.0.0.1:0");
    second.emplace("[::1]:0");
    auto answering = listen("tcp", "[::1]:0").value();
    std::thread winning([&] {
      const auto c = connect({first->at(), answering.local_address()}, {.fallback_delay = 1ms});
      EXPECT_TRUE(c.has_value());
    });
    sync_test::join_from_goroutine(winning);
    const auto before = open_descriptors();
    racing = std::thread([&] {
      const auto c = connect({first->at(), second->at()}, {.fallback_delay = 0ms});
      EXPECT_EQ(c.error(), errc::wrong_runtime) << c.error().message();
    });
    wait_until([&] { return open_descriptors() == before + 2; });
  });
  racing.join();
}

TEST(dial_options, local_end_is_where_it_was_asked_for) {
  in_weft([] {
    auto l = listen("tcp4", "127.0.0.1:0").value();
    const auto local = address::parse("127.0.0.2:0").value();
    const auto c = dial("tcp", l.local_address().to_string(), {.local = local}).value();
    EXPECT_EQ(c.local_address().host(), "127.0.0.2");
    EXPECT_EQ(l.accept().value().remote_address(), c.local_address());
    const auto taken = dial("tcp", l.local_address().to_string(), {.local = l.local_address()});
    EXPECT_EQ(taken.error().message(),
              "dial tcp " + l.local_address().to_string() + ": address already in use");
    // An end of the other family reaches nothing.
    const auto other = address::parse("[::1]:0").value();
    EXPECT_EQ(dial("tcp", l.local_address().to_string(), {.local = other}).error(),
              errc::bad_address);
  });
}

TEST(dial_options, socket_has_the_options_that_were_asked_for) {
  in_weft([] {
    const auto value = [](const conn& c, int level, int name) {
      int v = -1;
      socklen_t size = sizeof v;
      EXPECT_EQ(::getsockopt(c.native_handle(), level, name, &v, &size), 0);
      return v;
    };
    const keepalive_options slow{.idle = 60s, .interval = 30s, .count = 4};
    auto l = listen("tcp4", "127.0.0.1:0", {.nodelay = false, .keepalive = slow}).value();
    const auto c =
        dial("tcp", l.local_address().to_string(), {.nodelay = false, .keepalive = {.on = false}})
            .value();
    const auto accepted = l.accept().value();
    EXPECT_EQ(value(c, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(value(c, SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(value(accepted, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(value(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    EXPECT_EQ(value(accepted, IPPROTO_TCP, TCP_KEEPINTVL), 30);
    EXPECT_EQ(value(accepted, IPPROTO_TCP, TCP_KEEPCNT), 4);
  });
}

TEST(dial_options, control_sees_every_socket_first_and_may_refuse_it) {
  in_weft([] {
    auto l = listen("tcp4", "127.0.0.1:0").value();
    const auto mark = [](int fd) -> result<void> {
      const int tos = 0x10;
      if (::setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos) == 0) return {};
      return std::unexpected(error::from_errno(errno));
    };
    const auto c = dial("tcp", l.local_address().to_string(), {.control = mark}).value();
    int tos = 0;
    socklen_t size = sizeof tos;
    EXPECT_EQ(::getsockopt(c.native_handle(), IPPROTO_IP, IP_TOS, &tos, &size), 0);
    EXPECT_EQ(tos, 0x10);
    const auto refuse = [](int) -> result<void> {
      return std::unexpected(error::from_errno(EPERM));
    };
    EXPECT_EQ(dial("tcp", l.local_address().to_string(), {.control = refuse}).error().message(),
              "dial tcp " + l.local_address().to_string() + ": operation not permitted");
    EXPECT_EQ(listen("tcp", "127.0.0.1:0", {.control = refuse}).error(),
              std::errc::operation_not_permitted);
  });
}

}  // namespace
}  // namespace weft::net
