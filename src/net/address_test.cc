#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <weft/net/address.h>

#include <string>

#include "net/host_port.h"

namespace weft::net {
namespace {

TEST(address, parse_and_text_agree) {
  for (const std::string text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80",
                                 "[::]:0", "[2001:db8::1:2]:443"}) {
    const auto a = address::parse(text);
    ASSERT_TRUE(a.has_value()) << text;
    EXPECT_EQ(a->to_string(), text);
  }
}

TEST(address, parts_can_be_asked_for) {
  const auto ip4 = address::parse("192.0.2.7:8080").value();
  EXPECT_EQ(ip4.kind(), address::family::ip4);
  EXPECT_EQ(ip4.host(), "192.0.2.7");
  EXPECT_EQ(ip4.port(), 8080);
  const auto ip6 = address::parse("[2001:db8::7]:443").value();
  EXPECT_EQ(ip6.kind(), address::family::ip6);
  EXPECT_EQ(ip6.host(), "2001:db8::7");
  EXPECT_EQ(ip6.port(), 443);
}

TEST(address, what_is_no_literal_is_a_bad_address) {
  for (const std::string text :
       {"", ":", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.256:1", "::1:80", "[::1]", "[::1:80", "::1]:80", "[]:80", "[[::1]]:80",
        "localhost:80", "[fe80::1%no-such-interface]:1"}) {
    const auto a = address::parse(text);
    ASSERT_FALSE(a.has_value()) << text;
    EXPECT_EQ(a.error(), errc::bad_address) << text;
    EXPECT_EQ(a.error().address(), text);
  }
}

TEST(address, zone_is_an_interface) {
  const auto a = address::parse("[fe80::1%lo]:9").value();
  EXPECT_EQ(a.host(), "fe80::1%1");
  EXPECT_EQ(address::parse("[fe80::1%1]:9").value(), a);
}

TEST(address, ip4_over_ip6_reads_as_ip4) {
  const auto a = address::parse("[::ffff:127.0.0.1]:80").value();
  EXPECT_EQ(a.kind(), address::family::ip6);
  EXPECT_EQ(a.to_string(), "127.0.0.1:80");
  EXPECT_TRUE(a.is_loopback());
  EXPECT_FALSE(address::parse("[::ffff:192.0.2.1]:80")->is_loopback());
}

TEST(address, loopback_is_this_machine) {
  EXPECT_TRUE(address::parse("127.3.2.1:1")->is_loopback());
  EXPECT_TRUE(address::parse("[::1]:1")->is_loopback());
  EXPECT_TRUE(address::unix_socket("/x")->is_loopback());
  EXPECT_FALSE(address::parse("128.0.0.1:1")->is_loopback());
  EXPECT_FALSE(address::parse("[::2]:1")->is_loopback());
  EXPECT_FALSE(address().is_loopback());
}

TEST(address, unix_paths_and_abstract_names) {
  EXPECT_EQ(address::unix_socket("/run/x.sock")->to_string(), "/run/x.sock");
  const auto abstract = address::unix_socket("@name").value();
  EXPECT_EQ(abstract.to_string(), "@name");
  EXPECT_EQ(abstract.native_size(), offsetof(sockaddr_un, sun_path) + 5);
  const std::string longest(sizeof(sockaddr_un::sun_path) - 1, 'p');
  EXPECT_EQ(address::unix_socket(longest)->to_string(), longest);
  EXPECT_EQ(address::unix_socket(longest + "p").error(), errc::bad_address);
  EXPECT_EQ(address::unix_socket("").error(), errc::bad_address);
}

TEST(address, nameless_and_foreign_ones_are_empty) {
  sockaddr_un nameless{};
  nameless.sun_family = AF_UNIX;
  const auto a =
      address::from_native(reinterpret_cast<sockaddr*>(&nameless), sizeof nameless.sun_family);
  EXPECT_EQ(a.kind(), address::family::unix_path);
  EXPECT_EQ(a.to_string(), "");
  sockaddr foreign{};
  foreign.sa_family = AF_PACKET;
  EXPECT_EQ(address::from_native(&foreign, sizeof foreign).kind(), address::family::none);
  EXPECT_EQ(address().to_string(), "");
  EXPECT_EQ(address().port(), 0);
}

TEST(address, format_cuts_what_does_not_fit) {
  std::array<char, 8> small{};
  EXPECT_EQ(address::parse("192.0.2.7:8080")->format(small), "192.0.2.");
  EXPECT_EQ(address::parse("[2001:db8::7]:443")->format(small), "[2001:db");
}

TEST(address, equality_is_of_host_and_port) {
  EXPECT_EQ(*address::parse("127.0.0.1:1"), *address::parse("127.0.0.1:1"));
  EXPECT_FALSE(*address::parse("127.0.0.1:1") == *address::parse("127.0.0.1:2"));
  EXPECT_FALSE(*address::parse("127.0.0.1:1") == *address::parse("[::1]:1"));
}

TEST(host_port, splits_and_keeps_empty_hosts) {
  const auto parts = split_host_port(":80").value();
  EXPECT_EQ(parts.host, "");
  EXPECT_EQ(parts.port, "80");
  EXPECT_EQ(split_host_port("[::1]:http")->host, "::1");
  EXPECT_EQ(split_host_port("example.org:http")->port, "http");
}

}  // namespace
}  // namespace weft::net
