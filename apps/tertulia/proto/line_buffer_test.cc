#include "proto/line_buffer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tertulia::proto {
namespace {

using kind = line_event::kind;

// run: what comes out when `stream` is fed in pieces of `piece` bytes: the lines, "<tags>",
// "<body>".
std::vector<std::string> run(std::string_view stream, std::size_t piece, line_buffer& buffer) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    const std::string bytes(stream.substr(at, piece));
    buffer.feed(bytes);
    while (auto event = buffer.next()) {
      if (event->what == kind::line) out.emplace_back(event->text);
      if (event->what == kind::tags_too_long) out.emplace_back("<tags>");
      if (event->what == kind::body_too_long) out.emplace_back("<body>");
    }
    EXPECT_LE(buffer.carried(), line_buffer::carry_max);
  }
  return out;
}

std::vector<std::string> run(std::string_view stream, std::size_t piece = 4096) {
  line_buffer buffer;
  return run(stream, piece, buffer);
}

using lines = std::vector<std::string>;

TEST(line_buffer, ends_lines_with_lf_with_or_without_cr) {
  for (const std::size_t piece : {1U, 2U, 3U, 100U})
    EXPECT_EQ(run("a\r\nb\nc c\r\n\r\n\nd\re\r\nrest", piece), (lines{"a", "b", "c c", "d\re"}));
}

TEST(line_buffer, keeps_nothing_between_lines) {
  line_buffer buffer;
  EXPECT_EQ(run("PING x\r\n", 3, buffer), lines{"PING x"});
  EXPECT_EQ(buffer.carried(), 0U);
  EXPECT_FALSE(buffer.inside_line());
}

TEST(line_buffer, allows_exactly_the_limits) {
  const std::string tags = "@" + std::string(client_tags_size_max, 't') + " ";
  const std::string body(body_size_max, 'b');
  for (const std::size_t piece : {1U, 7U, 511U, 9000U}) {
    EXPECT_EQ(run(body + "\r\n", piece), lines{body});
    EXPECT_EQ(run(tags + body + "\r\n", piece), lines{tags + body});
    EXPECT_EQ(run(body + "b\r\nok\r\n", piece), (lines{"<body>", "ok"}));
    EXPECT_EQ(run(body + "b\nok\n", piece), (lines{"<body>", "ok"}));
    EXPECT_EQ(run(tags + body + "b\r\nok\r\n", piece), (lines{"<body>", "ok"}));
    EXPECT_EQ(run("@t" + tags.substr(1) + body + "\r\nok\n", piece), (lines{"<tags>", "ok"}));
  }
}

TEST(line_buffer, reports_a_line_without_end_once_and_in_bounded_memory) {
  line_buffer buffer;
  const std::string flood(1 << 20, 'x');
  EXPECT_EQ(run(flood, 4096, buffer), lines{"<body>"});
  EXPECT_EQ(buffer.carried(), 0U);
  EXPECT_TRUE(buffer.inside_line());
  EXPECT_EQ(run("still the same line\r\nPING x\r\n", 5, buffer), lines{"PING x"});
}

TEST(line_buffer, reports_eight_kilobytes_of_tags) {
  for (const std::size_t piece : {1U, 4096U, 10000U})
    EXPECT_EQ(run("@a=" + std::string(8192, 'x') + " PING x\r\nok\n", piece),
              (lines{"<tags>", "ok"}));
}

}  // namespace
}  // namespace tertulia::proto
