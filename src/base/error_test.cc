#include <weft/error.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

using weft::errc;
using weft::error;

namespace {

TEST(error, message_names_operation_address_and_text) {
  const auto refused = error::from_errno(ECONNREFUSED, "dial tcp", "127.0.0.1:7");
  EXPECT_EQ(refused.message(), "dial tcp 127.0.0.1:7: connection refused");
}

TEST(error, message_leaves_out_what_is_unknown) {
  EXPECT_EQ(error(errc::timeout).message(), "deadline exceeded");
  EXPECT_EQ(error(errc::timeout, "read").message(), "read: deadline exceeded");
  EXPECT_EQ(error(errc::eof, nullptr, "[::1]:80").message(), "[::1]:80: end of stream");
}

TEST(error, closed_with_an_address_speaks_of_a_connection) {
  EXPECT_EQ(error(errc::closed, "receive").message(), "receive: closed");
  EXPECT_EQ(error(errc::closed, "read tcp", "127.0.0.1:7").message(),
            "read tcp 127.0.0.1:7: use of closed network connection");
}

TEST(error, every_code_has_a_text_of_its_own) {
  for (int i = 1; i <= static_cast<int>(errc::wrong_runtime); ++i) {
    const auto text = std::error_code(i, weft::weft_category()).message();
    EXPECT_NE(text.substr(0, 6), "error ") << i;
    for (int j = 1; j < i; ++j) {
      EXPECT_NE(text, std::error_code(j, weft::weft_category()).message());
    }
  }
  EXPECT_EQ(std::error_code(9999, weft::weft_category()).message(), "error 9999");
}

TEST(error, predicates_follow_the_code) {
  EXPECT_TRUE(error(errc::eof).eof());
  EXPECT_TRUE(error(errc::closed).closed());
  EXPECT_TRUE(error(errc::cancelled).cancelled());
  EXPECT_TRUE(error(errc::timeout).timeout());
  EXPECT_TRUE(error::from_errno(ETIMEDOUT).timeout());
  EXPECT_FALSE(error(errc::cancelled).timeout());
  EXPECT_FALSE(error::from_errno(ECONNRESET).eof());
}

TEST(error, compares_with_codes_and_conditions) {
  const error late(errc::timeout, "read", "x");
  EXPECT_TRUE(late == errc::timeout);
  EXPECT_TRUE(late != errc::eof);
  EXPECT_TRUE(errc::timeout == late);
  EXPECT_TRUE(late == std::errc::timed_out);
  EXPECT_TRUE(late == make_error_code(errc::timeout));
  EXPECT_TRUE(error(errc::cancelled) == std::errc::operation_canceled);
  EXPECT_TRUE(error::from_errno(ECONNREFUSED) == std::errc::connection_refused);
  EXPECT_TRUE(late == error(errc::timeout));
  EXPECT_TRUE(late != error(errc::closed));
}

TEST(error, converts_to_error_code) {
  const std::error_code code = error(errc::closed, "read");
  EXPECT_EQ(code, errc::closed);
  EXPECT_STREQ(code.category().name(), "weft");
}

TEST(error, long_address_loses_its_end) {
  const std::string path(200, 'p');
  const error e(errc::closed, "listen unix", path);
  EXPECT_EQ(std::string(e.address()), path.substr(0, error::address_max));
}

TEST(error, unset_parts_read_as_empty) {
  const error e(errc::eof);
  EXPECT_STREQ(e.op(), "");
  EXPECT_STREQ(e.address(), "");
}

TEST(error, result_takes_a_bare_code) {
  const auto fails = []() -> weft::result<int> { return std::unexpected(errc::eof); };
  ASSERT_FALSE(fails().has_value());
  EXPECT_TRUE(fails().error().eof());
}

TEST(error, misuse_is_a_logic_error_with_the_text) {
  try {
    throw weft::misuse_error("send on closed channel");
  } catch (const std::logic_error& e) {
    EXPECT_STREQ(e.what(), "send on closed channel");
  }
}

}  // namespace
