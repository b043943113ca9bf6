// The simulated network: what programs see of it through conn, listener and packet_conn.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/buffered.h>
#include <weft/channel.h>
#include <weft/copy.h>
#include <weft/error.h>
#include <weft/go.h>
#include <weft/goroutine.h>
#include <weft/net.h>
#include <weft/scope.h>
#include <weft/test.h>
#include <weft/test_network.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::test {
namespace {

using namespace std::chrono_literals;
using net::conn;
using testing::HasSubstr;

void check(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}
void same(const std::string& is, const std::string& should) {
  check(is == should, "is \"" + is + "\", not \"" + should + "\"");
}

// exactly: in the one schedule that decides nothing.
void exactly(const std::function<void()>& f) {
  const auto done = simulate(f, {.schedule = "exact:", .trace = true});
  EXPECT_TRUE(done.ok()) << done.text();
}
// always: in many.
void always(const std::function<void()>& f) {
  const auto done = explore(f, {.schedules = 300});
  EXPECT_TRUE(done.ok()) << done.text();
}

// on: what `f` does is done on that host, by a goroutine of its own.
template <class F>
void on(std::string_view host, F&& f) {
  const label here("host", host);
  go(std::forward<F>(f));
}

// pair_of: a connection between "client" and "server", accepted.
std::pair<conn, conn> pair_of() {
  const label at_server("host", "server");
  auto listener = net::listen("tcp", ":80").value();
  const channel<conn> dialed(1);
  on("client", [&] { dialed.send(net::dial("tcp", "server:80").value()); });
  auto accepted = listener.accept().value();
  return {std::move(*dialed.recv()), std::move(accepted)};
}

std::string read_all(conn& from, const limit& l = {}) {
  std::string all;
  std::array<char, 100> buffer;
  for (;;) {
    const auto n = from.read(buffer, l);
    if (!n && n.error() == errc::eof) return all;
    if (!n) return all + "|" + n.error().code().message();
    all.append(buffer.data(), *n);
  }
}

std::chrono::nanoseconds since(limit::clock::time_point start) { return now() - start; }

TEST(network, a_connection_has_its_ends_and_both_directions) {
  always([] {
    auto [client, server] = pair_of();
    same(client.remote_address().to_string(), server.local_address().to_string());
    same(client.local_address().to_string(), server.remote_address().to_string());
    check(client.local_address().host() != client.remote_address().host(), "one host");
    check(client.write("question").has_value(), "write");
    check(client.close_write().has_value(), "close_write");
    same(read_all(server), "question");
    check(server.write("answer").has_value(), "write back");
    check(server.close().has_value(), "close");
    same(read_all(client), "answer");
  });
}

TEST(network, is_no_kernels) {
  exactly([] {
    auto [client, server] = pair_of();
    check(client.native_handle() >= 1 << 30, "a descriptor");
  });
}

TEST(network, bytes_take_as_long_as_the_link_says) {
  exactly([] {
    set_link("client", "server", {.delay = 7ms});
    const auto start = now();
    auto [client, server] = pair_of();
    check(since(start) == 14ms, "connecting is a round trip");
    const auto sent = now();
    check(client.write("x").has_value(), "write");
    check(since(sent) == 0ms, "writing takes no time");
    std::array<char, 1> one;
    check(server.read(one).has_value(), "read");
    check(since(sent) == 7ms, "the way takes 7 ms");
  });
}

TEST(network, a_link_has_so_many_bytes_a_second) {
  exactly([] {
    auto [client, server] = pair_of();
    set_link("client", "server", {.bytes_per_second = 1000});
    const auto start = now();
    check(client.write(std::string(500, 'x')).has_value(), "write");
    check(client.close().has_value(), "close");
    check(read_all(server).size() == 500, "all of it");
    check(since(start) == 500ms, "half a second");
  });
}

TEST(network, bytes_stay_in_order_whatever_the_jitter) {
  always([] {
    auto [client, server] = pair_of();
    set_link("client", "server", {.delay = 1ms, .jitter = 50ms, .loss = 0.3});
    for (char c = 'a'; c <= 'z'; ++c) check(client.write({&c, 1}).has_value(), "write");
    check(client.close().has_value(), "close");
    same(read_all(server), "abcdefghijklmnopqrstuvwxyz");
  });
}

TEST(network, writers_wait_for_slow_readers) {
  exactly([] {
    auto [client, server] = pair_of();
    set_link("client", "server", {.buffer = 10});
    const std::string text(35, 'x');
    const auto early = client.write(text, 1s);
    check(!early && early.error() == errc::timeout && early.error().written() == 10, "10 fit");
    std::size_t written = 0;
    wait_group writing;
    writing.go([&, &c = client] { written = c.write(text, 10s).value(); });
    std::array<char, 5> few;
    std::size_t got = 0;
    while (got < 45) {
      check(sleep_for(100ms).has_value(), "sleep");
      got += server.read(few).value();
    }
    writing.wait().value();
    check(written == 35, "all of it");
  });
}

TEST(network, who_dials_where_nobody_listens_is_refused) {
  always([] {
    set_network({.delay = 3ms});
    const auto start = now();
    const auto refused = net::dial("tcp", "server:80");
    check(!refused && refused.error() == std::errc::connection_refused, "refused");
    check(since(start) >= 6ms, "after a round trip");
    const auto nobody = net::dial("tcp", "nobody.invalid:80");
    check(!nobody && nobody.error() == errc::no_such_host, "no such host");
    const auto nowhere = net::dial("tcp", "192.0.2.1:80");
    check(!nowhere && nowhere.error() == std::errc::network_unreachable, "no such network");
  });
}

TEST(network, hosts_have_ports_and_loopbacks_of_their_own) {
  always([] {
    const auto here = net::listen("tcp", "127.0.0.1:80").value();
    const auto again = net::listen("tcp", ":80");
    check(!again && again.error() == std::errc::address_in_use, "in use");
    const channel<bool> done(1);
    on("other", [&] {
      const auto there = net::listen("tcp", ":80");
      check(there.has_value(), "another host's port");
      check(net::dial("tcp", "127.0.0.1:80").has_value(), "its own loopback");
      check(net::dial("tcp", "[::1]:80").has_value(), "and the other one");
      check(!net::dial("tcp", "localhost:81"), "not that port");
      done.send(true);
    });
    static_cast<void>(done.recv());
    const auto free = net::listen("tcp", ":0").value();
    check(free.local_address().port() != 0, "a port is chosen");
  });
}

TEST(network, another_hosts_address_is_not_to_be_had) {
  exactly([] {
    const auto [client, server] = pair_of();
    for (const char* port : {"81", "0"}) {
      const auto at = server.local_address().host() + ":" + port;
      const auto stream = net::listen("tcp", at);
      check(!stream && stream.error() == std::errc::address_not_available, "TCP");
      const auto packets = net::listen_packet("udp", at);
      check(!packets && packets.error() == std::errc::address_not_available, "UDP");
      on("server", [at] { check(net::listen("tcp", at).has_value(), "its own"); });
      wait();
    }
  });
}

TEST(network, a_cut_link_tells_nobody_and_loses_nothing) {
  exactly([] {
    auto [client, server] = pair_of();
    check(client.write("before ").has_value(), "write");
    cut("client", "server");
    check(client.write("meanwhile ").has_value(), "write");
    std::array<char, 100> buffer;
    const auto early = server.read(buffer, 1h);
    check(!early && early.error() == errc::timeout, "nothing comes");
    heal("client", "server");
    check(client.write("after").has_value(), "write");
    check(client.close().has_value(), "close");
    same(read_all(server), "before meanwhile after");
  });
}

TEST(network, what_was_held_is_not_overtaken_by_what_was_under_way) {
  always([] {
    set_link("client", "server", {.delay = 10ms, .jitter = 3ms});
    auto [client, server] = pair_of();
    cut("client", "server");
    check(client.write("AAAA").has_value(), "write");
    check(sleep_for(14ms).has_value(), "sleep");
    check(client.write("BBBB").has_value(), "write");
    check(sleep_for(3ms).has_value(), "sleep");
    heal("client", "server");
    check(client.write("CCCC").has_value(), "write");
    check(client.close().has_value(), "close");
    same(read_all(server), "AAAABBBBCCCC");
  });
}

TEST(network, the_end_does_not_overtake_what_was_held) {
  exactly([] {
    set_link("client", "server", {.delay = 10ms});
    auto [client, server] = pair_of();
    cut("client", "server");
    check(client.write("AAAA").has_value(), "write");
    check(sleep_for(12ms).has_value(), "sleep");
    check(client.close().has_value(), "close");
    check(sleep_for(3ms).has_value(), "sleep");
    heal("client", "server");
    same(read_all(server), "AAAA");
  });
}

TEST(network, who_dials_over_a_cut_link_waits) {
  exactly([] {
    const label here("host", "client");
    const auto listener = [] {
      const label there("host", "server");
      return net::listen("tcp", ":80").value();
    }();
    cut("client", "server");
    const auto late = net::dial("tcp", "server:80", 5s);
    check(!late && late.error() == errc::timeout, "timeout");
    go([] {
      static_cast<void>(sleep_for(1s));
      heal("client", "server");
    });
    check(net::dial("tcp", "server:80", 5s).has_value(), "when it is whole again");
  });
}

TEST(network, one_direction_can_be_cut) {
  exactly([] {
    auto [client, server] = pair_of();
    cut_one_way("client", "server");
    check(server.write("heard").has_value() && client.write("not").has_value(), "write");
    std::array<char, 100> buffer;
    check(client.read(buffer, 1s).value() == 5, "one way goes on");
    check(!server.read(buffer, 1s), "the other does not");
  });
}

TEST(network, resets_break_connections_at_both_ends) {
  always([] {
    auto [client, server] = pair_of();
    go([] { reset("server", "client"); });
    same(read_all(client), "|Connection reset by peer");
    const auto more = client.write("x");
    check(!more && more.error() == std::errc::broken_pipe, "broken pipe");
    same(read_all(server), "|Connection reset by peer");
  });
}

TEST(network, resets_break_connections_that_are_being_made) {
  for (const auto until : {3ms, 7ms})  // the client's way, and the server's
    exactly([until] {
      set_link("client", "server", {.delay = 5ms});
      const label at_server("host", "server");
      auto listener = net::listen("tcp", ":80").value();
      const channel<bool> done(1);
      on("client", [&] {
        const auto c = net::dial("tcp", "server:80");
        done.send(!c && c.error() == std::errc::connection_reset);
      });
      check(sleep_for(until).has_value(), "sleep");
      reset("client", "server");
      check(*done.recv(), "reset");
      auto accepted = listener.accept(1s);
      check(accepted.has_value() == (until > 5ms), "what had come is there");
      if (accepted) same(read_all(*accepted), "|Connection reset by peer");
    });
}

TEST(network, what_ends_before_its_client_knows_of_it_is_read_by_it) {
  exactly([] {
    set_link("client", "server", {.delay = 5ms});
    const label at_server("host", "server");
    auto listener = net::listen("tcp", ":80").value();
    const channel<std::string> read(1);
    on("client", [&] {
      auto c = net::dial("tcp", "server:80").value();
      read.send(read_all(c));
    });
    {
      auto accepted = listener.accept().value();
      check(accepted.write("hello").has_value(), "write");
      check(accepted.close().has_value(), "close");
    }
    same(*read.recv(), "hello");
  });
}

TEST(network, who_closes_with_bytes_unread_resets) {
  exactly([] {
    auto [client, server] = pair_of();
    check(client.write("never read").has_value(), "write");
    wait();
    check(sleep_for(1s).has_value(), "sleep");
    check(server.close().has_value(), "close");
    same(read_all(client), "|Connection reset by peer");
  });
}

TEST(network, who_writes_to_a_closed_end_hears_of_it_later) {
  exactly([] {
    auto [client, server] = pair_of();
    set_link("client", "server", {.delay = 1ms});
    check(server.close().has_value(), "close");
    check(client.write("x").has_value(), "the first goes out");
    check(sleep_for(10ms).has_value(), "sleep");
    same(read_all(client), "");  // the end came before the reset
    for (int i = 0; i < 2; ++i) {
      const auto next = client.write("y");
      check(!next && next.error() == std::errc::broken_pipe, "the next does not");
    }
    same(read_all(client), "");
  });
}

TEST(network, a_closed_listener_drops_who_was_not_accepted) {
  always([] {
    auto listener = net::listen("tcp", ":80").value();
    auto client = net::dial("tcp", "localhost:80").value();
    check(listener.close().has_value(), "close");
    same(read_all(client), "|Connection reset by peer");
    check(!net::dial("tcp", "localhost:80"), "and refuses the next");
  });
}

// fill: connections to `to` that nobody accepts, until its queue is full.
std::vector<conn> fill(const std::string& to) {
  std::vector<conn> all;
  while (auto c = net::dial("tcp", to, 1s)) all.push_back(std::move(*c));
  return all;
}

TEST(network, who_finds_the_queue_of_a_listener_full_waits_for_an_accept) {
  exactly([] {
    auto listener = net::listen("tcp", ":80", {.backlog = 2}).value();
    const auto waiting = fill("localhost:80");
    check(!waiting.empty(), "a queue");
    wait_group dialing;
    bool connected = false;
    dialing.go([&] { connected = net::dial("tcp", "localhost:80").has_value(); });
    check(sleep_for(1h).has_value(), "sleep");
    check(!connected, "it waits");
    check(listener.accept().has_value(), "accept");
    dialing.wait().value();
    check(connected, "there is room");
    check(!net::dial("tcp", "localhost:80", 1s), "for one");
  });
}

TEST(network, who_waits_in_front_of_a_full_queue_is_refused_when_the_listener_closes) {
  exactly([] {
    auto listener = net::listen("tcp", ":80", {.backlog = 2}).value();
    const auto waiting = fill("localhost:80");
    wait_group dialing;
    bool refused = false;
    dialing.go([&] {
      const auto late = net::dial("tcp", "localhost:80");
      refused = !late && late.error() == std::errc::connection_refused;
    });
    wait();
    check(listener.close().has_value(), "close");
    dialing.wait().value();
    check(refused, "refused");
  });
}

TEST(network, a_queue_that_nobody_empties_is_a_deadlock) {
  const auto found = simulate(
      [] {
        const auto listener = net::listen("tcp", ":80", {.backlog = 2}).value();
        const auto waiting = fill("localhost:80");
        static_cast<void>(net::dial("tcp", "localhost:80"));
      },
      {.schedule = "exact:"});
  EXPECT_EQ(found.what, verdict::deadlocked) << found.text();
}

TEST(network, calls_end_by_closing_deadline_and_context) {
  always([] {
    auto [client, server] = pair_of();
    client.set_read_deadline(now() + 1s);
    std::array<char, 1> one;
    const auto late = client.read(one);
    check(!late && late.error() == errc::timeout, "deadline");
    go([&s = server] { static_cast<void>(s.close()); });
    const auto closed = server.read(one);
    check(!closed && closed.error() == errc::closed, "closed");
  });
}

TEST(network, who_waits_for_bytes_that_never_come_is_a_deadlock) {
  const auto found = simulate([] {
    auto [client, server] = pair_of();
    std::array<char, 1> one;
    static_cast<void>(client.read(one));
  });
  EXPECT_EQ(found.what, verdict::deadlocked);
  EXPECT_THAT(found.why, HasSubstr("main"));
}

TEST(network, wait_takes_who_waits_for_the_network_as_waiting) {
  exactly([] {
    auto [client, server] = pair_of();
    bool got = false;
    wait_group reading;
    reading.go([&, &s = server] {
      std::array<char, 1> one;
      got = s.read(one).has_value();
    });
    wait();
    check(!got, "nothing was sent");
    check(client.write("x").has_value(), "write");
    wait();
    check(got, "a link without delay has brought it");
    reading.wait().value();
  });
}

TEST(network, packets_are_lost_overtake_and_stay_whole) {
  bool lost = false;
  bool overtaken = false;
  for (int seed = 1; seed <= 50; ++seed) {
    const auto done = simulate(
        [&] {
          const label here("host", "server");
          auto server = net::listen_packet("udp", ":53").value();
          on("client", [] {
            set_link("client", "server", {.delay = 1ms, .jitter = 10ms, .loss = 0.2});
            auto client = net::dial_packet("udp", "server:53").value();
            for (const char* text : {"1", "22", "333", "4444"})
              check(client.write(std::string_view(text)).has_value(), "write");
          });
          std::array<char, 3> buffer;
          std::size_t before = 0;
          int n = 0;
          for (;; ++n) {
            const auto got = server.read_from(buffer, 1s);
            if (!got) break;
            overtaken |= got->whole_size < before;
            before = got->whole_size;
            check(got->truncated() == (got->whole_size == 4), "cut to fit");
            check(server.write_to("ok", got->from).has_value(), "answer");
          }
          lost |= n < 4;
          check(n <= 4, "none twice");
        },
        {.schedule = "random:" + std::to_string(seed)});
    ASSERT_TRUE(done.ok()) << done.text();
  }
  EXPECT_TRUE(lost);
  EXPECT_TRUE(overtaken);
}

TEST(network, packets_for_nobody_are_refused) {
  exactly([] {
    auto client = net::dial_packet("udp", "server:53").value();
    check(client.write("x").has_value(), "write");
    std::array<char, 1> one;
    const auto refused = client.read(one, 1s);
    check(!refused && refused.error() == std::errc::connection_refused, "refused");
  });
}

TEST(network, copies_go_through_it) {
  exactly([] {
    auto [client, server] = pair_of();
    wait_group echoing;
    echoing.go([&s = server] {
      check(copy(s, s).has_value(), "copy");
      check(s.close_write().has_value(), "close_write");
    });
    check(client.write("there and back").has_value(), "write");
    check(client.close_write().has_value(), "close_write");
    same(read_all(client), "there and back");
    echoing.wait().value();
  });
}

TEST(network, runs_of_one_seed_are_one_run) {
  const auto crowd = [] {
    set_network({.delay = 1ms, .jitter = 5ms, .loss = 0.1});
    auto listener = net::listen("tcp", ":80").value();
    wait_group all;
    for (int i = 0; i < 5; ++i) {
      all.go([i] {
        const label here("host", "client-" + std::to_string(i));
        auto c = net::dial("tcp", "localhost:80", 20ms);
        if (c) static_cast<void>(c->write(std::string(1000, 'x'), 5ms));
      });
    }
    while (auto c = listener.accept(100ms)) all.go([c = std::move(*c)]() mutable { read_all(c); });
    all.wait().value();
  };
  const auto first = simulate(crowd, {.schedule = "random:3"});
  EXPECT_TRUE(first.ok()) << first.text();
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(simulate(crowd, {.schedule = "random:3"}).trace_hash, first.trace_hash);
  EXPECT_NE(simulate(crowd, {.schedule = "random:4"}).trace_hash, first.trace_hash);
}

// A server that answers within its own time, and a client that takes the answer to the question
// before for that of the next.
TEST(network, explore_finds_an_answer_that_comes_too_late) {
  const auto found = explore([] {
    set_network({.delay = 1ms, .jitter = 30ms});
    on("server", [] {
      auto listener = net::listen("tcp", ":80").value();
      auto c = listener.accept();
      std::array<char, 1> one;
      while (c && c->read(one)) static_cast<void>(c->write(one));
    });
    const label here("host", "client");
    static_cast<void>(sleep_for(1ms));
    auto c = net::dial("tcp", "server:80");
    if (!c) return;
    for (const char question : {'a', 'b', 'c'}) {
      check(c->write({&question, 1}).has_value(), "write");
      char answer = 0;
      if (c->read({&answer, 1}, 20ms)) check(answer == question, "another's answer");
    }
  });
  EXPECT_EQ(found.what, verdict::failed) << found.text();
  EXPECT_THAT(found.why, HasSubstr("another's answer"));
}

TEST(network, what_outlives_its_simulation_is_closed) {
  conn kept;
  exactly([&] {
    auto [client, server] = pair_of();
    kept = std::move(client);
  });
  EXPECT_FALSE(kept.write("x").has_value());
  EXPECT_TRUE(kept.close().has_value());
}

// What is left behind keeps its network, but nothing of the kernel's.
TEST(network, connections_that_are_left_behind_take_no_descriptors) {
  const auto open_now = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  std::ptrdiff_t before = 0;
  for (int i = 0; i < 20; ++i) {
    const auto done = simulate([] {
      auto [client, server] = pair_of();
      go([c = std::move(client)]() mutable { read_all(c); });
      go([s = std::move(server)]() mutable { read_all(s); });
    });
    EXPECT_EQ(done.what, verdict::leaked);
    if (i == 0) before = open_now();
  }
  EXPECT_EQ(open_now(), before);
}

TEST(network, is_of_simulations_alone) {
  EXPECT_THROW(set_network({}), misuse_error);
  EXPECT_THROW(cut("a", "b"), misuse_error);
  EXPECT_THROW(heal("a", "b"), misuse_error);
  EXPECT_THROW(reset("a", "b"), misuse_error);
  EXPECT_THROW(set_link("a", "b", {}), misuse_error);
}

}  // namespace
}  // namespace weft::test
