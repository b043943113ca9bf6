#include <weft/buffered.h>
#include <weft/frame.h>
#include <weft/io.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

// source: bytes that come in pieces of random sizes, with a limit that passes now and then.
class source {
 public:
  source(std::string_view bytes, unsigned seed, std::size_t piece_max, int limits_percent = 0)
      : rest_(bytes), random_(seed), piece_max_(piece_max), limits_percent_(limits_percent) {}
  explicit source(std::string_view bytes) : source(bytes, 0, bytes.size() + 1) {}

  result<std::size_t> read(std::span<char> buffer, const limit&) {
    EXPECT_FALSE(buffer.empty());
    if (static_cast<int>(random_() % 100) < limits_percent_) return std::unexpected(errc::timeout);
    if (rest_.empty()) return std::unexpected(errc::eof);
    const auto n = std::min({rest_.size(), buffer.size(), random_() % piece_max_ + 1});
    rest_.copy(buffer.data(), n);
    rest_.remove_prefix(n);
    return n;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  std::mt19937 random_;
  std::size_t piece_max_;
  int limits_percent_;
};
static_assert(reader<source>);

// sink: takes what comes, until `room` is used up: then a limit passes, once.
class sink {
 public:
  explicit sink(std::size_t room = SIZE_MAX) : room_(room) {}
  write_result write(std::span<const char> bytes, const limit&) {
    const auto n = std::min(bytes.size(), room_);
    got.append(bytes.data(), n);
    ++calls;
    if (n == bytes.size()) {
      room_ -= n;
      return n;
    }
    room_ = SIZE_MAX;
    return std::unexpected(write_error(errc::timeout, n));
  }
  std::string got;
  int calls = 0;

