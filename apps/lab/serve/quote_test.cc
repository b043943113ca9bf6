#include "serve/quote.h"

#include <gtest/gtest.h>

#include <string_view>

namespace {

TEST(lab_quote, text_is_quoted_as_go_quotes_it) {
  using namespace std::string_view_literals;
  EXPECT_EQ(lab::quote("message\nmessage\n"sv), "\"message\\nmessage\\n\"\n");
  EXPECT_EQ(lab::quote("a\"\\\t"sv), "\"a\\\"\\\\\\t\"\n");
  EXPECT_EQ(lab::quote("\0\x7f\xff"sv), "\"\\x00\\x7f\\xff\"\n");
  EXPECT_EQ(lab::quote({}), "\"\"\n");
}

}  // namespace
