#pragma once

// test_network: the network of a simulation (test.h). TCP and UDP of simulate() and explore() are
// never the machine's own: listen, dial, conn and packet_conn are the same, and what they speak to
// is made of virtual time and the simulation's seed.
//
//   const auto found = weft::test::explore([] {
//     weft::test::set_network({.delay = 5ms});
//     weft::go([] {
//       const weft::label here("host", "server");
//       serve(weft::net::listen("tcp", ":80").value());
//     });
//     auto conn = weft::net::dial("tcp", "server:80", 1s);
//     weft::test::cut("server", "localhost");            // and what does the client do now?
//     ...
//   });
//
// Hosts. A goroutine is on the host that its label "host" names, and so are those it starts;
// without one it is on "localhost". Every name is a host's (but those that end in ".invalid", which
// do not exist), with one IPv4 address; 127.0.0.1 and ::1 are the caller's own host. Ports are each
// host's own, and there are no names of services.
//
// What is as on a machine: connections refused and reset, half-closed, with bytes under way when
// one end closes; writers that wait for slow readers, whose buffers are full; ports in use; packets
// that are lost or overtake each other. What is not: window sizes, segments, MTU, IPv6 between
// hosts. Who waits for the network waits: with no timer and nothing under way it is a deadlock, and
// wait() returns.
//
// All of these are called in a simulation, and throw misuse_error elsewhere. None waits.

#include <chrono>
#include <cstddef>
#include <string_view>

namespace weft::test {

// link: what is between two hosts, in one direction.
struct link {
  // delay: until bytes arrive; jitter: up to so much more, by chance. Bytes of a connection stay in
  // order.
  std::chrono::nanoseconds delay{};
  std::chrono::nanoseconds jitter{};
  // bytes_per_second: shared by all that goes that way; 0: no limit.
  std::size_t bytes_per_second = 0;
  // buffer: bytes of one connection that may be written and not read yet, at least 1: then writers
  // wait.
  std::size_t buffer = 64 * 1024;
  // loss: the part of all packets that are lost, 0 to 1. TCP sends again, 200 ms later each time,
  // and gets through the 16th time at the latest.
  double loss = 0;
};

// set_network: all links that set_link() says nothing of; a host's to itself stays without delay.
void set_network(const link& l);
// set_link: between two hosts, in both directions; set_link_one_way: of what `from` sends to `to`.
void set_link(std::string_view a, std::string_view b, const link& l);
void set_link_one_way(std::string_view from, std::string_view to, const link& l);

// cut: nothing arrives any more, in either direction, and nobody is told. What TCP sends, or has
// under way, arrives after heal(); packets are lost. cut_one_way: what `from` sends to `to` alone.
void cut(std::string_view a, std::string_view b);
void cut_one_way(std::string_view from, std::string_view to);
void heal(std::string_view a, std::string_view b);

// reset: all connections between the two break, also those that are being made: ECONNRESET at both
// ends.
void reset(std::string_view a, std::string_view b);

}  // namespace weft::test
