#include "load/load.h"

#include <gtest/gtest.h>

#include <string>

#include "load/message.h"
#include "load/schedule.h"
#include "load/text.h"

namespace {

using namespace std::chrono_literals;
using lab::limit_reason;
using lab::message;
using lab::schedule;

TEST(lab_text, amounts_take_powers_of_a_thousand) {
  EXPECT_DOUBLE_EQ(lab::parse_amount("250").value(), 250);
  EXPECT_DOUBLE_EQ(lab::parse_amount("2.5k").value(), 2500);
  EXPECT_DOUBLE_EQ(lab::parse_amount("1M").value(), 1e6);
  for (const char* wrong : {"", "k", "1x", "-1", "1kk", "nan"})
    EXPECT_FALSE(lab::parse_amount(wrong)) << wrong;
}

TEST(lab_text, bandwidths_are_bits_unless_a_capital_b_says_bytes) {
  EXPECT_DOUBLE_EQ(lab::parse_bandwidth("1Mbps").value(), 1e6);
  EXPECT_DOUBLE_EQ(lab::parse_bandwidth("125kBps").value(), 1e6);
  EXPECT_DOUBLE_EQ(lab::parse_bandwidth("64").value(), 64);
  EXPECT_FALSE(lab::parse_bandwidth("1Mb"));
}

TEST(lab_text, durations_take_units_and_default_to_seconds) {
  EXPECT_EQ(lab::parse_duration("60s").value(), 60s);
  EXPECT_EQ(lab::parse_duration("1.5").value(), 1500ms);
  EXPECT_EQ(lab::parse_duration("250us").value(), 250us);
  EXPECT_EQ(lab::parse_duration("2m").value(), 2min);
  EXPECT_FALSE(lab::parse_duration("3 s"));
  EXPECT_FALSE(lab::parse_duration("1e30s"));
}

TEST(lab_text, lists_of_numbers_double_between_two_dots) {
  EXPECT_EQ(lab::parse_numbers("1..64").value(), (std::vector<unsigned>{1, 2, 4, 8, 16, 32, 64}));
  EXPECT_EQ(lab::parse_numbers("3..10,1").value(), (std::vector<unsigned>{1, 3, 6, 10}));
  for (const char* wrong : {"", "0", "1,,x", "8..2", "1..", "2000000"})
    EXPECT_FALSE(lab::parse_numbers(wrong)) << wrong;
}

TEST(lab_message, escapes_and_counters_are_written_and_keep_the_size) {
  const auto m = message::parse(R"({connection}:{message}\x21\n)").value();
  ASSERT_EQ(m.size(), 23U);
  std::string stream(3 * m.size(), '?');
  m.write(7, 0, stream);
  EXPECT_EQ(stream,
            "0000000007:0000000000!\n"
            "0000000007:0000000001!\n"
            "0000000007:0000000002!\n");
}

TEST(lab_message, a_piece_of_the_stream_is_the_same_wherever_it_begins) {
  const auto m = message::parse("<{message}>").value();
  std::string whole(10 * m.size(), '?');
  m.write(1, 0, whole);
  for (std::size_t at = 0; at < 2 * m.size(); ++at) {
    std::string piece(m.size() + 5, '?');
    m.write(1, at, piece);
    EXPECT_EQ(piece, whole.substr(at, piece.size()));
    EXPECT_TRUE(m.matches(1, at, piece));
    EXPECT_FALSE(m.matches(1, at + 1, piece));
    piece.back() = '#';
    EXPECT_FALSE(m.matches(1, at, piece));
  }
}

TEST(lab_message, what_is_no_message_is_refused) {
  for (const char* wrong : {"", "\\", "\\q", "\\x1", "\\xzz"})
    EXPECT_FALSE(message::parse(wrong)) << wrong;
  EXPECT_EQ(message::parse("\\0\\\\").value().size(), 2U);
}

TEST(lab_schedule, messages_leave_in_batches_when_the_last_of_one_is_due) {
  const schedule plan(1000, 1s, 10ms);
  EXPECT_EQ(plan.total(), 1000U);
  EXPECT_EQ(plan.batch(), 10U);
  EXPECT_EQ(plan.due(0), 9ms);
  EXPECT_EQ(plan.due(9), 9ms);
  EXPECT_EQ(plan.due(10), 19ms);
  EXPECT_EQ(plan.due(999), 999ms);
  EXPECT_EQ(plan.due_by(8ms), 0U);
  EXPECT_EQ(plan.due_by(9ms), 10U);
  EXPECT_EQ(plan.due_by(5s), 1000U);
}

TEST(lab_schedule, without_combining_each_message_leaves_alone) {
  const schedule plan(100, 1s, 0s);
  EXPECT_EQ(plan.batch(), 1U);
  EXPECT_EQ(plan.due(3), 30ms);
  EXPECT_EQ(plan.due_by(30ms), 4U);
}

lab::load_report report_of(std::uint64_t sent, double blocked, double cpu, std::int64_t late) {
  lab::load_report r;
  r.connected = 2;
  r.messages_due = 1000;
  r.messages_sent = sent;
  r.seconds = 10;
  r.cpus = 2;
  r.blocked_seconds = blocked;
  r.cpu_seconds = cpu;
  r.late.record(late, 1000);
  lab::judge(r, 10ms);
  return r;
}

TEST(lab_judge, the_limit_is_who_kept_the_load_down) {
  EXPECT_EQ(report_of(1000, 0, 5, 1000).limit, limit_reason::none);
  EXPECT_EQ(report_of(500, 9, 5, 1000).limit, limit_reason::server);
  EXPECT_EQ(report_of(500, 1, 5, 1000).limit, limit_reason::generator);
  EXPECT_EQ(report_of(500, 9, 19.9, 1000).limit, limit_reason::generator);
  EXPECT_EQ(report_of(1000, 0, 5, 50'000'000).limit, limit_reason::generator);
  EXPECT_EQ(report_of(1000, 0, 19.9, 1000).limit, limit_reason::generator);
}

}  // namespace
