#include <gtest/gtest.h>

#include <string>

#include "chat/config.h"
#include "chat/key.h"
#include "chat/lines.h"
#include "chat/verdict.h"

namespace {

using namespace lab::chat;

std::string text_of(std::span<const char> bytes) { return {bytes.begin(), bytes.end()}; }

TEST(lab_chat_config, the_first_of_two_lines_counts_and_comments_do_not) {
  const auto c = parse_config("# server\n\nPORT 7722\r\n  HOST\t::1 \nPORT 1\n", {"PORT", "HOST"});
  ASSERT_TRUE(c) << c.error();
  EXPECT_EQ(c->at("PORT"), "7722");
  EXPECT_EQ(c->at("HOST"), "::1");
  EXPECT_EQ(number_of(*c, "PORT", 1, 65535).value(), 7722U);
  EXPECT_EQ(number_of(*c, "MEMBERS", 5, 9).value(), 5U);
  EXPECT_FALSE(number_of(*c, "HOST", 5, 9));
  EXPECT_FALSE(number_of(*c, "PORT", 5, 100));
}

TEST(lab_chat_config, a_mistake_is_told_with_its_line) {
  EXPECT_EQ(parse_config("PORT 1\nPROT 2\n", {"PORT"}).error(),
            "line 2: there is no setting 'PROT'");
  EXPECT_EQ(parse_config("PORT\n", {"PORT"}).error(), "line 1: PORT has no value");
  EXPECT_FALSE(parse_config("PORT " + std::string(config_line_max, '1'), {"PORT"}));
  EXPECT_TRUE(parse_config("", {}));
}

TEST(lab_chat_key, keys_are_equal_or_not_and_new_ones_differ) {
  const std::string key = new_key();
  ASSERT_EQ(key.size(), key_size);
  EXPECT_NE(key, new_key());
  EXPECT_TRUE(same_key(key, key));
  for (const std::size_t at : {std::size_t{0}, key_size - 1}) {
    std::string other = key;
    other[at] = '#';
    EXPECT_FALSE(same_key(other, key));
  }
  EXPECT_FALSE(same_key(key.substr(1), key));
  EXPECT_FALSE(same_key({}, key));
}

TEST(lab_chat_lines, reads_that_end_anywhere_become_whole_lines) {
  const std::string said = "one\n\nthree is longer\nfour\n";
  for (std::size_t size = 1; size <= said.size(); ++size) {
    line_gatherer lines;
    std::string got;
    for (std::size_t at = 0; at < said.size(); at += size) {
      const auto now = text_of(lines.add(std::string_view(said).substr(at, size)));
      EXPECT_TRUE(now.empty() || now.back() == '\n');
      got += now;
    }
    EXPECT_EQ(got, said);
    EXPECT_EQ(text_of(lines.rest()), "");
  }
}

TEST(lab_chat_lines, a_long_line_is_broken_and_the_last_one_is_ended) {
  line_gatherer lines;
  const auto first = text_of(lines.add(std::string(line_max + 10, 'x')));
  ASSERT_EQ(first.size(), line_max + 1);
  EXPECT_EQ(first.find_first_not_of('x'), line_max);
  EXPECT_EQ(first.back(), '\n');
  EXPECT_EQ(text_of(lines.rest()), "xxxxxxxxxx\n");
  EXPECT_EQ(text_of(lines.rest()), "");
}

TEST(lab_chat_lines, seven_lines_of_the_past_are_replayed_if_they_fit) {
  const std::string nine = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
  EXPECT_EQ(nine.substr(replay_start(nine, true)), "3\n4\n5\n6\n7\n8\n9\n");
  EXPECT_EQ(replay_start(std::string("a\nb\n"), true), 0U);
  EXPECT_EQ(replay_start(std::string("alf of one\nb\n"), false), 11U);  // half a line is left out
  EXPECT_EQ(replay_start(std::string("no end"), false), 6U);
  EXPECT_EQ(replay_start({}, true), 0U);
}

TEST(lab_chat_lines, a_terminal_is_given_no_commands_and_keeps_its_letters) {
  EXPECT_EQ(harmless(std::string("a\x1b[2Jb\tc\n\x7f")), "a?[2Jb\tc\n?");
  EXPECT_EQ(harmless(std::string("\xc3\xa4\xe2\x82\xac\n")), "\xc3\xa4\xe2\x82\xac\n");
  EXPECT_EQ(harmless(std::string("\xc2\x9b")), "\xc2?");
  EXPECT_EQ(harmless(std::string("\x9b")), "?");
}

using list = std::vector<delivery>;

TEST(lab_chat_verdict, what_all_have_in_one_order_is_right) {
  const list both = {{0, 0}, {1, 0}, {0, 1}};
  const auto v = judge_deliveries({2, 1}, {both, both});
  EXPECT_TRUE(v.right());
  EXPECT_EQ(v.deliveries, 6U);
}

TEST(lab_chat_verdict, lost_doubled_and_reordered_lines_are_counted) {
  const list whole = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
  const auto lost = judge_deliveries({2, 2}, {whole, {{0, 0}, {1, 0}, {1, 1}}});
  EXPECT_EQ(lost.lost, 1U);
  EXPECT_EQ(lost.doubled + lost.reordered + lost.disagreed, 0U);
  const auto doubled = judge_deliveries({2, 2}, {whole, {{0, 0}, {1, 0}, {0, 1}, {0, 1}, {1, 1}}});
  EXPECT_EQ(doubled.doubled, 1U);
  EXPECT_EQ(doubled.lost, 0U);
  const auto reordered = judge_deliveries({2, 2}, {whole, {{0, 1}, {1, 0}, {0, 0}, {1, 1}}});
  EXPECT_EQ(reordered.reordered, 1U);
  const auto disagreed = judge_deliveries({2, 2}, {whole, {{1, 0}, {0, 0}, {0, 1}, {1, 1}}});
  EXPECT_EQ(disagreed.reordered, 0U);
  EXPECT_EQ(disagreed.disagreed, 1U);
  EXPECT_FALSE(disagreed.right());
}

TEST(lab_chat_verdict, a_gap_is_seen_before_the_end) {
  gap_watch watch(2);
  EXPECT_TRUE(watch.next({0, 0}));
  EXPECT_TRUE(watch.next({1, 0}));
  EXPECT_TRUE(watch.next({0, 1}));
  EXPECT_FALSE(watch.next({0, 3}));
  EXPECT_TRUE(watch.next({0, 4}));
  EXPECT_FALSE(watch.next({0, 4}));
}

TEST(lab_chat_verdict, a_line_says_whose_it_is) {
  EXPECT_EQ(parse_delivery("id 77 3 12", 77, 4), (delivery{3, 12}));
  for (const char* other : {"id 78 3 12", "id 77 4 12", "id 77 3", "id 77 3 12 x", "hello", ""})
    EXPECT_FALSE(parse_delivery(other, 77, 4)) << other;
}

}  // namespace
