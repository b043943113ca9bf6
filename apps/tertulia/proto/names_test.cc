#include "proto/names.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/casemap.h"
#include "proto/utf8.h"

namespace tertulia::proto {
namespace {

TEST(utf8, knows_well_formed_text) {
  for (const char* good : {"", "abc", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                           "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xE2\x82", "\xED\xA0\x80",
        "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xFE"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(utf8, is_never_cut_inside_a_code_point) {
  const std::string euro = "a\xE2\x82\xAC";
  EXPECT_EQ(cut_utf8(euro, 4), euro);
  EXPECT_EQ(cut_utf8(euro, 3), "a");
  EXPECT_EQ(cut_utf8(euro, 2), "a");
  EXPECT_EQ(cut_utf8(euro, 0), "");
}

TEST(casemap, folds_ascii_letters_only) {
  EXPECT_EQ(fold("#AbC[]\\~\xC3\x89"), "#abc[]\\~\xC3\x89");
  EXPECT_TRUE(same_name("Ana", "aNA"));
  EXPECT_FALSE(same_name("a[", "a{"));
}

TEST(casemap, masks_match) {
  struct {
    const char *mask, *text;
    bool fits;
  } cases[] = {
      {"*", "", true},
      {"*", "abc", true},
      {"a*c", "abbc", true},
      {"a*c", "abb", false},
      {"?", "", false},
      {"?", "x", true},
      {"A?C", "abc", true},
      {"*a*b*", "xxaxxb", true},
      {"*a*b*", "xxbxxa", false},
      {"*!*@h", "n!u@H", true},
      {"", "", true},
      {"", "a", false},
  };
  for (const auto& c : cases) EXPECT_EQ(matches_mask(c.mask, c.text), c.fits) << c.mask;
  EXPECT_FALSE(matches_mask(std::string(60, '*') + "b", std::string(500, 'a')));
}

TEST(names, nicks) {
  for (const char* good : {"ana", "a", "[x]", "_a-1", "\\`^{|}", "jos\xC3\xA9", "\xE6\x97\xA5"})
    EXPECT_TRUE(is_nick(good)) << good;
  for (const char* bad : {"", "1a", "-a", "a b", "a!b", "a@b", "a.b", "#a", "a,b", ":a", "a*", "$a",
                          "a\x07", "a\xC2\xA0", "a\xE2\x80\x8B",
                          "\xEF\xBB\xBF"
                          "a",
                          "a\xC2\x85"})
    EXPECT_FALSE(is_nick(bad)) << bad;
  EXPECT_TRUE(is_nick(std::string(nick_size_max, 'a')));
  EXPECT_FALSE(is_nick(std::string(nick_size_max + 1, 'a')));
}

TEST(names, channels) {
  for (const char* good : {"#a", "##", "#caf\xC3\xA9", "#a.b-c!"}) EXPECT_TRUE(is_channel(good));
  for (const char* bad :
       {"", "#", "a", "&a", "#a b", "#a,b", "#a:b", "#a\x07", "#a\x01", "#a\xC2\xA0"})
    EXPECT_FALSE(is_channel(bad)) << bad;
  EXPECT_TRUE(is_channel("#" + std::string(channel_size_max - 1, 'a')));
  EXPECT_FALSE(is_channel("#" + std::string(channel_size_max, 'a')));
}

TEST(names, keys) {
  EXPECT_TRUE(is_key("secret!:"));
  for (const char* bad : {"", ":a", "a b", "a,b", "\xC3\xA9", "a\x01"}) EXPECT_FALSE(is_key(bad));
  EXPECT_FALSE(is_key(std::string(key_size_max + 1, 'k')));
}

TEST(names, users_are_made_presentable) {
  EXPECT_EQ(user_from("ana"), "ana");
  EXPECT_EQ(user_from("a!n@a *?"), "ana");
  EXPECT_EQ(user_from("@"), "user");
  EXPECT_EQ(user_from(std::string(40, 'u')).size(), user_size_max);
}

TEST(names, masks_are_completed) {
  EXPECT_EQ(normalized_mask("ana"), "ana!*@*");
  EXPECT_EQ(normalized_mask("u@h"), "*!u@h");
  EXPECT_EQ(normalized_mask("n!u"), "n!u@*");
  EXPECT_EQ(normalized_mask("n!u@h"), "n!u@h");
  EXPECT_EQ(normalized_mask("!@"), "*!*@*");
  EXPECT_EQ(normalized_mask("*@h"), "*!*@h");
  EXPECT_EQ(normalized_mask("@h"), "*!*@h");
}

}  // namespace
}  // namespace tertulia::proto
