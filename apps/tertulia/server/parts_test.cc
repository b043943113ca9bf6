// The parts of the server that stand alone: flood control, log lines, the password, lines said,
// targets, counting connections, and a channel without a server around it.

#include <gtest/gtest.h>
#include <sodium.h>

#include <memory>
#include <string>
#include <utility>

#include <weft/net/conn.h>
#include <weft/runtime.h>

#include "proto/limits.h"
#include "server/address_book.h"
#include "server/client.h"
#include "server/hub.h"
#include "server/log.h"
#include "server/msgid_source.h"
#include "server/password.h"
#include "server/room.h"
#include "server/spoken.h"
#include "server/targets.h"
#include "server/token_bucket.h"
#include "tests/temp_folder.h"

namespace tertulia {
namespace {

using namespace std::chrono_literals;

TEST(token_bucket, lets_a_burst_through_and_then_one_line_at_a_time) {
  token_bucket bucket(3, 10);
  auto now = token_bucket::clock::time_point(1h);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.take(now), 0ns);
  EXPECT_EQ(bucket.take(now), 100ms);
  EXPECT_EQ(bucket.take(now), 200ms);
  now += 200ms;
  EXPECT_EQ(bucket.take(now), 100ms);
}

TEST(token_bucket, is_full_again_after_a_pause_and_never_fuller) {
  token_bucket bucket(2, 10);
  const auto now = token_bucket::clock::time_point(1h);
  for (int i = 0; i < 5; ++i) static_cast<void>(bucket.take(now));
  const auto later = now + 10min;
  EXPECT_EQ(bucket.take(later), 0ns);
  EXPECT_EQ(bucket.take(later), 0ns);
  EXPECT_EQ(bucket.take(later), 100ms);
}

TEST(log, lines_are_unambiguous) {
  EXPECT_EQ(format_logfmt("info", "e", {{"n", 7}, {"w", "word"}, {"s", "a \"b\"\n"}, {"z", ""}}),
            " level=info event=e n=7 w=word s=\"a \\\"b\\\"\\u000a\" z=\"\"");
  EXPECT_EQ(format_json("info", "e", {{"n", 7}, {"s", "a\\\x01"}}),
            ",\"level\":\"info\",\"event\":\"e\",\"n\":\"7\",\"s\":\"a\\\\\\u0001\"");
}

TEST(password, matches_itself_alone) {
  ASSERT_GE(sodium_init(), 0);
  const password secret("s3cret");
  EXPECT_TRUE(secret.is_needed());
  EXPECT_TRUE(secret.matches("s3cret"));
  for (const char* wrong : {"", "s3cre", "s3crets", "S3cret"}) EXPECT_FALSE(secret.matches(wrong));
  const password none("");
  EXPECT_FALSE(none.is_needed());
  EXPECT_TRUE(none.matches("anything"));
}

TEST(spoken, takes_the_form_a_client_negotiated) {
  const spoken line{"n!u@h", "PRIVMSG", "#c", "hi", "+a=b", "id", 0};
  proto::cap_set caps;
  std::string out;
  append_spoken(out, line, caps);
  EXPECT_EQ(out, ":n!u@h PRIVMSG #c :hi\r\n");
  EXPECT_EQ(body_size(line), out.size() - 2);
  caps.add(proto::cap::message_tags);
  caps.add(proto::cap::server_time);
  out.clear();
  append_spoken(out, line, caps, "ref");
  EXPECT_EQ(out,
            "@batch=ref;time=1970-01-01T00:00:00.000Z;msgid=id;+a=b :n!u@h PRIVMSG #c :hi\r\n");
}

TEST(spoken, requests_between_programs_are_not_kept) {
  EXPECT_TRUE(is_kept("hello"));
  EXPECT_TRUE(
      is_kept("\x01"
              "ACTION waves\x01"));
  EXPECT_FALSE(
      is_kept("\x01"
              "VERSION\x01"));
}

TEST(msgid_source, never_repeats_and_is_no_kept_line) {
  ASSERT_GE(sodium_init(), 0);
  const std::string a = fresh_msgid();
  EXPECT_EQ(a.size(), 24U);
  EXPECT_NE(a, fresh_msgid());
}

TEST(targets, are_split_at_commas) {
  using parts = std::vector<std::string_view>;
  EXPECT_EQ(split_targets("a,b"), (parts{"a", "b"}));
  EXPECT_EQ(split_targets(",a,,b,"), (parts{"a", "b"}));
  EXPECT_EQ(split_targets(""), parts{});
}

TEST(address_book, counts_in_all_and_by_address) {
  address_book book(3, 1);
  EXPECT_EQ(book.enter("a", false), "");
  EXPECT_EQ(book.enter("a", false), "Too many connections from your address");
  EXPECT_EQ(book.enter("a", true), "");
  EXPECT_EQ(book.enter("b", false), "");
  EXPECT_EQ(book.enter("c", true), "Server is full");
  EXPECT_EQ(book.count(), 3U);
  book.leave("a");
  book.leave("a");
  EXPECT_EQ(book.enter("a", false), "");
}

std::shared_ptr<client> somebody(hub& h, const std::string& nick) {
  auto c = std::make_shared<client>(h.people.new_id(), std::make_shared<weft::net::conn>(), "host",
                                    outbox::options{1 << 20, 1s});
  c->change([&](profile& p) { p.nick = p.user = nick; });
  return c;
}

// with_hub: a server's inside without listeners, in a folder of its own.
template <class F>
void with_hub(F&& f) {
  ASSERT_GE(sodium_init(), 0);
  const temp_folder folder;
  weft::run([&] {
    auto store = history::open(folder.path(), 0);
    ASSERT_TRUE(store);
    const config defaults;
    hub h(defaults, std::move(*store), weft::context());
    f(h);
    h.store->stop();
  });
}

TEST(room, opens_its_doors_when_empty_though_somebody_holds_it) {
  with_hub([](hub& h) {
    const auto ana = somebody(h, "ana"), eve = somebody(h, "eve");
    const auto held = h.people.open_room(h, "#c");
    held->ask(ana, [&](room_state& s) {
      EXPECT_EQ(s.refusal_to_join(*ana, ""), nullptr);
      s.admit(ana, held);
      auto closed = s.record();
      closed.modes += 'i';
      EXPECT_TRUE(s.set(closed));
      EXPECT_EQ(s.refusal_to_join(*eve, ""), &proto::err_inviteonlychan);
      s.remove(*ana);
    });
    held->ask(eve, [&](room_state& s) {
      EXPECT_EQ(s.refusal_to_join(*eve, ""), nullptr);
      EXPECT_FALSE(s.has_flag('i'));
      EXPECT_EQ(s.record().first_seq, 1);
    });
  });
}

TEST(room, lives_until_its_lines_are_out) {
  with_hub([](hub& h) {
    const auto ana = somebody(h, "ana");
    h.people.open_room(h, "#c")->ask(ana, [](room_state& s) {
      auto open = s.record();
      open.modes = "t";
      EXPECT_TRUE(s.set(open));
    });
    for (std::int64_t i = 1; i <= 100; ++i) {
      ana->in_flight.add(1);
      h.people.open_room(h, "#c")->say(ana, {"a!a@h", "PRIVMSG", "#c", "x", "", "", 0});
      h.people.open_room(h, "#c")->ask(ana, [&](room_state& s) { EXPECT_EQ(s.last_seq(), i); });
      ana->in_flight.wait();
    }
    EXPECT_EQ(h.people.count().rooms, 0U);
  });
}

TEST(room, tells_again_whoever_came_in_while_it_was_told_elsewhere) {
  with_hub([](hub& h) {
    const auto ana = somebody(h, "ana"), bob = somebody(h, "bob");
    const auto r = h.people.open_room(h, "#c");
    r->ask(ana, [&](room_state& s) {
      s.admit(ana, r);
      const auto begun = h.people.new_id();
      s.admit(bob, r);
      // Both were told in another channel. `told` counts what is written for somebody.
      room_state::client_set seen{ana.get(), bob.get()};
      int told = 0;
      const auto fill = [&](proto::line_writer& line) {
        ++told;
        line.command("QUIT");
      };
      s.broadcast_once(seen, begun, "x!x@h", fill);
      EXPECT_EQ(told, 1);
      s.broadcast_once(seen, h.people.new_id(), "x!x@h", fill);
      EXPECT_EQ(told, 1);
      s.remove(*ana);
      s.remove(*bob);
    });
  });
}

}  // namespace
}  // namespace tertulia
