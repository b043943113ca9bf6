#pragma once

// line_writer: puts lines together at the end of a string. The body of a line never exceeds
// body_size_max: what would is cut between code points.
//
//   line_writer(out).tag("time",
//   t).source(mask).command("PRIVMSG").param("#c").text("hello").end();

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

namespace tertulia::proto {

class line_writer {
 public:
  explicit line_writer(std::string& out) : out_(out), body_at_(out.size()) {}

  // tag / raw_tags: before anything else. `value` is escaped here; raw tags are on the wire as
  // given.
  line_writer& tag(std::string_view key, std::string_view value);
  line_writer& raw_tags(std::string_view escaped);

  // source, command, param, text: in this order. A param is not empty, has no space and no leading
  // ':'; text may be anything and comes last.
  line_writer& source(std::string_view mask);
  line_writer& command(std::string_view name);
  line_writer& command(int numeric);
  line_writer& param(std::string_view word);
  line_writer& param(long long number);
  line_writer& text(std::string_view last);

  // end: the end of the line. The writer is used up.
  void end();

 private:
  void begin_body();

  std::string& out_;
  std::size_t body_at_;  // where the body begins
  bool has_tags_ = false;
  bool in_body_ = false;
};

}  // namespace tertulia::proto