 private:
  std::size_t room_;
};
static_assert(writer<sink>);

std::string text(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

// word: of an error, for lists of what happened.
std::string word(const error& e) { return "<" + std::string(e.code().message()) + ">"; }

TEST(read_exactly, fills_the_buffer_or_says_how_far_it_came) {
  source from("abcdefgh", 1, 2);
  std::array<char, 5> buffer;
  EXPECT_EQ(read_exactly(from, buffer).value(), 5U);
  EXPECT_EQ(text(buffer), "abcde");
  const auto cut = read_exactly(from, buffer);
  EXPECT_EQ(cut.error(), errc::unexpected_eof);
  EXPECT_EQ(cut.error().got(), 3U);
  EXPECT_EQ(text(std::span(buffer).first(3)), "fgh");
  const auto end = read_exactly(from, buffer);
  EXPECT_EQ(end.error(), errc::eof);
  EXPECT_EQ(end.error().got(), 0U);
}

TEST(read_exactly, limit_in_between_loses_nothing) {
  const std::string sent(1000, 'x');
  source from(sent, 2, 10, 50);
  std::string buffer(1000, '\0');
  std::size_t got = 0;
  while (got < buffer.size()) {
    const auto n = read_exactly(from, std::span(buffer).subspan(got));
    got += n ? *n : n.error().got();
  }
  EXPECT_EQ(buffer, sent);
}

TEST(buffered_reader, peek_leaves_what_it_shows) {
  source from("abcdef", 3, 1);
  buffered_reader in(from, 4);
  EXPECT_EQ(text(in.peek(3).value()), "abc");
  EXPECT_EQ(text(in.buffered()), "abc");
  EXPECT_EQ(in.peek(5).error(), std::errc::message_size);
  in.consume(2);
  EXPECT_EQ(text(in.peek(4).value()), "cdef");
  EXPECT_THROW(in.consume(5), misuse_error);
  in.consume(1);
  EXPECT_EQ(in.peek(4).error(), errc::unexpected_eof);
  EXPECT_EQ(text(in.buffered()), "def");
  std::array<char, 3> buffer;
  EXPECT_EQ(in.read_exactly(buffer).value(), 3U);
  EXPECT_EQ(in.peek(1).error(), errc::eof);
}

TEST(buffered_reader, large_reads_pass_the_buffer_by) {
  const std::string sent(100, 'x');
  source from(sent);
  buffered_reader in(from, 8);
  std::array<char, 50> buffer;
  EXPECT_EQ(in.read(buffer).value(), 50U);
  EXPECT_TRUE(in.buffered().empty());
  EXPECT_EQ(in.read(std::span(buffer).first(3)).value(), 3U);
  EXPECT_EQ(in.buffered().size(), 5U);
  EXPECT_EQ(in.read({}).value(), 0U);
}

TEST(buffered_reader, read_until_takes_the_delimiter_and_keeps_what_has_none) {
  source from("key=value;rest");
  buffered_reader in(from, 8);
  EXPECT_EQ(text(in.read_until('=').value()), "key=");
  EXPECT_EQ(text(in.read_until(';').value()), "value;");
  EXPECT_EQ(in.read_until(';').error(), errc::unexpected_eof);
  EXPECT_EQ(text(in.buffered()), "rest");
  source endless("0123456789");
  buffered_reader small(endless, 8);
  EXPECT_EQ(small.read_until(';').error(), errc::line_too_long);
  EXPECT_EQ(text(small.buffered()), "01234567");
}

// lines_of: what a line_reader makes of `bytes`, limits left out.
std::vector<std::string> lines_of(source from, std::size_t line_max) {
  line_reader in(from, line_max);
  std::vector<std::string> all;
  for (;;) {
    const auto line = in.next();
    if (line) {
      all.emplace_back(*line);
    } else if (line.error().eof()) {
      return all;
    } else if (!line.error().timeout()) {
      all.push_back(word(line.error()));
    }
  }
}

TEST(line_reader, takes_both_endings_and_a_last_line_without_one) {
  using list = std::vector<std::string>;
  EXPECT_EQ(lines_of(source("a\nb\r\n\n\r\nc"), 10), (list{"a", "b", "", "", "c"}));
  EXPECT_EQ(lines_of(source("a\n"), 10), (list{"a"}));
  EXPECT_EQ(lines_of(source(""), 10), (list{}));
  EXPECT_EQ(lines_of(source("a\rb\n"), 10), (list{"a\rb"}));
}

TEST(line_reader, line_that_is_too_long_is_an_error_and_the_next_one_is_whole) {
  using list = std::vector<std::string>;
  EXPECT_EQ(lines_of(source("12345\n123456\n12345\r\n123456\r\n1\n"), 5),
            (list{"12345", "<line too long>", "12345", "<line too long>", "1"}));
  EXPECT_EQ(lines_of(source("1\n1234567890"), 5), (list{"1", "<line too long>"}));
  EXPECT_EQ(lines_of(source("123456"), 5), (list{"<line too long>"}));
}

TEST(line_reader, says_too_long_before_the_line_has_ended) {
  const std::string endless(1000, 'x');
  source from(endless, 4, 1);
  line_reader in(from, 10);
  EXPECT_EQ(in.next().error(), errc::line_too_long);
  EXPECT_EQ(from.rest().size(), endless.size() - 12);
}

TEST(line_reader, bytes_behind_the_last_line_are_there) {
  source from("HEAD\r\n\r\nbody");
  line_reader in(from, 100);
  EXPECT_EQ(in.next().value(), "HEAD");
  EXPECT_EQ(in.next().value(), "");
  std::array<char, 4> body;
  EXPECT_EQ(in.bytes().read_exactly(body).value(), 4U);
  EXPECT_EQ(text(body), "body");
}

// expected_lines: by the definition, all at once.
std::vector<std::string> expected_lines(std::string_view bytes, std::size_t line_max) {
  std::vector<std::string> all;
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    auto line = bytes.substr(0, end);
    bytes = end == std::string_view::npos ? ""sv : bytes.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    all.push_back(line.size() <= line_max ? std::string(line) : "<line too long>");
  }
  return all;
}

TEST(line_reader_fuzz, splits_and_limits_change_nothing) {
  for (unsigned seed = 0; seed < static_cast<unsigned>(sync_test::scaled(3'000)); ++seed) {
    std::mt19937 random(seed);
    std::string bytes(random() % 200, '\0');
    for (char& c : bytes) c = "ab\r\n"[random() % 4 < 2 ? random() % 2 : random() % 4];
    const auto line_max = random() % 12;
    const auto expected = expected_lines(bytes, line_max);
    for (const std::size_t piece_max : {1UL, 3UL, 300UL}) {
      ASSERT_EQ(lines_of(source(bytes, seed, piece_max, 20), line_max), expected)
          << "seed " << seed << " piece_max " << piece_max;
    }
  }
}

// frames_of: what a frame_reader makes of `bytes`, and how it ends, limits left out.
std::vector<std::string> frames_of(source from, std::size_t frame_max) {
  frame_reader in(from, frame_max);
  std::vector<std::string> all;
  for (;;) {
    const auto frame = in.next();
    if (frame) {
      all.push_back(text(*frame));
    } else if (!frame.error().timeout()) {
      all.push_back(word(frame.error()));
      if (frame.error() != std::errc::message_size) return all;
    }
  }
}

std::string framed(std::span<const std::string> frames) {
  sink wire;
  frame_writer out(wire, 1000);
  for (const auto& f : frames) EXPECT_TRUE(out.write(f).has_value());
  return wire.got;
}

TEST(frames, length_stands_before_the_bytes_and_the_ends_differ) {
  using list = std::vector<std::string>;
  const auto wire = framed(list{"hello", ""});
  EXPECT_EQ(wire, "\0\0\0\5hello\0\0\0\0"sv);
  EXPECT_EQ(frames_of(source(wire), 10), (list{"hello", "", "<end of stream>"}));
  EXPECT_EQ(frames_of(source(wire.substr(0, 3)), 10), (list{"<unexpected EOF>"}));
  EXPECT_EQ(frames_of(source(wire.substr(0, 4)), 10), (list{"<unexpected EOF>"}));
  EXPECT_EQ(frames_of(source(wire.substr(0, 8)), 10), (list{"<unexpected EOF>"}));
  EXPECT_EQ(frames_of(source(wire.substr(0, 9)), 10), (list{"hello", "<end of stream>"}));
}

TEST(frames, one_that_is_too_long_is_an_error_and_the_next_one_is_whole) {
  using list = std::vector<std::string>;
  const auto wire = framed(list{"12345", "123456", "1"});
  EXPECT_EQ(frames_of(source(wire), 5),
            (list{"12345", "<Message too long>", "1", "<end of stream>"}));
  sink none;
  frame_writer out(none, 5);
  EXPECT_EQ(out.write("123456"sv).error(), std::errc::message_size);
  EXPECT_EQ(none.calls, 0);
  EXPECT_TRUE(out.write("12345"sv).has_value());
}

TEST(frames, one_cut_short_by_an_error_breaks_the_writer_and_one_not_begun_does_not) {
  sink nothing(0);
  frame_writer kept(nothing);
  EXPECT_EQ(kept.write("abc"sv).error(), errc::timeout);
  EXPECT_TRUE(kept.write("abc"sv).has_value());
  EXPECT_EQ(nothing.got, "\0\0\0\3abc"sv);
  sink part(5);
  frame_writer broken(part);
  EXPECT_EQ(broken.write("abc"sv).error(), errc::timeout);
  EXPECT_EQ(broken.write("abc"sv).error(), errc::timeout);
  EXPECT_EQ(part.got, "\0\0\0\3a"sv);
}

TEST(frames_fuzz, splits_and_limits_change_nothing) {
  for (unsigned seed = 0; seed < static_cast<unsigned>(sync_test::scaled(2'000)); ++seed) {
    std::mt19937 random(seed);
    const auto frame_max = random() % 60;
    std::vector<std::string> expected;
    std::vector<std::string> sent(random() % 8);
    for (auto& f : sent) {
      f.assign(random() % 80, static_cast<char>('a' + random() % 26));
      expected.push_back(f.size() <= frame_max ? f : "<Message too long>");
    }
    auto wire = framed(sent);
    expected.push_back("<end of stream>");
    if (const auto cut = random() % 4; cut != 0 && !sent.empty()) {
      // The last frame loses bytes: all but one of it at most.
      wire.resize(wire.size() - 1 - random() % (sent.back().size() + 3));
      expected.pop_back();
      const bool told = wire.size() >= framed(std::span(sent).first(sent.size() - 1)).size() + 4;
      if (sent.back().size() <= frame_max || !told) expected.pop_back();
      expected.push_back("<unexpected EOF>");
    }
    for (const std::size_t piece_max : {1UL, 7UL, 1000UL}) {
      ASSERT_EQ(frames_of(source(wire, seed, piece_max, 20), frame_max), expected)
          << "seed " << seed << " piece_max " << piece_max;
    }
  }
}

TEST(frames, promised_length_takes_no_memory_before_the_bytes_come) {
  // A header that promises 4 GB, and 10 bytes.
  const auto wire =
      "\xff\xff\xff\xff"
      "0123456789"sv;
  EXPECT_EQ(frames_of(source(wire), SIZE_MAX), (std::vector<std::string>{"<unexpected EOF>"}));
}

TEST(buffered_writer, gathers_small_writes_and_passes_large_ones_on) {
  sink to;
  buffered_writer out(to, 8);
  EXPECT_EQ(out.write("abc").value(), 3U);
  EXPECT_EQ(out.write("defgh").value(), 5U);
  EXPECT_EQ(to.calls, 0);
  EXPECT_EQ(out.buffered(), 8U);
  EXPECT_EQ(out.write("i").value(), 1U);
  EXPECT_EQ(to.got, "abcdefgh");
  EXPECT_EQ(out.flush().value(), 1U);
  EXPECT_EQ(out.flush().value(), 0U);
  EXPECT_EQ(out.write("0123456789").value(), 10U);
  EXPECT_EQ(to.got, "abcdefghi0123456789");
  EXPECT_EQ(to.calls, 3);
}

TEST(buffered_writer, after_an_error_nothing_is_lost_and_nothing_doubled) {
  for (std::size_t room = 0; room < 40; ++room) {
    sink to(room);
    buffered_writer out(to, 8);
    std::string sent;
    for (const auto piece : {"ab"sv, "cdefgh"sv, "0123456789ABCDEFGHIJKL"sv, "xyz"sv, "."sv}) {
      auto rest = piece;
      while (!rest.empty()) {
        const auto n = out.write(rest);
        rest.remove_prefix(n ? *n : n.error().written());
      }
      sent += piece;
    }
    while (!out.flush()) continue;
    EXPECT_EQ(to.got, sent) << "room " << room;
  }
}

}  // namespace
}  // namespace weft
