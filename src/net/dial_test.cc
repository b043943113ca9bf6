#include <netdb.h>
#include <weft/context.h>
#include <weft/net.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "net/net_test.h"
#include "net/resolve.h"

namespace weft::net {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace net_test;
using sched::wait_reason;

constexpr network tcp{transport::tcp};
constexpr network tcp4{transport::tcp, AF_INET};
constexpr network tcp6{transport::tcp, AF_INET6};
constexpr network unix_stream{transport::unix_stream, AF_UNIX};

// free_port: one that nobody listens on.
std::string free_port() {
  auto l = listen("tcp4", "127.0.0.1:0").value();
  return std::to_string(l.local_address().port());
}

TEST(dial, refusal_names_what_was_tried) {
  in_weft([] {
    const auto where = "127.0.0.1:" + free_port();
    const auto c = dial("tcp", where);
    ASSERT_FALSE(c.has_value());
    EXPECT_EQ(c.error(), std::errc::connection_refused);
    EXPECT_EQ(c.error().message(), "dial tcp " + where + ": connection refused");
  });
}

TEST(dial, own_port_does_not_answer_itself) {
  // Dialling a free port of the ephemeral range now and then gets that very port as its own end.
  in_weft([] {
    for (int i = 0; i < scaled(2'000); ++i) {
      const auto c = dial("tcp4", "127.0.0.1:" + free_port());
      ASSERT_FALSE(c.has_value()) << i;
    }
  });
}

TEST(dial, bad_words_are_errors_of_their_own) {
  in_weft([] {
    EXPECT_EQ(dial("udp", "127.0.0.1:1").error(), errc::unknown_network);
    EXPECT_EQ(dial("tcp", "127.0.0.1").error(), errc::bad_address);
    EXPECT_EQ(dial("tcp", "::1:80").error(), errc::bad_address);
    EXPECT_EQ(dial("tcp6", "127.0.0.1:1").error(), errc::bad_address);
    EXPECT_EQ(dial("unix", "").error(), errc::bad_address);
    EXPECT_EQ(dial("unix", "/nonexistent/socket").error(), std::errc::no_such_file_or_directory);
  });
}

TEST(dial, ports_are_16_bits_wide_and_services_have_a_letter) {
  // The C library would take "65637" for port 101, and "+80" for port 80.
  in_weft([] {
    auto l = listen("tcp4", "127.0.0.1:0").value();
    const unsigned port = l.local_address().port();
    for (const auto& text : {std::to_string(port + 65536), "+" + std::to_string(port),
                             " " + std::to_string(port), std::to_string(port) + " "}) {
      for (const char* host : {"127.0.0.1:", "localhost:", ":"}) {
        EXPECT_EQ(dial("tcp4", host + text, 1s).error(), errc::bad_address) << host << text;
      }
    }
  });
}

TEST(dial, zero_bytes_end_no_address) {
  using namespace std::string_view_literals;
  in_weft([] {
    auto l = listen("tcp4", "127.0.0.1:0").value();
    const auto port = std::to_string(l.local_address().port());
    const auto host = "localhost\0.example:"s + port;
    EXPECT_EQ(dial("tcp4", host).error(), errc::bad_address);
    EXPECT_EQ(dial("unix", "/tmp/a\0b"sv).error(), errc::bad_address);
    EXPECT_EQ(listen("unix", "/tmp/a\0b"sv).error(), errc::bad_address);
  });
}

TEST(dial, deadlines_of_any_age_have_passed) {
  in_weft([] {
    const auto where = ":" + free_port();
    for (const auto t : {conn::clock::time_point::min(), conn::clock::time_point(-1h)}) {
      EXPECT_FALSE(dial("tcp", where, t).has_value());
    }
  });
}

TEST(dial, empty_host_is_this_machine) {
  in_weft([] {
    auto only4 = listen("tcp4", "127.0.0.1:0").value();
    EXPECT_TRUE(dial("tcp", ":" + std::to_string(only4.local_address().port())).has_value());
    auto only6 = listen("tcp6", "[::1]:0").value();
    EXPECT_TRUE(dial("tcp", ":" + std::to_string(only6.local_address().port())).has_value());
    EXPECT_TRUE(dial("tcp6", ":" + std::to_string(only6.local_address().port())).has_value());
  });
}

TEST(dial, names_are_looked_up_and_every_address_is_tried) {
  in_weft([] {
    for (const char* network : {"tcp4", "tcp6"}) {
      auto l = listen(network, ":0").value();
      const auto port = std::to_string(l.local_address().port());
      auto c = dial("tcp", "localhost:" + port);
      // A machine may know localhost under one family alone.
      EXPECT_TRUE(c ? c->remote_address().is_loopback()
                    : c.error() == std::errc::connection_refused);
    }
    auto both = listen("tcp", ":0").value();
    EXPECT_TRUE(
        dial("tcp", "localhost:" + std::to_string(both.local_address().port())).has_value());
  });
}

TEST(dial, names_nobody_knows_are_no_such_host) {
  in_weft([] {
    const auto c = dial("tcp", "no-such-host.invalid:80");
    ASSERT_FALSE(c.has_value());
    // Without a name server in reach the resolver cannot know.
    EXPECT_TRUE(c.error() == errc::no_such_host || c.error() == errc::try_again_later)
        << c.error().message();
    EXPECT_EQ(std::string(c.error().op()), "lookup");
    EXPECT_EQ(std::string(c.error().address()), "no-such-host.invalid");
    EXPECT_EQ(dial("tcp", "127.0.0.1:no-such-service").error(), errc::bad_address);
  });
}

TEST(dial, limit_ends_a_lookup) {
  // On one processor whoever looks up has not begun when the one who asks goes to wait.
  weft::run(
      [] {
        const auto [ctx, cancel] = with_cancel(context::background());
        cancel();
        EXPECT_EQ(dial("tcp", "localhost:80", ctx).error(), errc::cancelled);
        wait_until([] { return goroutine_count() == 1; });
      },
      {.max_procs = 1});
}

TEST(dial, limit_ends_a_connect) {
  in_weft([] {
    // A listener whose backlog is full lets the next connection wait in the kernel.
    auto l = listen("tcp", "127.0.0.1:0", {.backlog = 0}).value();
    std::vector<conn> filling;
    for (int i = 0; i < 10; ++i) {
      auto c = dial("tcp", l.local_address().to_string(), 20ms);
      if (!c) {
        EXPECT_EQ(c.error(), errc::timeout) << c.error().message();
        EXPECT_EQ(c.error().message(),
                  "dial tcp " + l.local_address().to_string() + ": deadline exceeded");
        const auto [ctx, cancel] = with_cancel(context::background());
        wait_group dialling;
        dialling.go([&] {
          EXPECT_EQ(dial("tcp", l.local_address().to_string(), ctx).error(), errc::cancelled);
        });
        wait_until_parked(wait_reason::io_connect, 1);
        cancel();
        dialling.wait().value();
        return;
      }
      filling.push_back(std::move(*c));
    }
    FAIL() << "the backlog never filled";
  });
}

TEST(dial, unix_socket_with_a_full_backlog_waits_for_room) {
  in_weft([] {
    const auto where = "@weft-dial-test-" + std::to_string(::getpid());
    auto l = listen("unix", where, {.backlog = 0}).value();
    std::vector<conn> filling;
    for (;;) {
      auto c = dial("unix", where, 5ms);
      if (!c) {
        EXPECT_EQ(c.error(), errc::timeout) << c.error().message();
        break;
      }
      filling.push_back(std::move(*c));
      ASSERT_LT(filling.size(), 10U);
    }
    wait_group dialling;
    dialling.go([&] { EXPECT_TRUE(dial("unix", where).has_value()); });
    wait_until_parked(wait_reason::io_connect, 1);
    for (std::size_t i = 0; i <= filling.size(); ++i) EXPECT_TRUE(l.accept().has_value());
    dialling.wait().value();
  });
}

TEST(resolve, literals_and_empty_hosts_need_no_lookup) {
  const auto texts = [](network net, const char* text, purpose why) {
    std::string all;
    const auto found = resolve(net, text, why, {});
    if (!found) return found.error().message();
    for (const auto& a : *found) all += a.to_string() + " ";
    return all;
  };
  // On a plain thread without a runtime: a lookup would throw.
  EXPECT_EQ(texts(tcp, "127.0.0.1:1", purpose::dial), "127.0.0.1:1 ");
  EXPECT_EQ(texts(tcp6, "[::1]:1", purpose::dial), "[::1]:1 ");
  EXPECT_EQ(texts(tcp, ":1", purpose::dial), "127.0.0.1:1 [::1]:1 ");
  EXPECT_EQ(texts(tcp4, ":1", purpose::dial), "127.0.0.1:1 ");
  EXPECT_EQ(texts(tcp, ":1", purpose::listen), "[::]:1 0.0.0.0:1 ");
  EXPECT_EQ(texts(tcp4, ":1", purpose::listen), "0.0.0.0:1 ");
  EXPECT_EQ(texts(tcp6, ":1", purpose::listen), "[::]:1 ");
  EXPECT_EQ(texts(unix_stream, "/x", purpose::dial), "/x ");
  EXPECT_THROW(static_cast<void>(resolve(tcp, "localhost:1", purpose::dial, {})), misuse_error);
}

TEST(resolve, service_without_a_host_is_the_same_place_as_its_number) {
  if (::getservbyname("http", "tcp") == nullptr) GTEST_SKIP() << "no /etc/services";
  in_weft([] {
    for (const auto net : {tcp, tcp4, tcp6}) {
      for (const auto why : {purpose::dial, purpose::listen}) {
        EXPECT_EQ(resolve(net, ":http", why, {}).value(), resolve(net, ":80", why, {}).value());
      }
    }
  });
}

TEST(resolve, end_of_the_runtime_reaches_a_thread_that_waits) {
  for (int i = 0; i < 20; ++i) {
    std::thread asking;
    std::atomic<bool> answered{false};
    weft::run(
        [&] {
          asking = std::thread([&] {
            const auto found = resolve(tcp, "localhost:80", purpose::dial, {});
            EXPECT_TRUE(found || found.error() == errc::wrong_runtime) << found.error().message();
            answered = true;
          });
          // The only processor is ours: the goroutine that looks is there, and rarely gets to run.
          while (goroutine_count() < 2 && !answered) continue;
        },
        {.max_procs = 1});
    asking.join();
  }
}

TEST(resolve, many_lookups_at_once_all_answer) {
  in_weft([] {
    wait_group looking;
    for (int i = 0; i < scaled(100); ++i) {
      looking.go([] {
        const auto found = resolve(tcp, "localhost:80", purpose::dial, {});
        ASSERT_TRUE(found.has_value()) << found.error().message();
        for (const auto& a : *found) EXPECT_TRUE(a.is_loopback());
      });
    }
    looking.wait().value();
  });
}

}  // namespace
}  // namespace weft::net
